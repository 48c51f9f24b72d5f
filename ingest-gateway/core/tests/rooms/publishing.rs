//! An ingest and the real shard of a worker, in virtual time over a perfect network.

use std::time::Duration;

use crate::world::{World, camera, home};
use velella_gateway_core::{Input, Published};
use velella_model::component::{IngestState, Trouble};
use velella_model::wire::signal::{CloseReason, SessionEvent};
use velella_worker_core::{Input as ShardInput, Shard};

#[test]
fn a_camera_appears_in_its_room_and_its_pictures_flow() {
    let mut world = World::new();
    world.ingest(Input::Homed(Some(home(1))));
    world.ingest(Input::Described(camera()));
    world.run(Duration::from_secs(2));
    let live = world.progress.last().unwrap();
    assert_eq!((live.state, live.tracks.len()), (IngestState::Live, 2));
    let added = |event: &SessionEvent| matches!(event, SessionEvent::TrackAdded { .. });
    assert_eq!(world.events.iter().filter(|event| added(event)).count(), 2);
    let before = world.packets_in();
    world.run(Duration::from_secs(1));
    assert!(world.packets_in() > before + 25, "{} and {before}", world.packets_in());
}

#[test]
fn a_room_that_moves_takes_its_camera_along_at_once() {
    let mut world = World::new();
    world.ingest(Input::Homed(Some(home(1))));
    world.ingest(Input::Described(camera()));
    world.run(Duration::from_secs(1));
    world.ingest(Input::Homed(None));
    world.run(Duration::from_secs(1));
    assert_eq!(world.progress.last().unwrap().state, IngestState::Connecting);
    world.shard = Shard::new(world.now);
    world.ingest(Input::Homed(Some(home(2))));
    world.run(Duration::from_secs(1));
    assert_eq!(world.progress.last().unwrap().state, IngestState::Live);
    assert_eq!(world.sessions.len(), 2);
}

#[test]
fn a_session_that_the_worker_closes_is_opened_again() {
    let mut world = World::new();
    world.ingest(Input::Homed(Some(home(1))));
    world.ingest(Input::Described(camera()));
    world.run(Duration::from_secs(1));
    let session = world.sessions[0].clone();
    world.shard(ShardInput::CloseSession(session));
    assert!(matches!(world.events.last(), Some(SessionEvent::Closed { reason: CloseReason::Asked })));
    assert_ne!(world.progress.last().unwrap().state, IngestState::Live);
    world.run(Duration::from_secs(1));
    assert_eq!(world.progress.last().unwrap().state, IngestState::Live);
}

#[test]
fn while_a_camera_is_away_its_tracks_stay_in_the_room() {
    let mut world = World::new();
    world.ingest(Input::Homed(Some(home(1))));
    world.ingest(Input::Described(camera()));
    world.run(Duration::from_secs(1));
    let trouble = Trouble { code: "unreachable".into(), sentence: "The camera is away.".into() };
    world.ingest(Input::Ended { trouble: trouble.clone(), retry: true });
    let away = world.progress.last().unwrap();
    assert_eq!((away.state, away.trouble.as_ref(), away.tracks.len()), (IngestState::Retrying, Some(&trouble), 2));
    world.run(Duration::from_secs(1));
    assert_eq!(world.sources_opened, 2);
    world.ingest(Input::Described(camera()));
    let back = world.progress.last().unwrap();
    assert_eq!((back.state, &back.trouble), (IngestState::Live, &None));
    assert_eq!(world.sessions.len(), 1);
}

#[test]
fn two_streams_of_a_camera_are_two_encodings_of_one_track() {
    let mut world = World::new();
    world.sub = true;
    world.ingest(Input::Homed(Some(home(1))));
    world.ingest(Input::Described(Published { sub: true, ..camera() }));
    world.run(Duration::from_secs(1));
    assert_eq!(world.progress.last().unwrap().tracks.len(), 2);
    let before = world.packets_in();
    world.run(Duration::from_secs(1));
    let both = world.packets_in() - before;
    world.sub = false;
    let before = world.packets_in();
    world.run(Duration::from_secs(1));
    let alone = world.packets_in() - before;
    assert!(both > alone + 20 && alone > 45, "{both} and {alone} packets that the worker knows");
    assert_eq!(world.progress.last().unwrap().state, IngestState::Live);
}
