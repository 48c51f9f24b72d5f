//! Who records or broadcasts a room, and the real shard of a worker, in virtual time over a perfect network.

use std::time::Duration;

use velella_gateway_core::{Heard, HeardCodec, Input, ListenerInput, ListenerOutput, Listening};
use velella_model::wire::signal::{ServerEvent, SessionEvent};
use velella_model::{MediaKind, Variant, VideoCodec};
use velella_worker_core::Shard;

use crate::world::{FRAME, World, camera, home};

const ALL: Listening = Listening { audio: true, video: Some(Variant::High), of: None };

#[test]
fn what_a_camera_sends_is_heard_whole_and_on_time() {
    let mut world = filmed();
    world.listen(ALL);
    world.run(Duration::from_secs(2));
    assert_eq!(kinds(&world), [MediaKind::Audio, MediaKind::Video]);
    let pictures = pictures(&world);
    assert!(pictures.len() > 35, "{} pictures in two seconds", pictures.len());
    assert!(pictures[0].keyframe, "decoding begins with a key frame");
    assert!(pictures.iter().skip(1).all(|picture| picture.intact));
    let step = u64::try_from(FRAME.as_millis()).unwrap() * 90;
    assert!(pictures.windows(2).all(|two| two[1].rtp_time - two[0].rtp_time == step));
    assert!(pictures.last().unwrap().report.is_some(), "the worker tells which moment that was");
}

#[test]
fn who_listens_is_not_seen_by_others() {
    let mut world = filmed();
    world.listen(ALL);
    world.run(Duration::from_secs(1));
    let told = |event: &SessionEvent| {
        matches!(
            event,
            SessionEvent::ToPeer { event: ServerEvent::EndpointAdded { .. } | ServerEvent::EndpointRemoved { .. } }
        )
    };
    world.listener(ListenerInput::Homed(None));
    assert!(!world.events.iter().any(told));
}

#[test]
fn an_encoding_that_nobody_sends_is_not_replaced_by_another() {
    let mut world = filmed();
    world.listen(Listening { video: Some(Variant::Low), ..ALL });
    world.run(Duration::from_secs(2));
    assert_eq!(pictures(&world).len(), 0);
    assert!(heard(&world).count() > 35, "its sound is heard");
}

#[test]
fn who_wants_pictures_only_hears_no_sound() {
    let mut world = filmed();
    world.listen(Listening { audio: false, ..ALL });
    world.run(Duration::from_secs(2));
    assert_eq!(kinds(&world), [MediaKind::Video]);
    assert!(heard(&world).all(|frame| frame.codec == HeardCodec::Video(VideoCodec::H264)));
}

#[test]
fn a_track_that_ends_is_told_and_the_next_one_takes_its_line() {
    let mut world = filmed();
    world.listen(ALL);
    world.run(Duration::from_secs(1));
    world.ingest(Input::Homed(None));
    assert_eq!(removed(&world), 2);
    world.heard.clear();
    world.ingest(Input::Homed(Some(home(1))));
    world.run(Duration::from_secs(2));
    assert_eq!(kinds(&world), [MediaKind::Audio, MediaKind::Video]);
    assert!(pictures(&world).len() > 35, "{} pictures in two seconds", pictures(&world).len());
}

#[test]
fn a_room_that_moves_is_heard_where_it_went() {
    let mut world = filmed();
    world.listen(ALL);
    world.run(Duration::from_secs(1));
    world.shard = Shard::new(world.now);
    world.ingest(Input::Homed(Some(home(2))));
    world.listen_at(2);
    assert_eq!(removed(&world), 2);
    world.heard.clear();
    world.run(Duration::from_secs(2));
    assert!(pictures(&world).len() > 35);
}

/// A room with a camera.
fn filmed() -> World {
    let mut world = World::new();
    world.ingest(Input::Homed(Some(home(1))));
    world.ingest(Input::Described(camera()));
    world.run(Duration::from_secs(1));
    world
}

fn kinds(world: &World) -> Vec<MediaKind> {
    let kind =
        |told: &ListenerOutput| if let ListenerOutput::TrackAdded { kind, .. } = told { Some(*kind) } else { None };
    let mut kinds: Vec<_> = world.heard.iter().filter_map(kind).collect();
    kinds.sort_by_key(|kind| *kind == MediaKind::Video);
    kinds
}

fn removed(world: &World) -> usize {
    world.heard.iter().filter(|told| matches!(told, ListenerOutput::TrackRemoved { .. })).count()
}

fn heard(world: &World) -> impl Iterator<Item = &Heard> {
    world.heard.iter().filter_map(|told| if let ListenerOutput::Heard(frame) = told { Some(frame) } else { None })
}

fn pictures(world: &World) -> Vec<&Heard> {
    heard(world).filter(|frame| frame.codec != HeardCodec::Opus).collect()
}
