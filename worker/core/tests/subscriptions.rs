//! Who receives what: lists of the management API, and what a token allows.
//!
//! The harness client throws on whatever the published client throws on, a track announced twice
//! among them.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "test code")]

mod world;

use velella_model::record::Subscriptions;
use velella_model::wire::command::Rights;
use velella_model::wire::signal::{PeerEvent, ServerEvent};
use velella_model::{PeerId, TrackId, VideoCodec};
use world::{Client, NewTrack, World, closed, heard, ms};

const KEYFRAME: [u8; 6] = [0x10, 0x00, 0x9d, 0x01, 0x2a, 0];
const DELTA: [u8; 6] = [0x10, 0x01, 0x9d, 0x01, 0x2a, 0];

const NO_PUBLISH: Rights = Rights { publish: false, subscribe: true };
const NO_SUBSCRIBE: Rights = Rights { publish: true, subscribe: false };

fn peers(names: &[&str]) -> Subscriptions {
    Subscriptions { peers: names.iter().map(|n| PeerId::parse(n).unwrap()).collect(), tracks: [].into() }
}

fn tracks(ids: &[&TrackId]) -> Subscriptions {
    Subscriptions { peers: [].into(), tracks: ids.iter().map(|id| (*id).clone()).collect() }
}

fn list(world: &mut World, name: &str, subscriptions: Subscriptions) {
    world.say(name, PeerEvent::SetSubscriptions { subscriptions });
}

/// `a` publishes audio and video, `m` is in manual mode.
fn room() -> (World, TrackId, TrackId) {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    let audio = world.publish("a", NewTrack::Audio);
    let video = world.publish("a", NewTrack::Video);
    world.join_manually("m", "r", Subscriptions::default());
    (world, audio, video)
}

fn has<'a>(world: &'a World, name: &str) -> Vec<&'a TrackId> {
    world.clients[name].tracks.iter().collect()
}

/// How many rounds of signalling a client went through.
fn rounds(client: &Client) -> usize {
    client.events.iter().filter(|e| matches!(e, ServerEvent::OfferData { .. })).count()
}

/// `a` films for a second and gives the keyframes it is asked for. Returns how many were.
fn film(world: &mut World, video: &TrackId) -> usize {
    let (mut ticks, mut asked) = (0u32, 0);
    world.run(ms(1_000), |world| {
        ticks += 1;
        let now = world.now;
        let wanted = world.client("a").keyframe_requests.drain(..).count();
        asked += wanted;
        let payload = if wanted > 0 { KEYFRAME } else { DELTA };
        if ticks.is_multiple_of(4) || wanted > 0 {
            world.client("a").send(video, None, &payload, ticks * 900, now);
        }
    });
    asked
}

#[test]
fn a_manual_session_receives_nothing_until_something_is_listed() {
    let (mut world, audio, video) = room();
    assert!(world.client("m").endpoints.contains("a"), "it knows who is there");
    assert_eq!(rounds(&world.clients["m"]), 0, "and is asked for no offer");
    list(&mut world, "m", tracks(&[&video]));
    assert_eq!(has(&world, "m"), [&video]);
    list(&mut world, "m", peers(&["a"]));
    assert_eq!(has(&world, "m"), [&audio, &video]);
}

#[test]
fn a_list_given_at_the_start_counts_from_the_start() {
    let (mut world, audio, video) = room();
    world.join_manually("n", "r", peers(&["a"]));
    assert_eq!(has(&world, "n"), [&audio, &video]);
}

#[test]
fn later_tracks_of_a_listed_peer_and_a_track_listed_before_it_exists_are_received() {
    let (mut world, audio, video) = room();
    let coming = TrackId::parse("b:1").unwrap();
    list(&mut world, "m", Subscriptions { tracks: [coming.clone()].into(), ..peers(&["a"]) });
    world.join("b", "r");
    world.publish("b", NewTrack::Audio);
    assert_eq!(has(&world, "m"), [&audio, &video], "not everything of b");
    assert_eq!(world.publish("b", NewTrack::Video), coming);
    let later = world.publish("a", NewTrack::Video);
    assert_eq!(has(&world, "m"), [&audio, &video, &later, &coming]);
}

#[test]
fn the_same_list_again_changes_nothing() {
    let (mut world, ..) = room();
    list(&mut world, "m", peers(&["a"]));
    let before = world.client("m").events.len();
    list(&mut world, "m", peers(&["a"]));
    assert_eq!(world.client("m").events.len(), before);
}

#[test]
fn a_new_subscription_starts_with_a_keyframe_that_was_asked_for() {
    let (mut world, _, video) = room();
    assert_eq!(film(&mut world, &video), 0, "nobody watches, nobody asks");
    list(&mut world, "m", tracks(&[&video]));
    assert!(film(&mut world, &video) >= 1);
    assert_eq!(world.clients["m"].received[0].payload, KEYFRAME);
}

#[test]
fn what_is_struck_off_the_list_stops_and_can_come_back() {
    let (mut world, audio, video) = room();
    list(&mut world, "m", peers(&["a"]));
    film(&mut world, &video);
    let before = world.client("m").received.len();
    let forwarded = world.shard.stats().rtp_forwarded;
    list(&mut world, "m", tracks(&[&audio]));
    assert_eq!(has(&world, "m"), [&audio]);
    film(&mut world, &video);
    assert_eq!(world.shard.stats().rtp_forwarded, forwarded, "its packets stop");

    list(&mut world, "m", peers(&["a"]));
    assert_eq!(has(&world, "m"), [&audio, &video]);
    film(&mut world, &video);
    let client = world.client("m");
    assert!(client.received.len() > before, "and go on");
    assert_eq!(client.received[before].payload, KEYFRAME);
    let sequences: Vec<_> = client.received.iter().map(|r| r.sequence).collect();
    assert!(sequences.windows(2).all(|w| w[1] == w[0] + 1), "the line's stream is one: {sequences:?}");
}

#[test]
fn a_freed_line_carries_the_next_track() {
    let (mut world, _, video) = room();
    list(&mut world, "m", tracks(&[&video]));
    let second = world.publish("a", NewTrack::Video);
    list(&mut world, "m", tracks(&[&second]));
    assert_eq!(has(&world, "m"), [&second]);
    let lines = world.client("m").events.iter().filter_map(|e| match e {
        ServerEvent::OfferData { video, .. } => Some(*video),
        _ => None,
    });
    assert_eq!(lines.collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_list_that_changes_during_a_round_ends_as_it_was_last() {
    let (mut world, audio, video) = room();
    for listed in [peers(&["a"]), tracks(&[&video]), Subscriptions::default(), peers(&["a"]), tracks(&[&audio])] {
        // All before the client answers the first `offer_data`.
        let signal = world.client("m").sign(PeerEvent::SetSubscriptions { subscriptions: listed });
        world.client("m").signals.push(signal);
    }
    world.wait(ms(100));
    assert_eq!(has(&world, "m"), [&audio]);
    assert_eq!(closed(&world, "m"), None);
}

#[test]
fn a_list_for_a_session_that_receives_everything_is_ignored() {
    let (mut world, audio, video) = room();
    world.join("b", "r");
    list(&mut world, "b", Subscriptions::default());
    assert_eq!(has(&world, "b"), [&audio, &video]);
    assert_eq!(world.shard.stats().ignored_signals, 1);
}

#[test]
fn who_may_not_publish_sees_the_room_and_is_not_seen() {
    let (mut world, audio, video) = room();
    world.join_with("v", "r", NO_PUBLISH);
    assert_eq!(has(&world, "v"), [&audio, &video]);
    let smuggled = world.publish("v", NewTrack::Video);
    assert_eq!(closed(&world, "v"), None, "its offers are answered");
    assert!(heard(&world.clients["v"], |e| match e {
        ServerEvent::SdpAnswer { mid_to_track, .. } => !mid_to_track.values().any(|t| *t == smuggled),
        _ => false,
    }));
    assert!(!world.client("a").tracks.contains(&smuggled));
    assert_eq!((world.shard.stats().tracks, world.shard.stats().tracks_not_allowed), (2, 1));
}

#[test]
fn media_that_may_not_be_published_goes_nowhere() {
    let (mut world, ..) = room();
    world.join_with("v", "r", NO_PUBLISH);
    let smuggled = world.publish("v", NewTrack::Audio);
    world.run(ms(300), |world| {
        let now = world.now;
        world.client("v").send(&smuggled, None, b"opus", 0, now);
    });
    assert!(world.client("a").received.is_empty());
    assert_eq!(world.shard.stats().rtp_in, 0);
}

#[test]
fn who_may_not_subscribe_is_seen_and_is_offered_nothing() {
    let (mut world, ..) = room();
    world.join_with("s", "r", NO_SUBSCRIBE);
    let track = world.publish("s", NewTrack::Video);
    world.publish("a", NewTrack::Video);
    list(&mut world, "s", peers(&["a"]));
    assert!(has(&world, "s").is_empty());
    assert!(world.client("a").tracks.contains(&track));
    assert_eq!(world.shard.stats().ignored_signals, 1);
}
