//! Who speaks: found from the levels of audio packets, told to those who receive the track.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "test code")]

mod world;

use std::time::Duration;

use velella_model::record::Subscriptions;
use velella_model::wire::signal::Voice::{Silence, Speech};
use velella_model::wire::signal::{PeerEvent, ServerEvent, SessionEvent, Voice};
use velella_model::{PeerId, TrackId, VideoCodec};
use world::{NewTrack, World, ms};

const LOUD: i8 = -30;
const QUIET: i8 = -90;

/// `a` has a microphone, `b` listens, `m` is in manual mode and has nothing listed.
fn room() -> (World, TrackId) {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    world.join("b", "r");
    world.join_manually("m", "r", Subscriptions::default());
    let microphone = world.publish("a", NewTrack::Audio);
    (world, microphone)
}

/// `a` sends packets of this level, one in 20 ms.
fn speak(world: &mut World, microphone: &TrackId, level_dbov: i8, duration: Duration) {
    let mut ticks = 0u32;
    world.run(duration, |world| {
        ticks += 1;
        let now = world.now;
        if ticks.is_multiple_of(2) {
            world.client("a").speak(microphone, level_dbov, now);
        }
    });
}

/// What a client was told of voices.
fn told(world: &World, name: &str) -> Vec<(TrackId, Voice)> {
    let voices = world.clients[name].events.iter().filter_map(|e| match e {
        ServerEvent::VadNotification { track, voice } => Some((track.clone(), *voice)),
        _ => None,
    });
    voices.collect()
}

fn both(track: &TrackId) -> [(TrackId, Voice); 2] {
    [(track.clone(), Speech), (track.clone(), Silence)]
}

#[test]
fn speech_and_silence_are_told_to_listeners_and_to_all_coordinators() {
    let (mut world, microphone) = room();
    speak(&mut world, &microphone, QUIET, ms(500));
    assert_eq!(world.voices, []);
    speak(&mut world, &microphone, LOUD, ms(500));
    assert_eq!(told(&world, "b"), [(microphone.clone(), Speech)]);
    speak(&mut world, &microphone, QUIET, ms(1_000));
    assert_eq!(told(&world, "b"), both(&microphone));
    assert_eq!(world.voices, both(&microphone));
}

#[test]
fn neither_the_speaker_nor_who_does_not_receive_the_track_is_told() {
    let (mut world, microphone) = room();
    speak(&mut world, &microphone, LOUD, ms(500));
    assert_eq!(told(&world, "a"), []);
    assert_eq!(told(&world, "m"), []);
}

#[test]
fn a_muted_microphone_ends_in_silence() {
    let (mut world, microphone) = room();
    speak(&mut world, &microphone, LOUD, ms(500));
    world.wait(ms(1_000));
    assert_eq!(told(&world, "b"), both(&microphone));
}

#[test]
fn a_removed_microphone_ends_in_silence_before_it_is_gone() {
    let (mut world, microphone) = room();
    speak(&mut world, &microphone, LOUD, ms(500));
    world.client("a").remove_track(&microphone);
    world.say("a", PeerEvent::RenegotiateTracks);
    assert_eq!(world.voices, both(&microphone));
    assert_eq!(told(&world, "b"), [(microphone, Speech)], "listeners are told that it is gone");
}

#[test]
fn a_speaker_who_leaves_ends_in_silence() {
    let (mut world, microphone) = room();
    speak(&mut world, &microphone, LOUD, ms(500));
    world.leave("a");
    assert_eq!(world.voices, both(&microphone));
}

#[test]
fn who_comes_in_the_middle_of_a_speech_is_told_who_speaks() {
    let (mut world, microphone) = room();
    speak(&mut world, &microphone, LOUD, ms(500));
    world.join("c", "r");
    let subscriptions = Subscriptions { peers: [PeerId::parse("a").unwrap()].into(), tracks: [].into() };
    world.say("m", PeerEvent::SetSubscriptions { subscriptions });
    for name in ["c", "m"] {
        assert_eq!(told(&world, name), [(microphone.clone(), Speech)], "{name}");
    }
    assert_eq!(world.voices.len(), 1, "coordinators knew it");
}

#[test]
fn a_screen_with_sound_is_two_more_tracks_with_a_voice_of_their_own() {
    let (mut world, microphone) = room();
    let tracks = [NewTrack::Video, NewTrack::Video, NewTrack::Audio].map(|kind| world.publish("a", kind));
    let [_, _, sound] = &tracks;
    speak(&mut world, sound, LOUD, ms(500));
    assert_eq!(world.client("b").tracks.len(), 4);
    assert_eq!(told(&world, "b"), [(sound.clone(), Speech)]);
    speak(&mut world, &microphone, LOUD, ms(500));
    assert!(told(&world, "b").contains(&(microphone, Speech)));
    let added = world.track_events.iter().filter(|(_, e)| matches!(e, SessionEvent::TrackAdded { .. }));
    assert_eq!(added.count(), 4);
}
