//! An open session's messages, numbered both ways, and what they change in the records.

use std::time::Instant;

use velella_model::record::{PeerKind, TrackRecord};
use velella_model::wire::command::Order;
use velella_model::wire::signal::{CloseReason, PeerEvent, SessionEvent, ToHolder, ToWorker};
use velella_model::{Json, PeerId, RoomId, SessionId, TrackId};

use crate::Coordinator;
use crate::close::Close;
use crate::edits::Change;
use crate::input::Said;
use crate::joining::envelope;
use crate::output::Output;
use crate::sessions::{HELD_EVENTS_MAX, Site, State};

/// What is told of a session that a bug ended; the worker's log has the rest.
const CRASHED: &str = "internal error at the worker";

impl Coordinator {
    pub(crate) fn peer_said(&mut self, id: &SessionId, said: Said, now: Instant) {
        match said {
            Said::Connect(metadata) => self.peer_connects(id, metadata, now),
            Said::Disconnect => self.close(id, Close::Left, now),
            Said::Metadata(metadata) => self.peer_metadata(id, metadata, now),
            Said::Event(event) => self.say(id, event, now),
        }
    }

    fn peer_metadata(&mut self, id: &SessionId, metadata: Json, now: Instant) {
        let Some((room, peer)) = self.whose(id) else { return };
        let Some(record) = self.records.peer(&room, &peer) else { return };
        let enveloped = envelope(&metadata, record);
        if let Some(session) = self.sessions.get_mut(id) {
            session.metadata = metadata.clone();
            if let Some(told) = &mut session.told {
                told.server_metadata = record.server_metadata.clone();
            }
        }
        self.edit(&room, &peer, Change::Metadata { session: id.clone(), metadata }, now);
        self.say(id, PeerEvent::UpdateEndpointMetadata { metadata: enveloped }, now);
    }

    /// Passes an event to the worker, or holds it until the session is open.
    pub(crate) fn say(&mut self, id: &SessionId, event: PeerEvent, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if let (State::Opening(opening), PeerEvent::SetSubscriptions { .. }) = (&mut session.state, &event) {
            // The set is whole: only the last one counts.
            opening.held.retain(|held| !matches!(held, PeerEvent::SetSubscriptions { .. }));
        }
        match &mut session.state {
            State::Quiet => {
                let (room, peer) = (&session.room, &session.peer);
                tracing::debug!(session = %id, %room, %peer, "an event before connect is ignored");
            }
            State::Opening(opening) if opening.held.len() < HELD_EVENTS_MAX => opening.held.push_back(event),
            State::Opening(_) => self.close(id, Close::TooMuchHeld, now),
            State::Open(open) => {
                let message = ToWorker { session: id.clone(), seq: open.next_said, event };
                open.next_said += 1;
                let worker = open.site.worker.clone();
                self.emit(Output::Signal { worker, message });
            }
        }
    }

    pub(crate) fn session_is_open(&mut self, id: &SessionId) {
        let held = self.sessions.opened(id);
        let Some(State::Open(open)) = self.sessions.get_mut(id).map(|session| &mut session.state) else { return };
        let worker = open.site.worker.clone();
        let first = open.next_said;
        open.next_said += held.len() as u64;
        for (event, seq) in held.into_iter().zip(first..) {
            let message = ToWorker { session: id.clone(), seq, event };
            self.emit(Output::Signal { worker: worker.clone(), message });
        }
    }

    pub(crate) fn signalled(&mut self, message: ToHolder, now: Instant) {
        let ToHolder { session: id, seq, event } = message;
        if !self.begins_anew(&id, &event) {
            self.stats.signals_stray += 1;
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            self.stats.signals_stray += 1;
            return;
        };
        if seq < session.next_heard {
            self.stats.signals_stray += 1;
            return;
        }
        if seq > session.next_heard {
            self.stats.signal_gaps += 1;
            let (room, peer, worker) = (&session.room, &session.peer, session.site().map(|site| &site.worker));
            let expected = session.next_heard;
            tracing::warn!(session = %id, %room, %peer, ?worker, expected, seq, "a signal of the worker was lost");
            return self.close(&id, Close::SignalLost, now);
        }
        session.next_heard += 1;
        if session.opening().is_some_and(|opening| opening.asked.is_some()) {
            self.session_is_open(&id);
        }
        self.session_event(id, event, now);
    }

    fn session_event(&mut self, session: SessionId, event: SessionEvent, now: Instant) {
        let Some((room, peer)) = self.whose(&session) else { return };
        let change = match event {
            SessionEvent::ToPeer { event } => return self.emit(Output::ToSocket { session, event }),
            SessionEvent::Closed { reason } => return self.session_ended(&session, reason, now),
            SessionEvent::Adopted { offer } => {
                self.tell_worker_of(&session, now);
                return self.emit(Output::Adopted { session, offer });
            }
            SessionEvent::TrackAdded { track, kind, metadata } => {
                self.track_taken(&session, &track);
                Change::Track { session, track, record: TrackRecord { kind, metadata } }
            }
            SessionEvent::TrackMetadataUpdated { track, kind, metadata } => {
                Change::Track { session, track, record: TrackRecord { kind, metadata } }
            }
            SessionEvent::TrackRemoved { track, .. } => Change::TrackGone { session, track },
            SessionEvent::ChannelAdded { channel } => Change::Channel { session, channel },
            SessionEvent::ChannelRemoved { channel } => Change::ChannelGone { session, channel },
        };
        self.edit(&room, &peer, change, now);
    }

    /// Tells an agent's socket that the sound of a track can go to the worker now.
    fn track_taken(&mut self, id: &SessionId, track: &TrackId) {
        let Some(session) = self.sessions.get(id) else { return };
        let record = self.records.peer(&session.room, &session.peer);
        if record.is_some_and(|record| record.kind == PeerKind::Agent)
            && let Some(site) = session.site()
        {
            let (session, worker, track) = (id.clone(), site.worker.clone(), track.clone());
            self.emit(Output::TrackTaken { session, track, worker });
        }
    }

    /// The worker closed the session. A takeover keeps the peer's older socket out, unless the
    /// store says that this one is the present one: then two opens crossed, and it comes back.
    fn session_ended(&mut self, id: &SessionId, reason: CloseReason, now: Instant) {
        let present = self.whose(id).is_some_and(|(room, peer)| self.is_present(id, &room, &peer));
        if reason == CloseReason::Crashed
            && let Some((room, peer)) = self.whose(id)
        {
            let change = Change::Crash { session: id.clone(), reason: CRASHED.into() };
            self.edit(&room, &peer, change, now);
        }
        match reason {
            CloseReason::TakenOver if !present => {
                self.stats.takeovers += 1;
                self.close(id, Close::TakenOver, now);
            }
            CloseReason::Asked
            | CloseReason::TakenOver
            | CloseReason::IceTimeout
            | CloseReason::SignalLost
            | CloseReason::BadSignal
            | CloseReason::Crashed
            | CloseReason::RoomClosed
            | CloseReason::Full => self.close(id, Close::SessionEnded(reason), now),
        }
    }

    pub(crate) fn is_present(&self, id: &SessionId, room: &RoomId, peer: &PeerId) -> bool {
        let connection = self.records.peer(room, peer).and_then(|record| record.connection.as_ref());
        connection.is_some_and(|connection| connection.session == *id)
    }

    /// Closes the socket and forgets its session, here, at the worker and in the store.
    pub(crate) fn close(&mut self, id: &SessionId, close: Close, now: Instant) {
        if self.sessions.get(id).is_some() {
            self.emit(Output::CloseSocket { session: id.clone(), close });
            self.leave(id, now);
        }
    }

    pub(crate) fn leave(&mut self, id: &SessionId, now: Instant) {
        let Some(session) = self.sessions.leave(id) else { return };
        if let Some(site) = session.site().cloned() {
            self.close_at_worker(id, site);
        }
        let change = Change::Disconnect { session: id.clone() };
        self.edit(&session.room, &session.peer, change, now);
    }

    pub(crate) fn close_at_worker(&mut self, id: &SessionId, site: Site) {
        let order = Order::CloseSession { session: id.clone() };
        self.command_surely(site.worker, site.incarnation, order);
    }

    pub(crate) fn whose(&self, id: &SessionId) -> Option<(RoomId, PeerId)> {
        self.sessions.get(id).map(|session| (session.room.clone(), session.peer.clone()))
    }
}
