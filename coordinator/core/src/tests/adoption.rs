//! Sessions that came with an offer to a coordinator that is gone.

use std::time::Duration;

use velella_model::record::{Connection, PeerKind, PeerRecord, RoomSpec};
use velella_model::wire::command::{Order, Refusal, SubscribeMode};
use velella_model::wire::signal::{CloseReason, PeerEvent, SessionEvent};
use velella_model::{CoordinatorId, Json, RoomType};

use super::world::{Seen, World};
use crate::testing::{coordinator_id, peer, room, session, worker};
use crate::*;

/// Two looks.
const SWEPT: Duration = Duration::from_secs(7);

/// With a viewer `v` of a livestream `r` at `w1`, whose session `s9` the coordinator `c2` held that is gone.
fn with_orphan() -> World {
    let mut world = World::new(&["w1"]);
    let spec = RoomSpec { room_type: RoomType::Livestream, ..RoomSpec::default() };
    world.request(Request::CreateRoom { room: room("r"), spec, reuse: false });
    world.written_by_another(viewer(CoordinatorId::parse("c2").unwrap()));
    world.take();
    world.input(Input::Listed { noun: Noun::Coordinators, entries: Vec::new(), revision: Revision(world.revision) });
    world.obedient = false;
    world
}

fn viewer(coordinator: CoordinatorId) -> Fact {
    let connection = Connection { coordinator, session: session("s9"), joined: true, offered: true };
    let connection = Some(connection);
    let record = PeerRecord::new(PeerKind::Viewer, Json::null(), SubscribeMode::Auto);
    Fact::Peer(room("r"), peer("v"), Some(PeerRecord { connection, passing: true, ..record }))
}

fn holder(world: &World) -> Option<CoordinatorId> {
    let connection = world.core.records.peer(&room("r"), &peer("v"))?.connection.clone();
    connection.map(|connection| connection.coordinator)
}

/// But for probes: nobody announces itself here.
fn seen(world: &mut World) -> Vec<Seen> {
    world.take().into_iter().filter(|seen| !matches!(seen, Seen::Probe(_))).collect()
}

fn adopted(world: &mut World) -> OpId {
    let seen = world.take();
    assert!(seen.contains(&Seen::Adopt(session("s9"))), "{seen:?}");
    let order = Order::AdoptSession { session: session("s9"), holder: coordinator_id().into() };
    let commands: Vec<_> = seen.into_iter().filter_map(Seen::into_command).collect();
    let [(op, to, _, said)] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!((to, said), (&worker("w1"), &order));
    *op
}

#[test]
fn the_leader_adopts_it_and_speaks_for_it() {
    let mut world = with_orphan();
    world.pass(SWEPT);
    assert_eq!(seen(&mut world), [], "another one leads");
    world.input(Input::Leads(true));
    world.pass(SWEPT);
    let op = adopted(&mut world);
    assert_eq!(holder(&world), Some(coordinator_id()));
    world.signal("s9", 41, SessionEvent::ChannelAdded { channel: "late".into() });
    world.answer(op, CommandOutcome::Done);
    world.signal("s9", 0, SessionEvent::Adopted { offer: "v=0".into() });
    let told = world.take();
    assert!(told.contains(&Seen::Adopted(session("s9"), "v=0".into())), "{told:?}");
    let said: Vec<_> =
        told.iter().filter_map(|seen| if let Seen::Signal(_, said) = seen { Some(said) } else { None }).collect();
    let candidate = PeerEvent::Candidate { candidate: "candidate:1".into() };
    world.say("s9", Said::Event(candidate.clone()));
    let [Seen::Signal(_, next)] = &world.take()[..] else { panic!("one signal") };
    assert_eq!((next.seq, &next.event), (said.len() as u64, &candidate));
    world.pass(SWEPT);
    assert_eq!(seen(&mut world), [], "it is ours");

    world.signal("s9", 1, SessionEvent::Closed { reason: CloseReason::IceTimeout });
    assert_eq!(holder(&world), None);
}

#[test]
fn one_that_its_worker_does_not_have_is_over() {
    let mut world = with_orphan();
    world.input(Input::Leads(true));
    world.pass(SWEPT);
    let op = adopted(&mut world);
    world.answer(op, CommandOutcome::Refused(Refusal::NoSession));
    assert_eq!(world.take()[0], Seen::Closed(session("s9"), Close::SessionEnded(CloseReason::Asked)));
    assert_eq!(holder(&world), None);
}

#[test]
fn whoever_is_asked_adopts_it_at_once_and_lets_go_of_it_when_another_was_faster() {
    let mut world = with_orphan();
    world.put(viewer(CoordinatorId::parse("c3").unwrap()));
    world.request(Request::AdoptPeer { room: room("r"), peer: peer("v") });
    let seen = world.take();
    assert_eq!(seen[0], Seen::Adopt(session("s9")));
    assert!(seen.contains(&Seen::Closed(session("s9"), Close::TakenOver)), "{seen:?}");
    assert!(seen.into_iter().all(|seen| seen.into_command().is_none()), "nothing is said to the worker");
    assert_eq!(holder(&world), Some(CoordinatorId::parse("c3").unwrap()));
}

#[test]
fn a_coordinator_that_comes_to_itself_lets_go_of_what_another_adopted() {
    let mut world = with_orphan();
    world.input(Input::Leads(true));
    world.pass(SWEPT);
    let op = adopted(&mut world);
    world.answer(op, CommandOutcome::Done);
    world.take();
    world.written_by_another(viewer(CoordinatorId::parse("c3").unwrap()));
    assert_eq!(world.take(), [Seen::Closed(session("s9"), Close::TakenOver)]);
    assert_eq!(holder(&world), Some(CoordinatorId::parse("c3").unwrap()));
}
