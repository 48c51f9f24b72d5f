//! Rooms and sessions come and go.

use std::collections::BTreeMap;
use std::time::Instant;

use velella_model::wire::command::{Assignment, Holder};
use velella_model::wire::signal::{CloseReason, Endpoint, ServerEvent, SessionEvent};
use velella_model::{RoomId, SessionId};

use super::{Admission, Entrance, Output, Shard};
use crate::agent::AgentNews;
use crate::room::{Room, RoomKey, Track, TrackKey};
use crate::session::{Connection, Session, SessionKey};
use crate::transport::Transport;

impl Shard {
    pub(super) fn assign_room(&mut self, assignment: Assignment) -> RoomKey {
        if let Some(key) = self.rooms_by_id.get(&assignment.room) {
            return *key;
        }
        let id = assignment.room.clone();
        let key = RoomKey(self.rooms.insert(Room::new(assignment)));
        self.rooms_by_id.insert(id, key);
        key
    }

    pub(super) fn close_room(&mut self, id: &RoomId, now: Instant) {
        let Some(key) = self.rooms_by_id.remove(id) else { return };
        let members: Vec<_> = self.rooms.get(key.0).map(|r| r.members.values().copied().collect()).unwrap_or_default();
        for member in members {
            self.close_session(member, CloseReason::RoomClosed, now);
        }
        self.rooms.try_remove(key.0);
    }

    /// A peer connects: it takes the place of its own older session, is welcomed, and others learn
    /// of it before any of its tracks.
    pub(super) fn open_session(&mut self, admission: Admission, now: Instant) {
        let Admission { session, entrance } = admission;
        let room_key = self.assign_room(session.assignment.clone());
        let (peer, id) = (session.peer.clone(), session.session.clone());
        let older = self.rooms.get(room_key.0).and_then(|r| r.members.get(&peer).copied());
        if let Some(older) = older {
            self.close_session(older, CloseReason::TakenOver, now);
        }
        let key = match entrance {
            Entrance::Webrtc { rtc, ufrag } => {
                let connection = Connection::Webrtc(Transport::new(rtc, now));
                let session = Session::new(session, room_key, connection, ufrag.clone(), now);
                let key = SessionKey(self.sessions.insert(session));
                self.demux.name(&ufrag, key);
                key
            }
            Entrance::Agent { output } => {
                let session = Session::new(session, room_key, Connection::Agent, String::new(), now);
                let key = SessionKey(self.sessions.insert(session));
                self.agent_joined(key, output);
                key
            }
        };
        self.sessions_by_id.insert(id, key);
        if let Some(room) = self.rooms.get_mut(room_key.0) {
            room.members.insert(peer, key);
        }
        self.welcome(key, now);
    }

    /// Somebody else speaks for a session that came with an offer. Who spoke for it before may not have heard of its
    /// tracks.
    pub(super) fn adopt_session(&mut self, id: &SessionId, holder: Holder) {
        let Some(key) = self.sessions_by_id.get(id).copied() else { return };
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        let room_key = session.room;
        let Some(offer) = session.adopt(holder) else { return };
        self.emit(key, SessionEvent::Adopted { offer });
        let Some(room) = self.rooms.get(room_key.0) else { return };
        let own = room.tracks_of(key).into_iter().filter_map(|track| room.track(track));
        let told = |track: &Track| {
            let (id, kind, metadata) = (track.id.clone(), track.kind, track.metadata.clone());
            SessionEvent::TrackAdded { track: id, kind, metadata }
        };
        let tracks: Vec<SessionEvent> = own.map(told).collect();
        tracks.into_iter().for_each(|event| self.emit(key, event));
    }

    fn welcome(&mut self, key: SessionKey, now: Instant) {
        self.want_covered(key);
        let Some(session) = self.sessions.get(key.0) else { return };
        let Some(room) = self.rooms.get(session.room.0) else { return };
        let (endpoint, metadata) = (session.peer.clone(), session.metadata.clone());
        let others = if session.is_hidden() { Vec::new() } else { room.others(key) };
        // Tracks follow in `tracks_added`. Listing them here as well would make clients report
        // each of them twice.
        let member = |member: &SessionKey| {
            let session = self.sessions.get(member.0).filter(|session| *member == key || !session.is_hidden())?;
            let endpoint = Endpoint { metadata: session.metadata.clone(), tracks: BTreeMap::new() };
            Some((session.peer.clone(), endpoint))
        };
        let endpoints = room.members.values().filter_map(member).collect();
        self.tell(key, ServerEvent::Connected { endpoint: endpoint.clone(), endpoints });
        for other in others {
            self.tell(other, ServerEvent::EndpointAdded { endpoint: endpoint.clone(), metadata: metadata.clone() });
        }
        self.negotiate(key);
        self.with_transport(key, now, |t, d| t.timeout(now, d));
    }

    /// Ends a session with a goodbye on its transport.
    pub(super) fn close_session(&mut self, key: SessionKey, reason: CloseReason, now: Instant) {
        if let Some(transport) = self.sessions.get_mut(key.0).and_then(Session::transport_mut) {
            transport.close(now, &mut self.drained);
            self.drained.events.clear();
        }
        self.bury_session(key, reason);
    }

    /// Removes a session without touching its transport, which may be what broke.
    pub(super) fn bury_session(&mut self, key: SessionKey, reason: CloseReason) {
        let Some(room_key) = self.sessions.get(key.0).map(|s| s.room) else { return };
        let own: Vec<TrackKey> = self.rooms.get(room_key.0).map(|r| r.tracks_of(key)).unwrap_or_default();
        for track in own {
            self.unpublish(room_key, track);
        }
        let channels = self.sessions.get_mut(key.0).map(|s| s.channels.take());
        for channel in channels.into_iter().flatten() {
            self.emit(key, SessionEvent::ChannelRemoved { channel });
        }
        self.emit(key, SessionEvent::Closed { reason });
        let Some(session) = self.sessions.try_remove(key.0) else { return };
        tracing::info!(parent: &session.span, ?reason, "session closed");
        self.sessions_by_id.remove(&session.id);
        if session.is_agent() {
            self.outputs.push_back(Output::Agent(AgentNews::Left { session: session.id.clone() }));
        }
        self.demux.forget(key);
        let Some(room) = self.rooms.get_mut(room_key.0) else { return };
        room.members.remove(&session.peer);
        for (_, track) in &mut room.tracks {
            track.subscriptions.retain(|s| s.session != key);
        }
        let others = if session.is_hidden() { Vec::new() } else { room.others(key) };
        for other in others {
            self.tell(other, ServerEvent::EndpointRemoved { endpoint: session.peer.clone() });
        }
    }

    /// Says something to a peer.
    pub(super) fn tell(&mut self, key: SessionKey, event: ServerEvent) {
        if self.sessions.get(key.0).is_some_and(|session| session.understands(&event)) {
            self.emit(key, SessionEvent::ToPeer { event });
        }
    }
}
