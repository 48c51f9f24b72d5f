//! Questions of the management API that take no more than one write.

use std::time::Instant;

use velella_model::component::ComponentRecord;
use velella_model::record::PeerRecord;
use velella_model::{PeerId, RoomId};

use crate::broadcasts::Subscribing;
use crate::input::{Fact, PeerSpec, Request, Ticket, WriteOutcome};
use crate::output::{Denial, Expect, Output, Reply};
use crate::{Coordinator, Parked, WriteStep};

impl Coordinator {
    /// `loaded` tells that the store was asked already, so a miss is final.
    pub(crate) fn requested(&mut self, ticket: Ticket, request: Request, loaded: bool, now: Instant) {
        if let Some(room) = request.must_know().filter(|_| !loaded)
            && !self.knows(&request)
        {
            let room = room.clone();
            return self.load(room, Parked::Request { ticket, request });
        }
        let reply = match request {
            Request::CreateRoom { room, spec, reuse } => return self.create_room(ticket, room, spec, reuse, now),
            Request::DeleteRoom { room } => return self.delete_room(ticket, room),
            Request::AddPeer { room, peer, spec } => return self.add_peer(ticket, room, peer, spec),
            Request::EditPeer { room, peer, edit } => return self.edit_peer(ticket, (room, peer), edit, now),
            Request::EditRoom { room, patch } => return self.edit_room(ticket, room, patch),
            Request::DeletePeer { room, peer, reason } => return self.delete_peer(ticket, (room, peer), reason, now),
            Request::ListRooms { query } => {
                let (rooms, more) = self.records.list(&query);
                Reply::Rooms { rooms, more }
            }
            Request::ShowRoom { room } => {
                self.records.view(&room).map_or(Reply::Denied(Denial::RoomNotFound), Reply::Room)
            }
            Request::ShowPeer { room, peer } => self.show_peer(&room, peer),
            Request::AdoptPeer { room, peer } => {
                self.adopt(room, peer, now);
                Reply::Done
            }
            Request::AddComponent { room, component, spec, metadata, transcode, subscriptions } => {
                let record = ComponentRecord { spec: *spec, metadata, transcode, subscriptions, job: None };
                return self.add_component(ticket, (room, component), record, now);
            }
            Request::ShowComponent { room, component } => self.show_component((room, component)),
            Request::DeleteComponent { room, component } => return self.delete_component(ticket, (room, component)),
            Request::SubscribeComponent { room, component, origins } => {
                return self.subscribe_component(Subscribing::new(ticket, (room, component), origins));
            }
            Request::FindBroadcast { room } => self.find_broadcast(&room, now),
            Request::ListGateways => Reply::Gateways(self.gateway_views(now)),
            Request::CordonWorker { worker, cordon } => return self.cordon_worker(ticket, worker, cordon),
            Request::MoveRoom { room, to } => return self.move_by_hand(ticket, &room, to, now),
            Request::ListWorkers => Reply::Workers(self.workers(now)),
            Request::ShowTotals => Reply::Totals(self.totals(now)),
            Request::ShowHistory { query } => Reply::History(self.history.view(&query, now)),
        };
        self.emit(Output::Reply { ticket, reply });
    }

    fn knows(&self, request: &Request) -> bool {
        match request {
            Request::CreateRoom { .. } | Request::ListRooms { .. } | Request::ListWorkers => true,
            // Whoever asks is a stranger, and shall not make the store work.
            Request::FindBroadcast { .. } => true,
            Request::ListGateways
            | Request::ShowTotals
            | Request::ShowHistory { .. }
            | Request::CordonWorker { .. } => true,
            Request::DeleteRoom { room }
            | Request::MoveRoom { room, .. }
            | Request::ShowRoom { room }
            | Request::EditRoom { room, .. }
            | Request::AddComponent { room, .. }
            | Request::AddPeer { room, .. } => self.records.room(room).is_some(),
            Request::ShowComponent { room, component }
            | Request::SubscribeComponent { room, component, .. }
            | Request::DeleteComponent { room, component } => {
                let key = (room.clone(), component.clone());
                self.records.room(room).is_some() && self.records.components.get(&key).is_some()
            }
            Request::EditPeer { room, peer, edit } => self.knows_all_of(room, peer, edit),
            Request::ShowPeer { room, peer }
            | Request::AdoptPeer { room, peer }
            | Request::DeletePeer { room, peer, .. } => {
                self.records.room(room).is_some() && self.records.peer(room, peer).is_some()
            }
        }
    }

    pub(crate) fn show_peer(&self, room: &RoomId, peer: PeerId) -> Reply {
        if self.records.room(room).is_none() {
            return Reply::Denied(Denial::RoomNotFound);
        }
        match self.records.peer(room, &peer).cloned() {
            Some(record) => Reply::Peer(peer, record),
            None => Reply::Denied(Denial::PeerNotFound),
        }
    }

    fn add_peer(&mut self, ticket: Ticket, room: RoomId, peer: PeerId, spec: PeerSpec) {
        let Some(record) = self.records.room(&room) else {
            return self.deny(ticket, Denial::RoomNotFound);
        };
        // Whoever streams or watches a livestream is no peer to the limit.
        let listed = self.records.members(&room).filter(|(_, member)| !member.kind.is_of_livestream());
        let members = listed.count() + self.adding.get(&room).copied().unwrap_or(0);
        let is_listed = !spec.kind.is_of_livestream();
        if is_listed && record.spec.peers_max.is_some_and(|peers_max| members >= peers_max as usize) {
            return self.deny(ticket, Denial::PeersLimit);
        }
        let PeerSpec { kind, server_metadata, subscribe_mode, agent_output, scopes } = spec;
        let record = PeerRecord { agent_output, scopes, ..PeerRecord::new(kind, server_metadata, subscribe_mode) };
        *self.adding.entry(room.clone()).or_default() += 1;
        let fact = Fact::Peer(room, peer, Some(record));
        self.write(WriteStep::PeerAdded(ticket, Box::new(fact.clone())), fact, Expect::Absent);
    }

    pub(crate) fn peer_added(&mut self, ticket: Ticket, fact: Fact, outcome: WriteOutcome, now: Instant) {
        let Fact::Peer(room, peer, Some(record)) = fact else { return };
        if let Some(adding) = self.adding.get_mut(&room) {
            *adding -= 1;
            if *adding == 0 {
                self.adding.remove(&room);
            }
        }
        let WriteOutcome::Done(revision) = outcome else {
            self.stats.writes_lost += 1;
            return self.deny(ticket, Denial::StoreDown);
        };
        if self.records.room(&room).is_none() {
            self.write(WriteStep::PeerForgotten, Fact::Peer(room, peer, None), Expect::Any);
            return self.deny(ticket, Denial::RoomNotFound);
        }
        self.answered(Fact::Peer(room, peer.clone(), Some(record.clone())), revision, now);
        self.emit(Output::Reply { ticket, reply: Reply::Peer(peer, record) });
    }

    pub(crate) fn deny(&mut self, ticket: Ticket, denial: Denial) {
        self.emit(Output::Reply { ticket, reply: Reply::Denied(denial) });
    }
}

impl Request {
    /// The room that must exist for this request.
    fn must_know(&self) -> Option<&RoomId> {
        match self {
            Self::CreateRoom { .. } | Self::ListRooms { .. } | Self::ListWorkers | Self::ListGateways => None,
            Self::FindBroadcast { .. } | Self::ShowTotals | Self::ShowHistory { .. } | Self::CordonWorker { .. } => {
                None
            }
            Self::DeleteRoom { room }
            | Self::MoveRoom { room, .. }
            | Self::ShowRoom { room }
            | Self::EditRoom { room, .. }
            | Self::EditPeer { room, .. }
            | Self::AddPeer { room, .. }
            | Self::AddComponent { room, .. }
            | Self::ShowComponent { room, .. }
            | Self::SubscribeComponent { room, .. }
            | Self::DeleteComponent { room, .. }
            | Self::ShowPeer { room, .. }
            | Self::AdoptPeer { room, .. }
            | Self::DeletePeer { room, .. } => Some(room),
        }
    }
}
