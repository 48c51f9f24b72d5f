//! Joining, leaving and negotiating: what every member is told, and in which order.
//!
//! The harness client throws where the published client throws: unknown tracks, decreasing counts,
//! a sending line without a track, a gap in the events.

#![allow(clippy::indexing_slicing, clippy::wildcard_enum_match_arm, reason = "test code")]

mod world;

use velella_model::wire::signal::{CloseReason, PeerEvent, ServerEvent, SessionEvent};
use velella_model::{Json, VideoCodec};
use world::{NewTrack, World, closed, heard, ms};

fn room_of_two() -> World {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    world.join("b", "r");
    world
}

#[test]
fn a_peer_is_welcomed_with_everybody_and_announced_to_the_others() {
    let mut world = room_of_two();
    assert_eq!(world.client("b").endpoints.iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(world.client("a").endpoints.iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_published_track_reaches_members_and_latecomers() {
    let mut world = room_of_two();
    let track = world.publish("a", NewTrack::Video);
    assert!(world.client("b").tracks.contains(&track));
    world.join("c", "r");
    assert!(world.client("c").tracks.contains(&track));
    assert!(!world.client("a").tracks.contains(&track), "not to its publisher");
    assert!(matches!(&world.track_events[..], [(_, SessionEvent::TrackAdded { track: t, .. })] if *t == track));
}

#[test]
fn rooms_know_nothing_of_each_other() {
    let mut world = room_of_two();
    world.join("x", "other");
    world.publish("a", NewTrack::Video);
    assert_eq!(world.client("x").endpoints.len(), 1);
    assert!(world.client("x").tracks.is_empty());
    world.leave("a");
    assert!(!heard(world.client("x"), |e| matches!(e, ServerEvent::EndpointRemoved { .. })));
}

#[test]
fn who_leaves_takes_its_tracks_along() {
    let mut world = room_of_two();
    world.publish("a", NewTrack::Audio);
    world.publish("a", NewTrack::Video);
    assert_eq!(world.client("b").tracks.len(), 2);
    world.leave("a");
    assert!(world.client("b").tracks.is_empty());
    assert!(!world.client("b").endpoints.contains("a"));
    assert_eq!(world.shard.stats().tracks, 0);
}

#[test]
fn a_removed_track_is_removed_for_everybody_and_its_line_is_used_again() {
    let mut world = room_of_two();
    let first = world.publish("a", NewTrack::Video);
    world.client("a").remove_track(&first);
    world.say("a", PeerEvent::RenegotiateTracks);
    assert!(world.client("b").tracks.is_empty());
    let second = world.publish("a", NewTrack::Video);
    assert!(world.client("b").tracks.contains(&second));
    let lines = world.client("b").events.iter().filter_map(|e| match e {
        ServerEvent::OfferData { video, .. } => Some(*video),
        _ => None,
    });
    assert_eq!(lines.collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn everybody_publishing_at_once_ends_with_everybody_seeing_everybody() {
    let mut world = World::new(VideoCodec::Vp8);
    let names = ["a", "b", "c", "d"];
    for name in names {
        world.join(name, "r");
    }
    for name in names {
        // All ask before anybody is answered: rounds overlap.
        world.client(name).add_track(NewTrack::Video);
        world.client(name).add_track(NewTrack::Audio);
    }
    for name in names {
        let signal = world.client(name).sign(PeerEvent::RenegotiateTracks);
        world.client(name).signals.push(signal);
    }
    world.wait(ms(100));
    for name in names {
        assert_eq!(world.client(name).tracks.len(), 6, "{name}");
    }
}

#[test]
fn metadata_reaches_the_others_only() {
    let mut world = room_of_two();
    let track = world.publish("a", NewTrack::Video);
    let metadata = Json::parse("{\"paused\":true}").unwrap();
    world.say("a", PeerEvent::UpdateTrackMetadata { track, metadata: metadata.clone() });
    world.say("a", PeerEvent::UpdateEndpointMetadata { metadata: metadata.clone() });
    assert!(heard(world.client("b"), |e| matches!(e, ServerEvent::TrackUpdated { metadata: m, .. } if *m == metadata)));
    assert!(heard(world.client("b"), |e| matches!(e, ServerEvent::EndpointUpdated { .. })));
    assert!(!heard(world.client("a"), |e| matches!(e, ServerEvent::EndpointUpdated { .. })));
}

#[test]
fn a_second_session_of_a_peer_takes_over() {
    let mut world = room_of_two();
    let track = world.publish("a", NewTrack::Video);
    let old = world.client("a").session.clone();
    world.join("a", "r");
    assert_ne!(world.client("a").session, old);
    assert!(!world.client("b").tracks.contains(&track));
    assert!(world.client("b").endpoints.contains("a"), "it came back");
    assert_eq!(world.shard.stats().sessions, 2);
    world.publish("a", NewTrack::Video);
    assert_eq!(world.client("b").tracks.len(), 1);
}

#[test]
fn an_offer_that_is_no_sdp_ends_that_session_alone() {
    let mut world = room_of_two();
    world.publish("a", NewTrack::Video);
    let garbage = PeerEvent::SdpOffer { sdp: "v=0\r\nnonsense".into(), mid_to_track: [].into(), metadata: [].into() };
    world.say("a", garbage);
    assert_eq!(closed(&world, "a"), Some(CloseReason::BadSignal));
    assert_eq!(closed(&world, "b"), None);
    assert!(world.client("b").tracks.is_empty());
    world.join("c", "r");
    let track = world.publish("c", NewTrack::Video);
    assert!(world.client("b").tracks.contains(&track), "the room goes on");
}

#[test]
fn an_offer_with_lines_without_end_ends_that_session_alone() {
    let mut world = room_of_two();
    world.publish("a", NewTrack::Video);
    let line = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:x\r\na=inactive\r\n".repeat(1_000);
    let sdp = format!("{}{line}", world.client("a").last_offer);
    world.say("a", PeerEvent::SdpOffer { sdp, mid_to_track: [].into(), metadata: [].into() });
    assert_eq!(closed(&world, "a"), Some(CloseReason::BadSignal));
    assert_eq!(closed(&world, "b"), None);
}

#[test]
fn candidates_without_end_are_taken_up_to_a_limit() {
    let mut world = room_of_two();
    for port in 1..500 {
        let candidate = format!("candidate:1 1 udp 2122260223 127.0.0.1 {port} typ host generation 0");
        world.say("a", PeerEvent::Candidate { candidate });
    }
    world.say("a", PeerEvent::Candidate { candidate: "garbage".into() });
    let track = world.publish("a", NewTrack::Video);
    assert!(world.client("b").tracks.contains(&track));
}

#[test]
fn a_lost_signal_closes_the_session_so_that_the_client_joins_again() {
    let mut world = room_of_two();
    world.client("a").lose_signal();
    world.say("a", PeerEvent::RenegotiateTracks);
    assert_eq!(closed(&world, "a"), Some(CloseReason::SignalLost));
}

#[test]
fn a_track_id_of_somebody_else_is_not_given_away() {
    let mut world = room_of_two();
    let track = world.publish("a", NewTrack::Video);
    let own = world.publish("b", NewTrack::Video);
    let mid = world.client("b").own_mid(&own).unwrap();
    let sdp = world.client("b").last_offer.clone();
    let stolen =
        PeerEvent::SdpOffer { sdp, mid_to_track: [(mid.to_string(), track.clone())].into(), metadata: [].into() };
    world.client("b").ignore_answers = true;
    world.say("b", stolen);
    assert!(!heard(world.client("b"), |e| matches!(e, ServerEvent::TracksRemoved { .. })));
    assert!(world.client("b").tracks.contains(&track), "still the one of its owner");
}

#[test]
fn a_track_that_is_muted_while_its_offer_is_made_is_published_all_the_same() {
    let mut world = room_of_two();
    let camera = world.publish("a", NewTrack::Video);
    let microphone = world.client("a").add_track(NewTrack::Audio);
    world.client("a").muted.insert(microphone.clone());
    world.say("a", PeerEvent::RenegotiateTracks);
    assert_eq!(world.client("b").tracks.iter().collect::<Vec<_>>(), [&camera, &microphone]);
    assert!(world.client("a").muted.is_empty(), "its publisher is told the line");
}

#[test]
fn lines_without_names_are_not_guessed() {
    let mut world = room_of_two();
    for kind in [NewTrack::Video, NewTrack::Audio] {
        let track = world.client("a").add_track(kind);
        world.client("a").muted.insert(track);
    }
    world.say("a", PeerEvent::RenegotiateTracks);
    assert!(world.client("b").tracks.is_empty());
}

#[test]
fn an_audio_room_takes_no_video() {
    let mut world = World::new(VideoCodec::Vp8).audio_only();
    world.join("a", "r");
    world.join("b", "r");
    world.publish("a", NewTrack::Video);
    let audio = world.publish("a", NewTrack::Audio);
    assert_eq!(world.client("b").tracks.iter().collect::<Vec<_>>(), [&audio]);
}

#[test]
fn a_closed_room_closes_its_sessions() {
    let mut world = room_of_two();
    world.join("x", "other");
    world.input(velella_worker_core::Input::CloseRoom(velella_model::RoomId::parse("r").unwrap()));
    assert_eq!(closed(&world, "a"), Some(CloseReason::RoomClosed));
    assert_eq!(closed(&world, "b"), Some(CloseReason::RoomClosed));
    assert_eq!(closed(&world, "x"), None);
    assert_eq!(world.shard.stats().rooms, 1);
}

#[test]
fn a_client_without_the_rooms_codec_still_hears_the_room() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    let other = world.leave("a");
    drop(other);
    world.join("a", "r");
    world.join("b", "r");
    world.clients.get_mut("b").unwrap().rtc = world::client_rtc(VideoCodec::Av1, world.now);
    let video = world.publish("a", NewTrack::Video);
    world.publish("a", NewTrack::Audio);
    world.publish("b", NewTrack::Video);
    assert!(world.client("a").tracks.is_empty(), "what nobody here can decode is not published");
    assert!(world.client("b").tracks.contains(&video), "known, but nothing flows");
    assert_eq!(closed(&world, "b"), None);
}
