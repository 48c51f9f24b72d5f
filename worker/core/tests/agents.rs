//! Agents in a room of browsers: their tracks are tracks like others, and they hear packets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::wildcard_enum_match_arm, reason = "test code")]

mod world;

use velella_model::record::{AgentOutput, Subscriptions};
use velella_model::wire::agent::Encoding;
use velella_model::wire::command::{Rights, SubscribeMode};
use velella_model::wire::signal::{CloseReason, PeerEvent, ServerEvent, SessionEvent, Voice};
use velella_model::{Json, MediaKind, PeerId, SessionId, TrackId, VideoCodec};
use velella_worker_core::{AgentNews, Input, SoundPacket, SpokenPacket};
use world::{NewTrack, World, heard, ms};

const HEARS: Option<AgentOutput> = Some(AgentOutput { sample_rate_hz: 16_000 });
const PCM: Encoding = Encoding::Pcm16 { sample_rate_hz: 24_000, channels: 1 };

/// Browser `b` and agent `a` in one room.
fn room() -> World {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("b", "r");
    world.join_agent("a", "r", HEARS);
    world
}

fn track(id: &str) -> TrackId {
    TrackId::parse(id).unwrap()
}

fn add(id: &str) -> PeerEvent {
    PeerEvent::AddTrack { track: track(id), metadata: Json::parse(r#"{"type":"microphone"}"#).unwrap(), encoding: PCM }
}

/// The agent says 20 ms of sound at a time on its own clock.
fn speak(world: &mut World, session: &SessionId, timestamps: impl IntoIterator<Item = u32>) {
    let mut begins = true;
    for timestamp in timestamps {
        let spoken = SpokenPacket {
            session: session.clone(),
            track: track("t"),
            timestamp,
            begins: std::mem::take(&mut begins),
            level_dbov: Some(-20),
            payload: b"opus".as_slice().into(),
        };
        world.input(Input::Spoken(spoken));
        world.wait(ms(20));
    }
}

fn packets(world: &World) -> Vec<(&TrackId, &SoundPacket)> {
    let heard = world.agent_news.iter().filter_map(|news| match news {
        AgentNews::Heard { track, packet, .. } => Some((track, packet)),
        AgentNews::Joined { .. }
        | AgentNews::TrackAdded { .. }
        | AgentNews::TrackInterrupted { .. }
        | AgentNews::TrackRemoved { .. }
        | AgentNews::Left { .. } => None,
    });
    heard.collect()
}

fn ended(world: &World, name: &str) -> Option<CloseReason> {
    world.agent_events.iter().find_map(|(agent, event)| match event {
        SessionEvent::Closed { reason } if *agent == name => Some(*reason),
        _ => None,
    })
}

#[test]
fn an_agent_is_a_member_like_others_and_its_track_is_announced() {
    let mut world = room();
    let session = world.agent("a");
    let joined = AgentNews::Joined {
        session: session.clone(),
        holder: id::<velella_model::kind::Coordinator>("c").into(),
        output: HEARS,
    };
    assert_eq!(world.agent_news, [joined]);
    assert!(world.client("b").endpoints.contains("a"));

    world.command("a", add("t"));
    assert_eq!(world.agent_news[1], AgentNews::TrackAdded { session, track: track("t"), encoding: PCM });
    let metadata = Json::parse(r#"{"type":"microphone"}"#).unwrap();
    let added = SessionEvent::TrackAdded { track: track("t"), kind: MediaKind::Audio, metadata };
    assert!(world.agent_events.contains(&("a", added)));
    assert!(world.client("b").tracks.contains(&track("t")));

    world.command("a", PeerEvent::RemoveTrack { track: track("t") });
    assert!(!world.client("b").tracks.contains(&track("t")));
}

#[test]
fn what_it_says_reaches_a_browser_as_one_stream_with_its_pauses() {
    let mut world = room();
    let session = world.agent("a");
    world.command("a", add("t"));
    world.wait(ms(1_000));
    speak(&mut world, &session, (0..10).map(|n| n * 960));
    speak(&mut world, &session, (0..10).map(|n| 100_000 + n * 960));
    let received = &world.client("b").received;
    assert_eq!(received.len(), 20);
    assert!(received.windows(2).all(|w| w[1].sequence == w[0].sequence + 1));
    let steps: Vec<u32> = received.windows(2).map(|w| w[1].timestamp - w[0].timestamp).collect();
    assert_eq!(steps[..9], [960; 9]);
    assert_eq!(steps[9], 100_000 - 9 * 960, "the pause is as long as it was");
    assert!(received.iter().all(|r| r.track == track("t") && r.payload == b"opus"));
    assert_eq!(world.voices, [(track("t"), Voice::Speech)], "a loud agent speaks like anybody else");
}

#[test]
fn it_hears_the_sound_of_the_room_and_no_pictures() {
    let mut world = room();
    let microphone = world.publish("b", NewTrack::Audio);
    let camera = world.publish("b", NewTrack::Video);
    let tracks_added = |event: &SessionEvent| match event {
        SessionEvent::ToPeer { event: ServerEvent::TracksAdded { tracks, .. } } => tracks.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let told: Vec<TrackId> = world.agent_events.iter().flat_map(|(_, event)| tracks_added(event)).collect();
    assert_eq!(told, std::slice::from_ref(&microphone), "{camera} is nothing that an agent can receive");
    let asked = |event: &SessionEvent| matches!(event, SessionEvent::ToPeer { event: ServerEvent::OfferData { .. } });
    assert!(!world.agent_events.iter().any(|(_, event)| asked(event)), "it is asked for no offer");

    world.run(ms(200), |world| {
        let now = world.now;
        world.client("b").speak(&microphone, -20, now);
    });
    let packets = packets(&world);
    assert!(packets.len() > 10);
    assert!(packets.iter().all(|(track, packet)| **track == microphone && &*packet.payload == b"opus"));
    assert!(packets.windows(2).all(|w| w[1].1.sequence == w[0].1.sequence + 1 && w[1].1.stream == w[0].1.stream));
}

#[test]
fn of_redundant_audio_it_hears_the_newest_block_while_browsers_get_all_of_it() {
    const RED: [u8; 11] = [0x80 | 111, 0x0f, 0x00, 3, 111, b'o', b'l', b'd', b'n', b'e', b'w'];
    let mut world = room();
    world.join("c", "r");
    let microphone = world.publish("b", NewTrack::Audio);
    let mut timestamp = 0;
    world.run(ms(1_000), |world| {
        timestamp += 480;
        let now = world.now;
        world.client("b").send_red(&microphone, &RED, timestamp, now);
    });
    let heard = packets(&world);
    assert!(heard.len() > 10 && heard.iter().all(|(_, packet)| &*packet.payload == b"new"));
    let received = &world.client("c").received;
    assert!(received.len() > 10 && received.iter().all(|r| r.is_red && r.payload == RED));
}

#[test]
fn agents_hear_each_other_but_not_themselves() {
    let mut world = room();
    world.join_agent("c", "r", HEARS);
    let (speaker, listener) = (world.agent("a"), world.agent("c"));
    world.command("a", add("t"));
    speak(&mut world, &speaker, [0, 960]);
    let hearers = world.agent_news.iter().filter_map(|news| match news {
        AgentNews::Heard { session, packet, .. } => Some((session.clone(), packet.timestamp)),
        _ => None,
    });
    assert_eq!(hearers.collect::<Vec<_>>(), [(listener.clone(), 0), (listener, 960)]);
}

#[test]
fn in_manual_mode_it_hears_what_is_listed() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("b", "r");
    let microphone = world.publish("b", NewTrack::Audio);
    world.join_agent_as("a", "r", HEARS, |open| open.subscribe_mode = SubscribeMode::Manual);
    let say = |world: &mut World| {
        let now = world.now;
        world.client("b").speak(&microphone, -20, now);
    };
    world.run(ms(100), say);
    assert_eq!(packets(&world), []);
    let subscriptions = Subscriptions { peers: [PeerId::parse("b").unwrap()].into(), ..Default::default() };
    world.command("a", PeerEvent::SetSubscriptions { subscriptions });
    world.run(ms(100), say);
    let count = packets(&world).len();
    assert!(count > 0);
    world.command("a", PeerEvent::SetSubscriptions { subscriptions: Subscriptions::default() });
    world.run(ms(100), say);
    assert_eq!(packets(&world).len(), count, "taken from the list again");
}

#[test]
fn an_agent_that_only_speaks_is_told_of_no_track() {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("b", "r");
    world.join_agent("a", "r", None);
    let microphone = world.publish("b", NewTrack::Audio);
    world.run(ms(100), |world| {
        let now = world.now;
        world.client("b").speak(&microphone, -20, now);
    });
    assert_eq!(packets(&world), []);
}

#[test]
fn a_track_that_cannot_be_had_ends_the_session_and_nothing_else() {
    let mut world = room();
    world.join_agent("twice", "r", HEARS);
    world.command("a", add("t"));
    world.command("twice", add("t"));
    assert_eq!(ended(&world, "twice"), Some(CloseReason::BadSignal));

    let looks_on = Rights { publish: false, subscribe: true };
    world.join_agent_as("mute", "r", HEARS, |open| open.rights = looks_on);
    world.command("mute", add("m"));
    assert_eq!(ended(&world, "mute"), Some(CloseReason::BadSignal));

    world.join_agent("greedy", "r", HEARS);
    for n in 0..=16 {
        world.command("greedy", add(&format!("g{n}")));
    }
    assert_eq!(ended(&world, "greedy"), Some(CloseReason::BadSignal));
    assert_eq!(ended(&world, "a"), None);
    assert!(world.client("b").tracks.contains(&track("t")));
}

#[test]
fn interrupting_and_leaving_are_passed_on_and_the_room_forgets_the_agent() {
    let mut world = room();
    let session = world.agent("a");
    world.command("a", add("t"));
    world.command("a", PeerEvent::InterruptTrack { track: track("t") });
    world.command("a", PeerEvent::InterruptTrack { track: track("nobodys") });
    let interrupted = AgentNews::TrackInterrupted { session: session.clone(), track: track("t") };
    assert_eq!(world.agent_news[2..], [interrupted]);

    world.input(Input::CloseSession(session.clone()));
    assert_eq!(world.agent_news[3..], [AgentNews::Left { session: session.clone() }]);
    assert_eq!(ended(&world, "a"), Some(CloseReason::Asked));
    assert!(heard(world.client("b"), |event| matches!(event, ServerEvent::EndpointRemoved { .. })));
    speak(&mut world, &session, [0]);
    assert_eq!(world.shard.stats().crashes, 0, "a last word after leaving is dropped");
}

fn id<K: Clone>(text: &str) -> velella_model::Id<K> {
    velella_model::Id::parse(text).unwrap()
}
