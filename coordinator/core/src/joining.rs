//! The way of a socket, or of an offer, into its room: token checked → connection claimed in the store → `connect` →
//! session opened at the worker. `connected` is the worker's to say.

use std::time::Instant;

use velella_model::record::{Connection, PeerKind, PeerRecord, Scopes};
use velella_model::wire::command::{Client, OpenSession, Order, Refusal, SubscribeMode};
use velella_model::wire::signal::CloseReason;
use velella_model::{Generation, Json, PeerId, RoomId, RoomType, SessionId};

use crate::close::Close;
use crate::edits::Change;
use crate::fleet::Life;
use crate::input::{Arrival, CommandOutcome, Door, Entry, Fact, WriteOutcome};
use crate::output::{Expect, Output};
use crate::placing::assignment;
use crate::sessions::{OPEN_PATIENCE, OPEN_RETRY, Site, Told};
use crate::{CommandStep, Coordinator, Parked, WriteStep};

impl Coordinator {
    /// `loaded` tells that the store was asked already, so a miss is final.
    pub(crate) fn arrived(&mut self, arrival: Arrival, loaded: bool, now: Instant) {
        let Arrival { room, peer, .. } = &arrival;
        let Some(room_type) = self.records.room(room).map(|record| record.spec.room_type) else {
            return self.unknown(arrival, Close::RoomNotFound, loaded);
        };
        let is_known = self.records.peer(room, peer).is_some();
        if !(is_known || loaded && arrival.pass.newcomer) {
            return self.unknown(arrival, Close::PeerNotFound, loaded);
        }
        if arrival.kind == PeerKind::Streamer && self.is_streamed_to(room, peer) {
            return self.emit(Output::CloseSocket { session: arrival.session, close: Close::StreamTaken });
        }
        if !is_known {
            return self.add_newcomer(arrival);
        }
        self.let_in(arrival, room_type, now);
    }

    /// Whose record stands.
    fn let_in(&mut self, arrival: Arrival, room_type: RoomType, now: Instant) {
        let Arrival { room, peer, .. } = &arrival;
        if let Some(close) = self.keeps_out(&arrival) {
            return self.emit(Output::CloseSocket { session: arrival.session, close });
        }
        for older in self.sessions.of_peer(room, peer) {
            self.stats.takeovers += 1;
            self.close(&older, Close::TakenOver, now);
        }
        let Arrival { session, room, peer, kind, door, .. } = arrival.clone();
        self.sessions.arrive(arrival);
        self.emit(Output::Welcome { session: session.clone(), room_type });
        let (coordinator, offered) = (self.id.clone(), door == Door::Offer);
        let connect = Change::Connect { coordinator, session: session.clone(), offered };
        self.edit(&room, &peer, connect, now);
        if kind == PeerKind::Agent || door == Door::Offer {
            // Their protocols have no word for it: they join by coming.
            self.peer_connects(&session, Json::from(serde_json::json!({})), now);
        }
    }

    /// The store may know what is not known here yet.
    fn unknown(&mut self, arrival: Arrival, close: Close, loaded: bool) {
        if loaded {
            return self.emit(Output::CloseSocket { session: arrival.session, close });
        }
        self.load(arrival.room.clone(), Parked::Arrival(arrival));
    }

    /// Its record is written with its connection: it is there as long as that is.
    fn add_newcomer(&mut self, arrival: Arrival) {
        let Arrival { session, room, peer, kind, pass, .. } = arrival.clone();
        let offered = arrival.door == Door::Offer;
        let connection = Connection { coordinator: self.id.clone(), session, joined: false, offered };
        let record = PeerRecord {
            connection: Some(connection),
            scopes: Scopes { rights: pass.rights, admin: false },
            passing: true,
            ..PeerRecord::new(kind, Json::from(serde_json::json!({})), SubscribeMode::Auto)
        };
        let fact = Fact::Peer(room, peer, Some(record));
        self.write(WriteStep::NewcomerAdded(arrival, Box::new(fact.clone())), fact, Expect::Absent);
    }

    pub(crate) fn newcomer_added(&mut self, arrival: Arrival, fact: Fact, outcome: WriteOutcome, now: Instant) {
        match outcome {
            WriteOutcome::Done(revision) => self.answered(fact, revision, now),
            // With the same token, a moment earlier.
            WriteOutcome::Conflict(Some(Entry { fact, revision })) => self.answered(fact, revision, now),
            WriteOutcome::Conflict(None) | WriteOutcome::Failed => {
                self.stats.writes_lost += 1;
                return self.emit(Output::CloseSocket { session: arrival.session, close: Close::StoreDown });
            }
        }
        let Some(room_type) = self.records.room(&arrival.room).map(|record| record.spec.room_type) else {
            let Arrival { session, room, peer, .. } = arrival;
            self.write(WriteStep::PeerForgotten, Fact::Peer(room, peer, None), Expect::Any);
            return self.emit(Output::CloseSocket { session, close: Close::RoomNotFound });
        };
        // Another streamer that came meanwhile is left to the claim of the stream, or each would yield to the other.
        self.let_in(arrival, room_type, now);
    }

    /// Why somebody may not come in with this token.
    fn keeps_out(&self, arrival: &Arrival) -> Option<Close> {
        let Arrival { room, peer, kind, pass, .. } = arrival;
        let record = self.records.peer(room, peer)?;
        if record.kind != *kind {
            return Some(Close::WrongSocket);
        }
        if record.kicked.is_some() {
            return Some(Close::PeerNotFound);
        }
        if pass.token_series < record.token_series {
            return Some(Close::TokenRevoked);
        }
        self.is_full(room, peer).then_some(Close::PeersLimit)
    }

    /// Whether as many *other* peers are connected as the room may have.
    fn is_full(&self, room: &RoomId, peer: &PeerId) -> bool {
        let Some(peers_max) = self.records.room(room).and_then(|record| record.spec.peers_max) else { return false };
        let is_listed = |record: &PeerRecord| !record.kind.is_of_livestream();
        if !self.records.peer(room, peer).is_some_and(is_listed) {
            return false;
        }
        let others = self.records.members(room).filter(|(id, record)| *id != peer && is_listed(record));
        others.filter(|(_, record)| record.connection.is_some()).count() >= peers_max as usize
    }

    pub(crate) fn peer_connects(&mut self, session: &SessionId, metadata: Json, now: Instant) {
        if !self.sessions.connect(session, metadata.clone(), now + OPEN_PATIENCE) {
            return;
        }
        if let Some((room, peer)) = self.whose(session) {
            self.edit(&room, &peer, Change::Metadata { session: session.clone(), metadata }, now);
        }
        self.try_open(session, now);
    }

    /// The store names this session as the peer's connection.
    pub(crate) fn session_claimed(&mut self, session: &SessionId, now: Instant) {
        let record = self.whose(session).and_then(|(room, peer)| self.records.peer(&room, &peer));
        if record.is_some_and(|record| record.kind == PeerKind::Streamer) {
            return self.claim_stream(session, false, now);
        }
        self.session_admitted(session, now);
    }

    /// Nothing in the store speaks against it.
    pub(crate) fn session_admitted(&mut self, session: &SessionId, now: Instant) {
        if let Some(s) = self.sessions.get_mut(session) {
            s.claimed = true;
            self.try_open(session, now);
        }
    }

    /// Asks the room's worker to open the session, if everything for it is there.
    pub(crate) fn try_open(&mut self, id: &SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(id).filter(|session| session.claimed) else { return };
        let (room, peer, adopted) = (session.room.clone(), session.peer.clone(), session.adopted);
        let Some(opening) = session.opening().filter(|opening| opening.asked.is_none()) else { return };
        if self.placings.contains_key(&room) {
            return;
        }
        let (Some(record), Some(peer_record)) = (self.records.room(&room), self.records.peer(&room, &peer)) else {
            return;
        };
        opening.retry_at = Some(now + OPEN_RETRY);
        if self.registry.is_over(&record.placement)
            || self.fleet.life(&record.placement, &self.registry, now) == Life::Dead
        {
            if adopted {
                return self.close(id, Close::WorkerRestarted, now);
            }
            return self.move_room(&room, None, now);
        }
        opening.retry_at = None;
        let site = Site::of(&record.placement);
        opening.asked = Some(site.clone());
        let metadata = envelope(&opening.metadata, peer_record);
        let told = Told {
            server_metadata: peer_record.server_metadata.clone(),
            subscriptions: peer_record.subscriptions.clone(),
        };
        // What its worker was told before is not known here.
        session.told = Some(if adopted { Told::nothing() } else { told });
        let open = || Order::OpenSession {
            session: OpenSession {
                assignment: assignment(&room, record),
                session: id.clone(),
                metadata,
                subscribe_mode: peer_record.subscribe_mode,
                subscriptions: peer_record.subscriptions.clone(),
                rights: session.pass.rights,
                client: client(session.door, peer_record),
                holder: self.id.clone().into(),
                peer,
                job: None,
            },
        };
        let adopt = || Order::AdoptSession { session: id.clone(), holder: self.id.clone().into() };
        let order = if adopted { adopt() } else { open() };
        let step = CommandStep::SessionOpened(id.clone(), site.clone());
        self.command(step, site.worker, site.incarnation, order);
    }

    pub(crate) fn open_waiting(&mut self, room: &RoomId, now: Instant) {
        for session in self.sessions.opening_in(room) {
            self.try_open(&session, now);
        }
    }

    /// What came of `OpenSession`. The session may be open already: its first events can
    /// overtake the answer.
    pub(crate) fn session_opened(&mut self, id: &SessionId, site: Site, outcome: CommandOutcome, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else {
            if matches!(outcome, CommandOutcome::Done | CommandOutcome::TimedOut) {
                self.close_at_worker(id, site);
            }
            return;
        };
        let room = session.room.clone();
        let is_over =
            session.adopted && matches!(outcome, CommandOutcome::Refused(refusal) if refusal != Refusal::Full);
        let Some(opening) = session.opening() else { return };
        if is_over {
            return self.close(id, Close::SessionEnded(CloseReason::Asked), now);
        }
        match outcome {
            CommandOutcome::Done => return self.session_is_open(id),
            CommandOutcome::NoResponders => {
                opening.asked = None;
                opening.retry_at = Some(now + OPEN_RETRY);
                // It may live, and only be cut off from the bus: its rooms move when it is dead.
                self.probe_now(&site.worker, now);
            }
            CommandOutcome::Refused(Refusal::WrongIncarnation | Refusal::Draining) => {
                opening.asked = None;
                opening.retry_at = Some(now + OPEN_RETRY);
                let gone = (outcome == CommandOutcome::Refused(Refusal::Draining)).then_some(site.worker);
                self.move_room(&room, gone, now);
            }
            CommandOutcome::Refused(Refusal::StaleGeneration) => {
                opening.asked = None;
                opening.retry_at = Some(now + OPEN_RETRY);
                self.load(room.clone(), Parked::Refused(room.clone(), site.generation));
            }
            CommandOutcome::Refused(Refusal::Full | Refusal::Malformed | Refusal::Fenced | Refusal::NoSession)
            | CommandOutcome::TimedOut => {
                opening.asked = None;
                opening.retry_at = Some(now + OPEN_RETRY);
            }
        }
        tracing::debug!(session = %id, %room, ?outcome, "session not opened, will try again");
    }

    /// The room's worker refuses a placement as over. If the store still names that one, it was given up
    /// half-way, and the worker will never take the room under it.
    pub(crate) fn placement_refused(&mut self, room: &RoomId, generation: Generation, now: Instant) {
        if self.records.room(room).is_some_and(|record| record.placement.generation == generation) {
            self.move_room(room, None, now);
        }
    }

    /// Sessions whose next attempt is due, or whose patience ended.
    pub(crate) fn retry_opening(&mut self, now: Instant) {
        for id in self.sessions.due(now) {
            let Some(opening) = self.sessions.get_mut(&id).and_then(|session| session.opening()) else { continue };
            opening.retry_at = None;
            if opening.deadline <= now {
                self.close(&id, Close::NoWorker, now);
            } else {
                self.try_open(&id, now);
            }
        }
    }
}

fn client(door: Door, record: &PeerRecord) -> Client {
    match (record.kind, door) {
        (PeerKind::Agent, _) => Client::Agent { output: record.agent_output },
        (PeerKind::Webrtc | PeerKind::Streamer | PeerKind::Viewer, Door::Socket) => Client::Webrtc,
        (PeerKind::Webrtc | PeerKind::Streamer | PeerKind::Viewer, Door::Offer) => Client::OneOffer,
    }
}

/// Endpoint metadata as others see it: what the peer said and what its server attached.
pub(crate) fn envelope(peer_metadata: &Json, record: &PeerRecord) -> Json {
    Json::from(serde_json::json!({ "peer": peer_metadata.value(), "server": record.server_metadata.value() }))
}
