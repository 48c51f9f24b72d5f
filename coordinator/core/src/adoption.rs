//! Sessions that came with an offer outlive their coordinator: media goes on without it, and their clients have nothing
//! that would bring them back. So another coordinator adopts them: the leader all of them, a handful at a time, and
//! whoever is asked for one that one.
//!
//! Who speaks for a session stands in the peer's record. Whoever wrote itself there tells the worker, and both count
//! their signals anew.

use std::time::Instant;

use velella_model::wire::signal::SessionEvent;
use velella_model::{PeerId, RoomId, SessionId};

use crate::Coordinator;
use crate::close::Close;
use crate::edits::Change;
use crate::input::{Arrival, Door, Pass};
use crate::output::Output;
use crate::sessions::{OPEN_PATIENCE, State};

impl Coordinator {
    /// Speaks for the session of a peer from now on, if that came with an offer and is not ours already.
    pub(crate) fn adopt(&mut self, room: RoomId, peer: PeerId, now: Instant) {
        let Some(record) = self.records.peer(&room, &peer) else { return };
        let Some(connection) = record.connection.clone().filter(|connection| connection.offered) else { return };
        let session = connection.session;
        if self.sessions.get(&session).is_some() {
            return;
        }
        let pass = Pass { rights: record.scopes.rights, token_series: record.token_series, newcomer: false };
        let (kind, metadata) = (record.kind, record.peer_metadata.clone());
        let (door, of) = (Door::Offer, (room.clone(), peer.clone()));
        self.sessions.arrive(Arrival { session: session.clone(), room, peer, kind, pass, door });
        self.sessions.connect(&session, metadata, now + OPEN_PATIENCE);
        if let Some(adopted) = self.sessions.get_mut(&session) {
            adopted.adopted = true;
        }
        self.stats.adoptions += 1;
        self.emit(Output::Adopt { session: session.clone() });
        let change = Change::Adopt { session, from: connection.coordinator, coordinator: self.id.clone() };
        self.edit(&of.0, &of.1, change, now);
    }

    /// The store says who speaks for the session now.
    pub(crate) fn adoption_written(&mut self, session: &SessionId, now: Instant) {
        if self.speaks_for(session) {
            self.session_admitted(session, now);
        } else {
            self.abandon(session);
        }
    }

    /// Lets go of a session that goes on without us.
    pub(crate) fn abandon(&mut self, session: &SessionId) {
        if self.sessions.leave(session).is_some() {
            self.emit(Output::CloseSocket { session: session.clone(), close: Close::TakenOver });
        }
    }

    /// Whether an event of an adopted session counts: nothing does before the worker says that it begins anew.
    pub(crate) fn begins_anew(&mut self, id: &SessionId, event: &SessionEvent) -> bool {
        let Some(session) = self.sessions.get_mut(id).filter(|session| session.adopted) else { return true };
        let is_begin = matches!(event, SessionEvent::Adopted { .. });
        match &mut session.state {
            State::Open(open) if is_begin => {
                session.next_heard = 0;
                open.next_said = 0;
                true
            }
            State::Opening(opening) if is_begin => {
                session.next_heard = 0;
                opening.asked.is_some()
            }
            State::Open(_) => true,
            State::Opening(_) | State::Quiet => false,
        }
    }

    fn speaks_for(&self, session: &SessionId) -> bool {
        let record = self.whose(session).and_then(|(room, peer)| self.records.peer(&room, &peer));
        let connection = record.and_then(|record| record.connection.as_ref());
        connection.is_some_and(|present| present.session == *session && present.coordinator == self.id)
    }
}
