//! Clients that offer once (WHIP, WHEP): their lines are what they offered, and tracks come and go on
//! them without a word.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "test code")]

mod world;

use velella_model::wire::command::{Holder, Rights};
use velella_model::wire::signal::{CloseReason, PeerEvent, ServerEvent, SessionEvent};
use velella_model::{CoordinatorId, Json, TrackId, VideoCodec};
use velella_worker_core::{Input, Output};
use world::{Client, NewTrack, World, closed, ms};

const KEYFRAME: [u8; 6] = [0x10, 0x00, 0x9d, 0x01, 0x2a, 0];

fn id(text: &str) -> TrackId {
    TrackId::parse(text).unwrap()
}

/// The answers that a client got; it is told of nothing else.
fn answers(client: &Client) -> Vec<&str> {
    let mut answers = Vec::new();
    for event in &client.events {
        let ServerEvent::SdpAnswer { sdp, .. } = event else { panic!("{}: {event:?}", client.name) };
        answers.push(sdp.as_str());
    }
    answers
}

/// A streamer speaks and films for a while.
fn stream(world: &mut World, name: &'static str) {
    let mut ticks = 0u32;
    world.run(ms(300), |world| {
        ticks += 1;
        let now = world.now;
        let client = world.client(name);
        client.send(&id(&format!("{name}:0")), None, b"opus", ticks * 480, now);
        client.send(&id(&format!("{name}:1")), None, &KEYFRAME, ticks * 900, now);
    });
}

/// How many packets a viewer got so far on each of its lines.
fn seen(world: &World, name: &str) -> (usize, usize) {
    let on = |line: &str| world.clients[name].received.iter().filter(|r| r.track == id(line)).count();
    (on("audio"), on("video"))
}

const SOUND_AND_PICTURE: [NewTrack; 2] = [NewTrack::Audio, NewTrack::Video];

#[test]
fn a_viewer_who_is_early_sees_the_streamer_come_go_and_come_back_on_the_same_lines() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join_once("v", "r", &[], (1, 1));
    let answer = answers(&world.clients["v"])[0].to_owned();
    assert_eq!(answer.matches("a=sendonly").count(), 2, "{answer}");
    let streams: Vec<_> = answer.lines().filter_map(|l| l.strip_prefix("a=msid:")).collect();
    assert!(streams.iter().all(|msid| msid.starts_with("r ")) && streams.len() == 2, "one stream: {streams:?}");
    world.wait(ms(500));
    assert_eq!(seen(&world, "v"), (0, 0));

    world.join_once("s", "r", &SOUND_AND_PICTURE, (0, 0));
    world.wait(ms(500));
    stream(&mut world, "s");
    let (sound, picture) = seen(&world, "v");
    assert!(sound > 20 && picture > 20, "{sound} {picture}");

    world.leave("s");
    world.wait(ms(200));
    world.join_once("s", "r", &SOUND_AND_PICTURE, (0, 0));
    world.wait(ms(500));
    stream(&mut world, "s");
    let (sound_later, picture_later) = seen(&world, "v");
    assert!(sound_later > sound + 20 && picture_later > picture + 20, "{sound_later} {picture_later}");
    assert_eq!(answers(&world.clients["v"]).len(), 1);
    let pictures = world.clients["v"].received.iter().filter(|r| r.track == id("video"));
    assert!(pictures.map(|r| r.sequence).is_sorted(), "the stream of the line goes on");
}

#[test]
fn another_holder_learns_the_offer_and_the_tracks_and_both_count_anew() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join_once("s", "r", &SOUND_AND_PICTURE, (0, 0));
    world.wait(ms(500));
    let (session, now) = (world.clients["s"].session.clone(), world.now);
    let holder: Holder = CoordinatorId::parse("c2").unwrap().into();
    world.shard.handle_input(Input::AdoptSession(session, holder.clone()), now);
    let signal =
        |output| if let Output::Signal(to, message) = output { (to, message.seq, message.event) } else { panic!() };
    let told: Vec<_> = std::iter::from_fn(|| world.shard.poll_output()).map(signal).collect();
    let [(to, 0, SessionEvent::Adopted { offer }), (_, 1, first), (_, 2, second)] = &told[..] else {
        panic!("{told:?}")
    };
    assert!(*to == holder && offer.starts_with("v=0") && offer.contains("a=ice-ufrag:"), "{offer}");
    assert!([first, second].iter().all(|event| matches!(event, SessionEvent::TrackAdded { .. })));
}

#[test]
fn what_is_streamed_is_a_face_and_a_voice_to_everybody_else() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    world.join_once("s", "r", &SOUND_AND_PICTURE, (0, 0));
    let tracks: Vec<_> = world.clients["a"].tracks.iter().cloned().collect();
    assert_eq!(tracks, [id("s:0"), id("s:1")]);
    let kinds = world.track_events.iter().filter_map(|(_, event)| match event {
        SessionEvent::TrackAdded { metadata, .. } => Some(metadata.value()["type"].as_str().unwrap().to_owned()),
        _ => None,
    });
    assert_eq!(kinds.collect::<Vec<_>>(), ["microphone", "camera"]);
    world.wait(ms(500));
    stream(&mut world, "s");
    assert!(world.clients["a"].received.len() > 40);
    world.say("a", PeerEvent::UpdateEndpointMetadata { metadata: Json::null() });
    assert_eq!(answers(&world.clients["s"]).len(), 1);
}

#[test]
fn who_may_not_publish_streams_nothing_and_who_may_not_subscribe_gets_nothing() {
    let mut world = World::new(VideoCodec::Vp8);
    world.open_once("v", "r", Rights { publish: false, subscribe: false });
    world.offer_once("v", &[NewTrack::Video], (1, 0));
    assert!(world.track_events.is_empty());
    let answer = answers(&world.clients["v"])[0];
    assert!(answer.contains("a=inactive"), "{answer}");
}

#[test]
fn a_room_of_sound_has_no_line_for_pictures() {
    let mut world = World::new(VideoCodec::Vp8).audio_only();
    world.join_once("v", "r", &[], (1, 1));
    let answer = answers(&world.clients["v"])[0];
    assert_eq!((answer.matches("a=sendonly").count(), answer.matches("a=inactive").count()), (1, 1), "{answer}");
}

#[test]
fn who_offers_and_never_comes_is_forgotten_as_is_who_goes_without_a_word() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join_once("v", "r", &[], (1, 1));
    world.join_once("gone", "r", &[], (1, 1));
    world.clients.remove("gone");
    world.open_once("never", "r", Rights::default());
    world.wait(ms(14_000));
    assert_eq!((closed(&world, "never"), world.shard.stats().sessions), (None, 3));
    world.wait(ms(17_000));
    assert_eq!((closed(&world, "v"), closed(&world, "never")), (None, Some(CloseReason::IceTimeout)));
    assert_eq!(world.shard.stats().sessions, 1);
}

#[test]
fn ice_begins_anew_and_the_picture_goes_on() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join_once("s", "r", &SOUND_AND_PICTURE, (0, 0));
    world.join_once("v", "r", &[], (1, 1));
    world.wait(ms(500));
    world.restart_ice("s");
    world.restart_ice("v");
    world.wait(ms(500));
    stream(&mut world, "s");
    assert!(seen(&world, "v").1 > 20);
    let ufrags: Vec<_> = answers(&world.clients["v"]).iter().map(|sdp| ufrag(sdp)).collect();
    assert_ne!(ufrags[0], ufrags[1]);
    assert_eq!(ufrags[0][..2], ufrags[1][..2], "the mark of the shard stays");
    let removed = |event: &SessionEvent| matches!(event, SessionEvent::TrackRemoved { .. });
    assert!(!world.track_events.iter().any(|(_, event)| removed(event)));
}

fn ufrag(sdp: &str) -> String {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap().to_owned()
}
