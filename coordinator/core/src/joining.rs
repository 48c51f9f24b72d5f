//! A socket's way into its room: token checked → connection claimed in the store → `connect` →
//! session opened at the worker. `connected` is the worker's to say.

use std::time::Instant;

use velella_model::record::{PeerKind, PeerRecord};
use velella_model::wire::command::{Client, OpenSession, Order, Refusal};
use velella_model::{Generation, Json, PeerId, RoomId, SessionId};

use crate::close::Close;
use crate::edits::Change;
use crate::fleet::Life;
use crate::input::{CommandOutcome, Pass};
use crate::output::Output;
use crate::placing::assignment;
use crate::sessions::{OPEN_PATIENCE, OPEN_RETRY, Site, Told};
use crate::{CommandStep, Coordinator, Parked};

impl Coordinator {
    /// `loaded` tells that the store was asked already, so a miss is final.
    pub(crate) fn socket_authenticated(
        &mut self,
        (session, room, peer): (SessionId, RoomId, PeerId),
        (kind, pass): (PeerKind, Pass),
        loaded: bool,
        now: Instant,
    ) {
        let known = self.records.room(&room).is_some();
        let Some(record) = self.records.room(&room).filter(|_| self.records.peer(&room, &peer).is_some()) else {
            if !loaded {
                return self.load(room.clone(), Parked::Socket { session, room, peer, kind, pass });
            }
            let close = if known { Close::PeerNotFound } else { Close::RoomNotFound };
            return self.emit(Output::CloseSocket { session, close });
        };
        let room_type = record.spec.room_type;
        if let Some(close) = self.keeps_out(&room, &peer, kind, pass) {
            return self.emit(Output::CloseSocket { session, close });
        }
        if self.is_full(&room, &peer) {
            return self.emit(Output::CloseSocket { session, close: Close::PeersLimit });
        }
        for older in self.sessions.of_peer(&room, &peer) {
            self.stats.takeovers += 1;
            self.close(&older, Close::TakenOver, now);
        }
        self.sessions.arrive(session.clone(), room.clone(), peer.clone(), pass);
        self.emit(Output::Welcome { session: session.clone(), room_type });
        let connect = Change::Connect { coordinator: self.id.clone(), session: session.clone() };
        self.edit(&room, &peer, connect, now);
        if kind == PeerKind::Agent {
            // Its protocol has no word for it: an agent joins by coming.
            self.peer_connects(&session, Json::from(serde_json::json!({})), now);
        }
    }

    /// Why a peer that exists may not come in with this token.
    fn keeps_out(&self, room: &RoomId, peer: &PeerId, kind: PeerKind, pass: Pass) -> Option<Close> {
        let record = self.records.peer(room, peer)?;
        if record.kind != kind {
            return Some(Close::WrongSocket);
        }
        if record.kicked.is_some() {
            return Some(Close::PeerNotFound);
        }
        (pass.token_series < record.token_series).then_some(Close::TokenRevoked)
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
        if let Some(s) = self.sessions.get_mut(session) {
            s.claimed = true;
            self.try_open(session, now);
        }
    }

    /// Asks the room's worker to open the session, if everything for it is there.
    pub(crate) fn try_open(&mut self, id: &SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(id).filter(|session| session.claimed) else { return };
        let (room, peer) = (session.room.clone(), session.peer.clone());
        let Some(opening) = session.opening().filter(|opening| opening.asked.is_none()) else { return };
        if self.placings.contains_key(&room) {
            return;
        }
        let (Some(record), Some(peer_record)) = (self.records.room(&room), self.records.peer(&room, &peer)) else {
            return;
        };
        opening.retry_at = Some(now + OPEN_RETRY);
        if self.registry.is_over(&record.placement) || self.fleet.life(&record.placement, now) == Life::Dead {
            return self.move_room(&room, None, now);
        }
        opening.retry_at = None;
        let site = Site::of(&record.placement);
        opening.asked = Some(site.clone());
        let metadata = envelope(&opening.metadata, peer_record);
        session.told = Some(Told {
            server_metadata: peer_record.server_metadata.clone(),
            subscriptions: peer_record.subscriptions.clone(),
        });
        let order = Order::OpenSession {
            session: OpenSession {
                assignment: assignment(&room, record),
                session: id.clone(),
                metadata,
                subscribe_mode: peer_record.subscribe_mode,
                subscriptions: peer_record.subscriptions.clone(),
                rights: session.pass.rights,
                client: client(peer_record),
                holder: self.id.clone().into(),
                peer,
            },
        };
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
        let Some(opening) = session.opening() else { return };
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
            CommandOutcome::Refused(Refusal::Full | Refusal::Malformed | Refusal::Fenced)
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

fn client(record: &PeerRecord) -> Client {
    match record.kind {
        PeerKind::Webrtc | PeerKind::Streamer | PeerKind::Viewer => Client::Webrtc,
        PeerKind::Agent => Client::Agent { output: record.agent_output },
    }
}

/// Endpoint metadata as others see it: what the peer said and what its server attached.
pub(crate) fn envelope(peer_metadata: &Json, record: &PeerRecord) -> Json {
    Json::from(serde_json::json!({ "peer": peer_metadata.value(), "server": record.server_metadata.value() }))
}
