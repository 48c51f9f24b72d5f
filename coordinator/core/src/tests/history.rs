//! What operators are told of the last minutes.

use std::time::Duration;

use velella_model::record::RoomSpec;
use velella_model::wire::announce::{Announce, Load, WorkerState};

use super::world::{World, add_peer};
use crate::testing::{announce, room, session, worker};
use crate::*;

const EVERYBODY: HistoryQuery = HistoryQuery { worker: None, after: None, limit: 10 };

#[test]
fn rooms_and_connected_peers_are_counted_as_they_come_and_go() {
    let mut world = World::with_session();
    world.request(add_peer("r", "q"));
    assert_eq!(totals(&mut world), Totals { rooms: 1, peers: 2, peers_connected: 1, workers: 1, workers_ready: 1 });
    world.input(Input::SocketClosed { session: session("s1") });
    assert_eq!(totals(&mut world).peers_connected, 0);
    world.request(Request::DeleteRoom { room: room("r") });
    assert_eq!(totals(&mut world), Totals { workers: 1, workers_ready: 1, ..Totals::default() });
}

#[test]
fn a_worker_is_sampled_while_it_is_heard() {
    let mut world = World::new(&[]);
    for seq in 0..20 {
        let load = Load { cpu_permille: 7, ..Load::default() };
        world.input(Input::Announced(Announce { load, ..announce("w1", 1, seq) }));
        world.pass(Duration::from_millis(500));
    }
    world.pass(Duration::from_secs(10));
    let history = history(&mut world);
    let cpu: Vec<_> = history.workers[0].loads.iter().map(|load| load.map(|load| load.cpu_permille)).collect();
    assert_eq!(cpu, [Some(7), Some(7), Some(7), None, None], "a sample every five seconds; the last two heard nobody");
    let ready: Vec<_> = history.ticks.iter().map(|tick| tick.totals.workers_ready).collect();
    assert_eq!(ready, [1, 1, 1, 0, 0]);
}

#[test]
fn who_drains_is_known_but_not_ready() {
    let mut world = World::new(&["w1"]);
    world.input(Input::Announced(Announce { state: WorkerState::Draining, ..announce("w2", 1, 1) }));
    assert_eq!(totals(&mut world), Totals { workers: 2, workers_ready: 1, ..Totals::default() });
}

#[test]
fn rooms_are_listed_by_page_worker_and_beginning() {
    let mut world = World::new(&["w1", "w2"]);
    for id in ["a1", "a2", "b1", "b2"] {
        world.request(Request::CreateRoom { room: room(id), spec: RoomSpec::default(), reuse: false });
    }
    let page = |after: Option<&str>| RoomQuery { limit: Some(3), after: after.map(room), ..RoomQuery::default() };
    assert_eq!(listed(&mut world, page(None)), (vec!["a1".into(), "a2".into(), "b1".into()], true));
    assert_eq!(listed(&mut world, page(Some("b1"))), (vec!["b2".into()], false));
    let begins = RoomQuery { id_prefix: "b".into(), ..RoomQuery::default() };
    assert_eq!(listed(&mut world, begins), (vec!["b1".into(), "b2".into()], false));
    let at = |id: &str| RoomQuery { worker: Some(worker(id)), ..RoomQuery::default() };
    assert_eq!(listed(&mut world, at("w1")).0.len() + listed(&mut world, at("w2")).0.len(), 4);
}

fn listed(world: &mut World, query: RoomQuery) -> (Vec<String>, bool) {
    let ticket = world.request(Request::ListRooms { query });
    let Reply::Rooms { rooms, more } = world.reply(ticket) else { panic!("no rooms") };
    (rooms.into_iter().map(|view| view.room.to_string()).collect(), more)
}

fn totals(world: &mut World) -> Totals {
    let ticket = world.request(Request::ShowTotals);
    let Reply::Totals(totals) = world.reply(ticket) else { panic!("no totals") };
    totals
}

fn history(world: &mut World) -> HistoryView {
    let ticket = world.request(Request::ShowHistory { query: EVERYBODY });
    let Reply::History(history) = world.reply(ticket) else { panic!("no history") };
    history
}
