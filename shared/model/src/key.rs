//! Store keys: the only place that spells them.

use crate::{ComponentId, CoordinatorId, GatewayId, PeerId, RoomId, WorkerId};

/// Everything that coordinators follow.
pub const ROOT: &str = "velella/v1/";

/// All rooms.
pub const ROOMS: &str = "velella/v1/rooms/";

/// All peers.
pub const PEERS: &str = "velella/v1/peers/";

/// All components: what was asked for.
pub const COMPONENTS: &str = "velella/v1/components/";

/// All components that a gateway is at, each under its gateway's lease.
pub const INGESTS: &str = "velella/v1/ingests/";

/// Gateways that live: each under its own lease.
pub const GATEWAYS: &str = "velella/v1/gateways/";

/// Workers that live: each under its own lease.
pub const WORKERS: &str = "velella/v1/workers/";

/// Workers that operators told to take no rooms, or to give theirs away.
pub const CORDONS: &str = "velella/v1/cordons/";

/// Coordinators that live: each under its own lease.
pub const COORDINATORS: &str = "velella/v1/coordinators/";

/// The coordinator that tidies up, under its own lease.
pub const LEADER: &str = "velella/v1/leader";

/// How far webhooks are delivered: a [`crate::record::WebhookCursor`].
pub const WEBHOOK_CURSOR: &str = "velella/v1/webhook-cursor";

/// Requests that are not to be done twice. Beside [`ROOT`]: nobody follows them.
pub const ONCE: &str = "velella/once/v1/";

/// One request's [`crate::record::OnceRecord`], by the digest of its key and of who asked.
pub fn once(digest: &str) -> String {
    format!("{ONCE}{digest}")
}

/// How far streams have come. Beside [`ROOT`]: they change all the time, and only who goes on with one reads it.
pub const STREAMS: &str = "velella/streams/v1/";

/// One component's [`crate::component::StreamRecord`].
pub fn stream(room: &RoomId, component: &ComponentId) -> String {
    format!("{STREAMS}{room}/{component}")
}

/// One room's [`crate::record::RoomRecord`].
pub fn room(room: &RoomId) -> String {
    format!("{ROOMS}{room}")
}

/// All peers of one room.
pub fn peers_of(room: &RoomId) -> String {
    format!("{PEERS}{room}/")
}

/// One peer's [`crate::record::PeerRecord`].
pub fn peer(room: &RoomId, peer: &PeerId) -> String {
    format!("{PEERS}{room}/{peer}")
}

/// All components of one room.
pub fn components_of(room: &RoomId) -> String {
    format!("{COMPONENTS}{room}/")
}

/// One component's [`crate::component::ComponentRecord`].
pub fn component(room: &RoomId, component: &ComponentId) -> String {
    format!("{COMPONENTS}{room}/{component}")
}

/// One component's [`crate::component::IngestRecord`].
pub fn ingest(room: &RoomId, component: &ComponentId) -> String {
    format!("{INGESTS}{room}/{component}")
}

/// All components of one room that a gateway is at.
pub fn ingests_of(room: &RoomId) -> String {
    format!("{INGESTS}{room}/")
}

/// One gateway's [`crate::component::GatewayRecord`].
pub fn gateway(gateway: &GatewayId) -> String {
    format!("{GATEWAYS}{gateway}")
}

/// One worker's [`crate::record::WorkerRecord`].
pub fn worker(worker: &WorkerId) -> String {
    format!("{WORKERS}{worker}")
}

/// One worker's [`crate::record::Cordon`].
pub fn cordon(worker: &WorkerId) -> String {
    format!("{CORDONS}{worker}")
}

/// One coordinator's [`crate::record::CoordinatorRecord`].
pub fn coordinator(coordinator: &CoordinatorId) -> String {
    format!("{COORDINATORS}{coordinator}")
}

/// What a key names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A room.
    Room(RoomId),
    /// A peer of a room.
    Peer(RoomId, PeerId),
    /// A component of a room.
    Component(RoomId, ComponentId),
    /// What a gateway says of a component.
    Ingest(RoomId, ComponentId),
    /// A gateway that lives.
    Gateway(GatewayId),
    /// A worker that lives.
    Worker(WorkerId),
    /// What an operator wants of a worker.
    Cordon(WorkerId),
    /// A coordinator that lives.
    Coordinator(CoordinatorId),
}

/// Reads a key back; `None` for keys of other versions or programs.
pub fn parse(key: &str) -> Option<Key> {
    if let Some(room) = key.strip_prefix(ROOMS) {
        return RoomId::parse(room).ok().map(Key::Room);
    }
    if let Some(worker) = key.strip_prefix(WORKERS) {
        return WorkerId::parse(worker).ok().map(Key::Worker);
    }
    if let Some(worker) = key.strip_prefix(CORDONS) {
        return WorkerId::parse(worker).ok().map(Key::Cordon);
    }
    if let Some(coordinator) = key.strip_prefix(COORDINATORS) {
        return CoordinatorId::parse(coordinator).ok().map(Key::Coordinator);
    }
    if let Some(gateway) = key.strip_prefix(GATEWAYS) {
        return GatewayId::parse(gateway).ok().map(Key::Gateway);
    }
    if let Some((room, component)) = key.strip_prefix(COMPONENTS).and_then(|rest| rest.split_once('/')) {
        return Some(Key::Component(RoomId::parse(room).ok()?, ComponentId::parse(component).ok()?));
    }
    if let Some((room, component)) = key.strip_prefix(INGESTS).and_then(|rest| rest.split_once('/')) {
        return Some(Key::Ingest(RoomId::parse(room).ok()?, ComponentId::parse(component).ok()?));
    }
    let (room, peer) = key.strip_prefix(PEERS)?.split_once('/')?;
    Some(Key::Peer(RoomId::parse(room).ok()?, PeerId::parse(peer).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_what_they_name() {
        let (r, p) = (RoomId::parse("r-1").unwrap(), PeerId::parse("p:1").unwrap());
        let (o, g) = (ComponentId::parse("camera-1").unwrap(), GatewayId::parse("g.1").unwrap());
        assert_eq!(parse(&component(&r, &o)), Some(Key::Component(r.clone(), o.clone())));
        assert_eq!(parse(&ingest(&r, &o)), Some(Key::Ingest(r.clone(), o)));
        assert_eq!(parse(&gateway(&g)), Some(Key::Gateway(g)));
        assert_eq!(parse(&room(&r)), Some(Key::Room(r.clone())));
        assert_eq!(parse(&peer(&r, &p)), Some(Key::Peer(r, p)));
        let (w, c) = (WorkerId::parse("w.1").unwrap(), CoordinatorId::parse("c").unwrap());
        assert_eq!(parse(&worker(&w)), Some(Key::Worker(w.clone())));
        assert_eq!(parse(&cordon(&w)), Some(Key::Cordon(w)));
        assert_eq!(parse(&coordinator(&c)), Some(Key::Coordinator(c)));
        assert_eq!(parse("other/v1/rooms/x"), None);
    }
}
