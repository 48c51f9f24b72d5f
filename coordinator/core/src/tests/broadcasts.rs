//! Broadcasts: one to a room, whom they show, and where they are watched.

use std::collections::BTreeSet;

use velella_model::component::{ComponentRecord, IngestState, JobKind};
use velella_model::record::Subscriptions;
use velella_model::wire::announce::{GatewayAnnounce, GatewayState};
use velella_model::{Json, PeerId};

use super::components::with_gateways;
use super::world::{World, add_peer};
use crate::testing::{broadcast, broadcast_spec, camera, component, gateway_lives, ingest, job, peer, room, serving};
use crate::*;

#[test]
fn a_broadcast_is_given_to_a_gateway_that_viewers_reach() {
    let mut world = with_gateways(&["g1", "g2"]);
    let denied = vec!["without this kind", "without this kind"];
    assert_eq!(add(&mut world, "c", None), Reply::Denied(Denial::NoGateway(JobKind::Hls, denied)));
    world.input(Input::GatewayAnnounced(GatewayAnnounce { serves: None, ..serving("g1", 2, "") }));
    let denied = vec!["without an address for viewers", "without this kind"];
    assert_eq!(add(&mut world, "c", None), Reply::Denied(Denial::NoGateway(JobKind::Hls, denied)));
    world.input(Input::GatewayAnnounced(serving("g2", 2, "https://two")));
    let Reply::Component { view, listens } = add(&mut world, "c", None) else { panic!("a component") };
    assert_eq!((view.record.job.clone(), listens.len()), (Some(job("g2", 1)), 0));
}

#[test]
fn a_room_has_one_broadcast_whoever_adds_it() {
    let mut world = with_broadcast(None);
    assert_eq!(add(&mut world, "d", None), Reply::Denied(Denial::BroadcastsLimit));
    world.written_by_another(Fact::Component(room("r"), component("c"), None));
    world.put(Fact::Component(room("r"), component("c"), Some(broadcast(None))));
    assert_eq!(add(&mut world, "c", None), Reply::Denied(Denial::BroadcastsLimit), "the watch lags");
    world.request(Request::DeleteComponent { room: room("r"), component: component("c") });
    assert!(matches!(add(&mut world, "c", None), Reply::Component { .. }));
}

#[test]
fn it_can_be_chosen_whom_a_broadcast_shows_also_against_others_who_write() {
    let mut world = with_broadcast(Some(&["a"]));
    assert_eq!(subscribe(&mut world, "c", &["b", "a"]), Reply::Done);
    assert_eq!(shown(&world), ["a", "b"]);
    let before = world.revision;
    assert_eq!(subscribe(&mut world, "c", &["a"]), Reply::Done);
    assert_eq!(world.revision, before, "nothing to write");
    let moved = ComponentRecord { job: Some(job("g9", 1)), ..record(&world) };
    world.put(Fact::Component(room("r"), component("c"), Some(moved)));
    assert_eq!(subscribe(&mut world, "c", &["d"]), Reply::Done);
    assert_eq!((shown(&world), record(&world).job), (vec!["a".into(), "b".into(), "d".into()], Some(job("g9", 1))));
    assert_eq!(world.core.stats().write_conflicts, 1);
    world.store_down = true;
    assert_eq!(subscribe(&mut world, "c", &["e"]), Reply::Denied(Denial::StoreDown));
}

#[test]
fn not_every_component_can_be_told_whom_to_receive() {
    let mut world = with_broadcast(None);
    assert_eq!(subscribe(&mut world, "c", &["a"]), Reply::Denied(Denial::NotManual));
    assert_eq!(subscribe(&mut world, "x", &["a"]), Reply::Denied(Denial::ComponentNotFound));
    world.written_by_another(Fact::Component(room("r"), component("camera"), Some(camera(None))));
    assert_eq!(subscribe(&mut world, "camera", &["a"]), Reply::Denied(Denial::NotSubscribing));
    world.request(Request::DeleteRoom { room: room("r") });
    assert_eq!(subscribe(&mut world, "c", &["a"]), Reply::Denied(Denial::RoomNotFound));
}

#[test]
fn whoever_is_gone_makes_room_in_a_long_list() {
    let gone: Vec<String> = (0..SUBSCRIPTIONS_MAX).map(|n| format!("gone{n}")).collect();
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    let mut world = with_broadcast(Some(&gone));
    world.request(add_peer("r", "p"));
    assert_eq!(subscribe(&mut world, "c", &["p"]), Reply::Done);
    assert_eq!(shown(&world), ["p"]);
    for n in 0..SUBSCRIPTIONS_MAX {
        world.request(add_peer("r", &format!("p{n}")));
    }
    let all: Vec<String> = (0..SUBSCRIPTIONS_MAX).map(|n| format!("p{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(subscribe(&mut world, "c", &all), Reply::Denied(Denial::SubscriptionsLimit));
}

#[test]
fn viewers_are_sent_to_whoever_packages_it_or_else_to_whoever_serves() {
    let mut world = with_broadcast(None);
    let find = |world: &mut World| {
        let ticket = world.request(Request::FindBroadcast { room: room("r") });
        world.reply(ticket)
    };
    let at = |url: &str| Reply::ServedAt(url.into());
    let announce = |world: &mut World, announce| world.input(Input::GatewayAnnounced(announce));
    assert_eq!(find(&mut world), at("https://one"));
    world.written_by_another(gateway_lives("g2", 1));
    announce(&mut world, serving("g2", 2, "https://two"));
    assert_eq!(find(&mut world), at("https://one"));
    world.input(Input::Leads(false));
    announce(&mut world, GatewayAnnounce { state: GatewayState::Draining, ..serving("g1", 3, "https://one") });
    assert_eq!(find(&mut world), at("https://one"), "it packages as long as nobody else does");
    announce(&mut world, GatewayAnnounce { state: GatewayState::Fenced, ..serving("g1", 4, "https://one") });
    assert_eq!(find(&mut world), at("https://two"));
    announce(&mut world, GatewayAnnounce { serves: None, ..serving("g2", 3, "") });
    assert_eq!(find(&mut world), Reply::Denied(Denial::NobodyServes));
    let ticket = world.request(Request::FindBroadcast { room: room("nowhere") });
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::BroadcastNotFound));
}

#[test]
fn what_was_live_once_has_been_so_until_it_is_removed() {
    let mut world = with_broadcast(None);
    let has_been_live = |world: &mut World| {
        let ticket = world.request(Request::ShowComponent { room: room("r"), component: component("c") });
        let Reply::Component { view, .. } = world.reply(ticket) else { panic!("a component") };
        view.has_been_live
    };
    let told = |state| Fact::Ingest(room("r"), component("c"), Some(ingest(job("g1", 1), state)));
    world.written_by_another(told(IngestState::Connecting));
    assert!(!has_been_live(&mut world));
    world.written_by_another(told(IngestState::Live));
    world.written_by_another(told(IngestState::Retrying));
    assert!(has_been_live(&mut world));
    world.written_by_another(told(IngestState::Live));
    world.request(Request::DeleteComponent { room: room("r"), component: component("c") });
    add(&mut world, "c", None);
    assert!(!has_been_live(&mut world), "what is told yet is of the one before");
    world.written_by_another(told(IngestState::Live));
    assert!(has_been_live(&mut world));
}

/// Of the room `r`, at the gateway `g1`; of everybody, or of these.
fn with_broadcast(origins: Option<&[&str]>) -> World {
    let mut world = with_gateways(&["g1"]);
    world.input(Input::GatewayAnnounced(serving("g1", 2, "https://one")));
    let subscriptions = origins.map(|origins| Subscriptions { peers: peers(origins), ..Subscriptions::default() });
    assert!(matches!(add(&mut world, "c", subscriptions), Reply::Component { .. }));
    world
}

fn add(world: &mut World, id: &str, subscriptions: Option<Subscriptions>) -> Reply {
    let (room, component, spec, metadata) = (room("r"), component(id), Box::new(broadcast_spec()), Json::null());
    let request = Request::AddComponent { room, component, spec, metadata, transcode: false, subscriptions };
    let ticket = world.request(request);
    world.reply(ticket)
}

fn subscribe(world: &mut World, id: &str, origins: &[&str]) -> Reply {
    let (room, component, origins) = (room("r"), component(id), peers(origins));
    let ticket = world.request(Request::SubscribeComponent { room, component, origins });
    world.reply(ticket)
}

fn peers(ids: &[&str]) -> BTreeSet<PeerId> {
    ids.iter().map(|id| peer(id)).collect()
}

fn record(world: &World) -> ComponentRecord {
    let fact = &world.store[&velella_model::key::component(&room("r"), &component("c"))].fact;
    let Fact::Component(_, _, Some(record)) = fact else { panic!("a component") };
    record.clone()
}

fn shown(world: &World) -> Vec<String> {
    record(world).subscriptions.unwrap().peers.iter().map(ToString::to_string).collect()
}
