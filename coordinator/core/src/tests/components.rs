//! Components and the gateways that do them: given, taken over, given up, removed.

use std::time::Duration;

use velella_model::component::{ComponentRecord, ComponentSpec, IngestState, Job, JobKind};
use velella_model::record::RoomSpec;
use velella_model::wire::announce::{GatewayAnnounce, GatewayState, Transcoder};
use velella_model::{Incarnation, Json};

use super::world::{Seen, World};
use crate::gateways::RECLAIM_GRACE;
use crate::sweep::SWEEP_EVERY;
use crate::testing::{
    camera, camera_spec, component, encoder, gateway, gateway_announce, gateway_lives, ingest, job, room,
};
use crate::*;

#[test]
fn a_camera_is_given_to_the_least_loaded_gateway_in_the_one_write() {
    let mut world = with_gateways(&["g1", "g2"]);
    world.input(Input::GatewayAnnounced(GatewayAnnounce { load_permille: 500, ..gateway_announce("g1", 1, 2) }));
    let ticket = add(&mut world, "c");
    let Reply::Component { view: added, listens } = world.reply(ticket) else { panic!("a component") };
    assert_eq!((job_of(&world, "c"), listens.len()), (Some(job("g2", 1)), 0));
    assert_eq!((added.state(), added.gateway()), (IngestState::Connecting, Some(&gateway("g2"))));
    let ticket = world.request(Request::ShowRoom { room: room("r") });
    let Reply::Room(view) = world.reply(ticket) else { panic!("a room") };
    assert_eq!(view.components, [added]);
}

#[test]
fn an_encoder_is_given_to_nobody_and_told_where_it_can_go() {
    let mut world = with_gateways(&["g1"]);
    let ticket = ask(&mut world, "c", (encoder().spec, false));
    let Reply::Component { view: added, listens } = world.reply(ticket) else { panic!("a component") };
    assert_eq!((added.record.job.clone(), listens), (None, vec!["rtmp://g1/live".to_owned()]));
}

#[test]
fn what_may_be_transcoded_needs_somebody_who_can() {
    let mut world = with_gateways(&["g1"]);
    for spec in [camera_spec(), encoder().spec] {
        let ticket = ask(&mut world, "c", (spec, true));
        assert_eq!(world.reply(ticket), Reply::Denied(Denial::NoTranscoder));
    }
    join(&mut world, "g2");
    let transcoder = Some(Transcoder { version: "5.1".into(), cost_permille: 600 });
    let able = GatewayAnnounce { transcoder, ..gateway_announce("g2", 1, 2) };
    world.input(Input::GatewayAnnounced(able.clone()));
    ask(&mut world, "c", (camera_spec(), true));
    assert_eq!(job_of(&world, "c"), Some(job("g2", 1)));
    let ticket = ask(&mut world, "d", (encoder().spec, true));
    let Reply::Component { listens, .. } = world.reply(ticket) else { panic!("a component") };
    assert_eq!(listens, ["rtmp://g2/live"]);
    world.input(Input::GatewayAnnounced(GatewayAnnounce { seq: 3, load_permille: 900, ..able }));
    let ticket = ask(&mut world, "e", (camera_spec(), true));
    let reasons = vec!["without a transcoder", "full"];
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::NoGateway(JobKind::Rtsp, reasons)));
}

#[test]
fn an_encoder_is_told_the_encrypted_way_first() {
    let mut world = with_gateways(&["g1", "g2"]);
    let listens_encrypted = [(JobKind::Rtmp, "rtmps://g2/live".to_owned())].into();
    world.input(Input::GatewayAnnounced(GatewayAnnounce { listens_encrypted, ..gateway_announce("g2", 1, 2) }));
    let ticket = ask(&mut world, "c", (encoder().spec, false));
    let Reply::Component { mut listens, .. } = world.reply(ticket) else { panic!("a component") };
    assert_eq!(listens.remove(0), "rtmps://g2/live");
    listens.sort();
    assert_eq!(listens, ["rtmp://g1/live", "rtmp://g2/live"]);
}

#[test]
fn cameras_that_come_at_once_do_not_overload_a_gateway() {
    let mut world = with_gateways(&["g1"]);
    world.silent_store = true;
    for n in 0..20 {
        add(&mut world, &format!("c{n}"));
    }
    world.silent_store = false;
    let ticket = add(&mut world, "one-too-many");
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::NoGateway(JobKind::Rtsp, vec!["full"])));
}

#[test]
fn without_a_gateway_that_fits_nothing_is_written() {
    let mut world = with_gateways(&[]);
    let ticket = add(&mut world, "c");
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::NoGateway(JobKind::Rtsp, vec![])));
    world.input(Input::GatewayAnnounced(gateway_announce("g1", 1, 1)));
    let ticket = add(&mut world, "c");
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::NoGateway(JobKind::Rtsp, vec!["dead"])), "it has no key");
    let ticket = world.request(Request::DeleteComponent { room: room("r"), component: component("c") });
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::ComponentNotFound));
}

#[test]
fn a_silent_gateway_is_probed_declared_dead_and_followed_by_another() {
    let mut world = with_camera_at("g1");
    join(&mut world, "g2");
    let announce_g2 = |world: &mut World, seq| world.input(Input::GatewayAnnounced(gateway_announce("g2", 1, seq)));
    world.pass(Duration::from_millis(700));
    announce_g2(&mut world, 2);
    world.pass(Duration::from_millis(300));
    assert!(world.take().contains(&Seen::Probe(Suspect::Gateway(gateway("g1")))));
    assert_eq!(job_of(&world, "c"), Some(job("g1", 1)), "silence proves nothing");
    let whom = Suspect::Gateway(gateway("g1"));
    world.input(Input::Probed { whom, incarnation: Incarnation(1), dead: true });
    let gone = world.store[&velella_model::key::gateway(&gateway("g1"))].clone();
    assert_eq!(gone.fact, Fact::Gateway(gateway("g1"), None));
    world.input(Input::Changed(gone));
    world.pass(Duration::ZERO);
    assert_eq!(job_of(&world, "c"), Some(job("g2", 1)));
    assert_eq!((world.core.stats().jobs_moved, world.core.stats().gateways_declared_dead), (1, 1));
}

#[test]
fn a_new_boot_of_a_gateway_is_given_all_its_cameras_anew() {
    let mut world = with_gateways(&["g1"]);
    let cameras: Vec<String> = (0..20).map(|n| format!("c{n}")).collect();
    for id in &cameras {
        add(&mut world, id);
    }
    world.written_by_another(gateway_lives("g1", 2));
    world.input(Input::GatewayAnnounced(gateway_announce("g1", 2, 1)));
    world.pass(Duration::from_millis(60));
    assert!(cameras.iter().all(|id| job_of(&world, id) == Some(job("g1", 2))), "what it was is not full of them");
}

#[test]
fn a_gateway_that_drains_gives_its_cameras_away_once_somebody_takes_them() {
    let mut world = with_camera_at("g1");
    drain(&mut world, "g1", 2);
    world.pass(Duration::ZERO);
    assert_eq!(job_of(&world, "c"), Some(job("g1", 1)), "nobody else is there");
    join(&mut world, "g2");
    world.pass(Duration::ZERO);
    assert_eq!(job_of(&world, "c"), Some(job("g2", 1)));
}

#[test]
fn a_camera_without_a_gateway_says_so_and_gets_the_next_one() {
    let mut world = with_camera_at("g1");
    world.pass(Duration::from_secs(2));
    world.written_by_another(Fact::Gateway(gateway("g1"), None));
    world.pass(Duration::ZERO);
    let ticket = world.request(Request::ShowRoom { room: room("r") });
    let Reply::Room(view) = world.reply(ticket) else { panic!("a room") };
    assert!(view.components[0].lacks_gateway());
    join(&mut world, "g2");
    world.pass(Duration::ZERO);
    assert_eq!(job_of(&world, "c"), Some(job("g2", 1)));
}

#[test]
fn a_gateway_that_is_heard_keeps_its_camera_while_its_key_comes_back() {
    let mut world = with_camera_at("g1");
    join(&mut world, "g2");
    world.written_by_another(Fact::Gateway(gateway("g1"), None));
    world.input(Input::GatewayAnnounced(gateway_announce("g1", 1, 2)));
    world.pass(Duration::from_millis(500));
    world.written_by_another(gateway_lives("g1", 1));
    world.input(Input::GatewayAnnounced(gateway_announce("g1", 1, 3)));
    world.pass(Duration::from_millis(500));
    assert_eq!(job_of(&world, "c"), Some(job("g1", 1)));
    world.written_by_another(Fact::Gateway(gateway("g1"), None));
    for seq in 4..20 {
        world.input(Input::GatewayAnnounced(gateway_announce("g1", 1, seq)));
        world.input(Input::GatewayAnnounced(gateway_announce("g2", 1, seq)));
        world.pass(RECLAIM_GRACE / 15);
    }
    assert_eq!(job_of(&world, "c"), Some(job("g2", 1)), "it had its moment");
}

#[test]
fn only_the_leader_moves_cameras_and_many_in_handfuls() {
    let mut world = with_gateways(&["g1"]);
    world.input(Input::Leads(false));
    for n in 0..40 {
        let record = ComponentRecord { job: Some(job("g0", 1)), ..camera(None) };
        world.written_by_another(Fact::Component(room("r"), component(&format!("c{n}")), Some(record)));
    }
    let moved = |world: &World| world.core.stats().jobs_moved;
    world.pass(Duration::from_millis(10));
    assert_eq!(moved(&world), 0);
    world.input(Input::Leads(true));
    world.pass(Duration::ZERO);
    assert_eq!(moved(&world), 16);
    world.pass(Duration::from_millis(60));
    assert_eq!(moved(&world), 20, "more it cannot carry");
    let nowhere = |world: &World| (0..40).filter(|n| job_of(world, &format!("c{n}")).is_none()).count();
    assert_eq!((nowhere(&world), world.core.poll_timeout().is_some()), (12, true), "struck out in handfuls as well");
    world.pass(Duration::from_millis(60));
    assert_eq!(nowhere(&world), 20);
}

#[test]
fn components_go_with_their_room_whoever_deletes_it() {
    let mut world = with_camera_at("g1");
    world.request(Request::DeleteRoom { room: room("r") });
    assert!(is_gone(&world, "c"));

    let mut world = with_camera_at("g1");
    world.written_by_another(Fact::Room(room("r"), None));
    world.pass(SWEEP_EVERY);
    assert!(!is_gone(&world, "c"), "once is not enough: the watch may lag");
    world.pass(SWEEP_EVERY);
    assert!(is_gone(&world, "c"));
    assert_eq!(world.core.stats().components_swept, 1);
}

#[test]
fn a_component_that_is_added_while_its_room_goes_is_taken_back() {
    let mut world = with_gateways(&["g1"]);
    world.store_down = true;
    let ticket = add(&mut world, "c");
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::StoreDown));
    world.store_down = false;
    let ticket = world.request(Request::DeleteRoom { room: room("r") });
    assert_eq!(world.reply(ticket), Reply::Done);
    let ticket = add(&mut world, "c");
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::RoomNotFound));
}

#[test]
fn a_component_is_shown_and_removed_and_a_replica_that_lags_asks_the_store() {
    let mut world = with_gateways(&["g1"]);
    world.put(Fact::Component(room("r"), component("c"), Some(camera(Some(job("g1", 1))))));
    world.put(Fact::Ingest(room("r"), component("c"), Some(ingest(job("g1", 1), IngestState::Live))));
    let ticket = world.request(Request::ShowComponent { room: room("r"), component: component("c") });
    let Reply::Component { view, .. } = world.reply(ticket) else { panic!("a component") };
    assert_eq!(view.state(), IngestState::Live);
    let ticket = world.request(Request::DeleteComponent { room: room("r"), component: component("c") });
    assert_eq!(world.reply(ticket), Reply::Done);
    assert!(is_gone(&world, "c"));
}

#[test]
fn a_room_holds_so_many_components_and_no_more() {
    let mut world = with_gateways(&["g1"]);
    for n in 0..COMPONENTS_MAX {
        world.written_by_another(Fact::Component(room("r"), component(&format!("c{n}")), Some(encoder())));
    }
    let ticket = add(&mut world, "one-too-many");
    assert_eq!(world.reply(ticket), Reply::Denied(Denial::ComponentsLimit));
}

/// The leader, with the room `r`.
pub(super) fn with_gateways(ids: &[&str]) -> World {
    let mut world = World::new(&["w1"]);
    for noun in [Noun::Components, Noun::Ingests, Noun::Gateways] {
        world.input(Input::Listed { noun, entries: Vec::new(), revision: Revision(0) });
    }
    world.input(Input::Leads(true));
    world.request(Request::CreateRoom { room: room("r"), spec: RoomSpec::default(), reuse: false });
    ids.iter().for_each(|id| join(&mut world, id));
    world.pass(Duration::ZERO);
    world.take();
    world
}

fn with_camera_at(id: &str) -> World {
    let mut world = with_gateways(&[id]);
    add(&mut world, "c");
    world.take();
    world
}

/// A gateway claims its key and announces itself.
pub(super) fn join(world: &mut World, id: &str) {
    world.written_by_another(gateway_lives(id, 1));
    world.input(Input::GatewayAnnounced(gateway_announce(id, 1, 1)));
}

fn drain(world: &mut World, id: &str, seq: u64) {
    let announce = GatewayAnnounce { state: GatewayState::Draining, ..gateway_announce(id, 1, seq) };
    world.input(Input::GatewayAnnounced(announce));
}

fn add(world: &mut World, id: &str) -> Ticket {
    ask(world, id, (camera_spec(), false))
}

/// For a component, and whether it may be transcoded.
fn ask(world: &mut World, id: &str, (spec, transcode): (ComponentSpec, bool)) -> Ticket {
    let (room, component) = (room("r"), component(id));
    let (spec, metadata, subscriptions) = (Box::new(spec), Json::null(), None);
    world.request(Request::AddComponent { room, component, spec, metadata, transcode, subscriptions })
}

fn job_of(world: &World, id: &str) -> Option<Job> {
    let fact = &world.store[&velella_model::key::component(&room("r"), &component(id))].fact;
    let Fact::Component(_, _, Some(record)) = fact else { panic!("a component") };
    record.job.clone()
}

fn is_gone(world: &World, id: &str) -> bool {
    let fact = &world.store[&velella_model::key::component(&room("r"), &component(id))].fact;
    matches!(fact, Fact::Component(_, _, None))
}
