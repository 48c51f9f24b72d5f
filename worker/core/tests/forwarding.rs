//! Packets from publishers to subscribers, over real DTLS-SRTP between engines.

#![allow(clippy::indexing_slicing, clippy::wildcard_enum_match_arm, reason = "test code")]

mod world;

use velella_model::record::Subscriptions;
use velella_model::wire::signal::{PeerEvent, ServerEvent};
use velella_model::{TrackId, Variant, VideoCodec};
use world::{Client, NewTrack, World, closed, heard, ms};

const KEYFRAME: [u8; 6] = [0x10, 0x00, 0x9d, 0x01, 0x2a, 0];
const DELTA: [u8; 6] = [0x10, 0x01, 0x9d, 0x01, 0x2a, 0];

/// Sends a frame every 40 ms; answers keyframe requests like an encoder.
struct Camera {
    track: TrackId,
    variants: Vec<Option<Variant>>,
    ticks: u32,
    keyframes_sent: usize,
}

impl Camera {
    fn new(track: &TrackId) -> Self {
        Self { track: track.clone(), variants: vec![None], ticks: 0, keyframes_sent: 0 }
    }

    fn simulcast(track: &TrackId, variants: &[Variant]) -> Self {
        Self { variants: variants.iter().copied().map(Some).collect(), ..Self::new(track) }
    }

    fn shoot(&mut self, world: &mut World, name: &str) {
        self.ticks += 1;
        if !self.ticks.is_multiple_of(4) {
            return;
        }
        let now = world.now;
        let client = world.client(name);
        let wanted = std::mem::take(&mut client.keyframe_requests);
        self.keyframes_sent += wanted.len();
        for variant in self.variants.clone() {
            let asked = wanted.iter().any(|(_, rid)| rid.map(|r| r.to_string()) == variant.map(|v| v.rid().to_owned()));
            let mut payload = if asked || self.ticks == 4 { KEYFRAME } else { DELTA };
            payload[5] = variant.map_or(9, |v| v as u8);
            client.send(&self.track, variant, &payload, self.ticks * 900, now);
        }
    }
}

fn sequences(client: &Client) -> Vec<u64> {
    client.received.iter().map(|r| r.sequence).collect()
}

fn contiguous(sequences: &[u64]) -> bool {
    sequences.windows(2).all(|w| w[1] == w[0] + 1)
}

fn is_keyframe(payload: &[u8]) -> bool {
    payload[1] & 1 == 0
}

#[test]
fn audio_and_video_arrive_complete_and_in_order() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    world.join("b", "r");
    let video = world.publish("a", NewTrack::Video);
    let audio = world.publish("a", NewTrack::Audio);
    let mut camera = Camera::new(&video);
    let mut ticks = 0u32;
    world.run(ms(2_000), |world| {
        camera.shoot(world, "a");
        ticks += 1;
        let now = world.now;
        world.client("a").send(&audio, None, b"opus", ticks * 480, now);
    });
    let received = &world.clients["b"].received;
    let of = |track: &TrackId| received.iter().filter(|r| r.track == *track).map(|r| r.sequence).collect::<Vec<_>>();
    assert!(of(&video).len() > 40 && contiguous(&of(&video)), "{:?}", of(&video));
    assert!(of(&audio).len() > 150 && contiguous(&of(&audio)), "{:?}", of(&audio).len());
    assert_eq!(world.shard.stats().crashes, 0);
}

#[test]
fn a_latecomer_starts_with_a_keyframe_that_was_asked_for() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    let video = world.publish("a", NewTrack::Video);
    let mut camera = Camera::new(&video);
    world.run(ms(1_000), |world| camera.shoot(world, "a"));
    assert_eq!(camera.keyframes_sent, 0, "nobody watches, nobody asks");
    world.join("b", "r");
    world.run(ms(500), |world| camera.shoot(world, "a"));
    assert!(camera.keyframes_sent >= 1);
    assert!(is_keyframe(&world.client("b").received[0].payload));
    assert!(sequences(world.client("b"))[0] < 65_536, "a fresh receiver starts at rollover 0");
    assert!(contiguous(&sequences(world.client("b"))));
}

#[test]
fn subscribers_that_join_together_share_keyframe_requests() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    let video = world.publish("a", NewTrack::Video);
    let mut camera = Camera::new(&video);
    world.run(ms(500), |world| camera.shoot(world, "a"));
    for name in ["b", "c", "d", "e", "f"] {
        world.join(name, "r");
    }
    world.run(ms(1_000), |world| camera.shoot(world, "a"));
    assert!(camera.keyframes_sent <= 3, "{} for five subscribers", camera.keyframes_sent);
    for name in ["b", "c", "d", "e", "f"] {
        assert!(!world.client(name).received.is_empty(), "{name}");
    }
}

#[test]
fn the_stream_goes_on_when_its_line_carries_the_next_track() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    world.join("b", "r");
    let first = world.publish("a", NewTrack::Video);
    let mut camera = Camera::new(&first);
    world.run(ms(1_000), |world| camera.shoot(world, "a"));
    world.leave("a");
    world.join("c", "r");
    let second = world.publish("c", NewTrack::Video);
    let mut camera = Camera::new(&second);
    world.run(ms(1_000), |world| camera.shoot(world, "c"));
    let received = &world.clients["b"].received;
    assert!(received.iter().any(|r| r.track == first) && received.iter().any(|r| r.track == second));
    assert!(contiguous(&sequences(&world.clients["b"])));
    let switch = received.iter().position(|r| r.track == second).unwrap();
    assert!(is_keyframe(&received[switch].payload));
    assert!(received[switch].timestamp > received[switch - 1].timestamp);
}

#[test]
fn a_subscriber_gets_the_encoding_it_asks_for() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    world.join("b", "r");
    let video = world.publish("a", NewTrack::Simulcast);
    let mut camera = Camera::simulcast(&video, &Variant::ALL);
    world.run(ms(1_500), |world| camera.shoot(world, "a"));
    let last = |world: &World| world.clients["b"].received.last().unwrap().payload[5];
    assert_eq!(last(&world), Variant::High as u8, "the best by default");
    for target in [Variant::Low, Variant::Medium, Variant::High] {
        world.say("b", PeerEvent::SetTargetTrackVariant { track: video.clone(), variant: target });
        world.run(ms(500), |world| camera.shoot(world, "a"));
        assert_eq!(last(&world), target as u8);
        assert!(heard(
            world.client("b"),
            |e| matches!(e, ServerEvent::TrackVariantSwitched { variant, .. } if *variant == target)
        ));
    }
    let received = &world.clients["b"].received;
    assert!(contiguous(&sequences(&world.clients["b"])));
    let switches = received.windows(2).filter(|w| w[0].payload[5] != w[1].payload[5]);
    for switch in switches {
        assert!(is_keyframe(&switch[1].payload), "a switch never shows a broken frame");
        assert!(switch[1].timestamp.wrapping_sub(switch[0].timestamp) < 90_000);
    }
}

#[test]
fn an_encoding_that_is_switched_off_is_replaced_by_a_lower_one() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    world.join("b", "r");
    let video = world.publish("a", NewTrack::Simulcast);
    let mut camera = Camera::simulcast(&video, &Variant::ALL);
    world.run(ms(1_500), |world| camera.shoot(world, "a"));
    world.say("a", PeerEvent::DisableTrackVariant { track: video, variant: Variant::High });
    camera.variants.pop();
    world.run(ms(500), |world| camera.shoot(world, "a"));
    assert_eq!(world.client("b").received.last().unwrap().payload[5], Variant::Medium as u8);
    assert!(heard(world.client("b"), |e| matches!(e, ServerEvent::TrackVariantDisabled { .. })));
}

#[test]
fn an_encoding_that_is_asked_for_before_the_track_has_its_line_is_not_forgotten() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    let video = world.publish("a", NewTrack::Simulcast);
    let mut camera = Camera::simulcast(&video, &Variant::ALL);
    world.run(ms(1_500), |world| camera.shoot(world, "a"));
    world.join("b", "r");
    assert!(world.client("b").received.is_empty());
    world.join_manually("m", "r", Subscriptions::default());
    world.client("m").target_on_sight = Some(Variant::Low);
    let subscriptions = Subscriptions { peers: [].into(), tracks: [video].into() };
    world.say("m", PeerEvent::SetSubscriptions { subscriptions });
    world.run(ms(1_500), |world| camera.shoot(world, "a"));
    let last = |name: &str| world.clients[name].received.last().map(|r| r.payload[5]);
    assert_eq!(last("b"), Some(Variant::High as u8));
    assert_eq!(last("m"), Some(Variant::Low as u8));
}

#[test]
fn a_target_for_a_track_without_simulcast_changes_nothing() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    world.join("b", "r");
    let video = world.publish("a", NewTrack::Video);
    let mut camera = Camera::new(&video);
    world.run(ms(500), |world| camera.shoot(world, "a"));
    world.say("b", PeerEvent::SetTargetTrackVariant { track: video, variant: Variant::Low });
    let before = world.client("b").received.len();
    world.run(ms(500), |world| camera.shoot(world, "a"));
    assert!(world.client("b").received.len() > before);
    assert_eq!(closed(&world, "b"), None);
}

#[test]
fn lips_stay_in_time_when_the_camera_is_slower_than_the_microphone() {
    const ENCODING_MS: u32 = 80;
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    world.join("b", "r");
    let video = world.publish("a", NewTrack::Video);
    let audio = world.publish("a", NewTrack::Audio);
    let mut at_ms = ENCODING_MS;
    world.run(ms(12_000), |world| {
        at_ms += 10;
        let now = world.now;
        let client = world.client("a");
        client.send(&audio, None, b"opus", at_ms * 48, now);
        if at_ms.is_multiple_of(40) {
            let captured_at = now - ms(ENCODING_MS.into());
            client.send_captured(&video, None, &KEYFRAME, (at_ms - ENCODING_MS) * 90, captured_at, now);
        }
    });
    // Timestamps count from one instant here, so each report tells when that was.
    let start = |track, ticks_per_ms: u64| {
        let (wall, rtp) = world.clients["b"].reports[track];
        wall - ms(rtp / ticks_per_ms)
    };
    let (heard, seen) = (start(&audio, 48), start(&video, 90));
    let apart = heard.duration_since(seen).unwrap_or_else(|e| e.duration());
    assert!(apart < ms(5), "{apart:?} apart");
}

#[test]
fn a_client_whose_network_is_gone_is_let_go() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    world.join("b", "r");
    let video = world.publish("a", NewTrack::Video);
    let mut camera = Camera::new(&video);
    world.run(ms(500), |world| camera.shoot(world, "a"));
    let dead = world.clients.remove("a").unwrap();
    drop(dead);
    world.wait(ms(60_000));
    assert!(!world.client("b").endpoints.contains("a"));
    assert_eq!(world.shard.stats().ice_timeouts, 1);
    assert_eq!(closed(&world, "b"), None);
}
