//! Data channels: who is told of them, and whom their messages reach.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "test code")]

mod world;

use velella_model::VideoCodec;
use velella_model::wire::command::Rights;
use velella_model::wire::signal::{PeerEvent, SessionEvent};
use velella_proto::Message;
use velella_proto::fishjam::media_events::ChannelMessage;
use velella_proto::fishjam::media_events::channel_message::{Binary, Payload};
use world::{World, closed, ms};

/// Members with these channels open.
fn room(names: &[&'static str], labels: &[&str]) -> World {
    let mut world = World::new(VideoCodec::Vp8);
    for name in names {
        world.join(name, "r");
        open(&mut world, name, labels);
    }
    world
}

fn open(world: &mut World, name: &'static str, labels: &[&str]) {
    labels.iter().for_each(|label| world.client(name).open_channel(label));
    world.say(name, PeerEvent::RenegotiateTracks);
    world.wait(ms(1_000));
}

fn say(world: &mut World, name: &str, label: &str, destinations: &[&str], text: &str) {
    let destinations = destinations.iter().map(ToString::to_string).collect();
    let payload = Some(Payload::Binary(Binary { data: text.into() }));
    let message = ChannelMessage { source: "somebody else".into(), destinations, payload };
    world.client(name).say_on(label, &message.encode_to_vec());
    world.wait(ms(200));
}

/// What a client read, as `source: text`.
fn read(world: &World, name: &str) -> Vec<String> {
    let messages = world.clients[name].messages.iter().map(|bytes| {
        let message = ChannelMessage::decode(bytes.as_slice()).unwrap();
        let Some(Payload::Binary(Binary { data })) = message.payload else { panic!("no payload") };
        format!("{}: {}", message.source, String::from_utf8(data).unwrap())
    });
    messages.collect()
}

/// Channels of a peer as its coordinator was told of them: `+label`, `-label`.
fn told(world: &World, name: &str) -> Vec<String> {
    let channels = world.track_events.iter().filter(|(of, _)| of == name).filter_map(|(_, event)| match event {
        SessionEvent::ChannelAdded { channel } => Some(format!("+{channel}")),
        SessionEvent::ChannelRemoved { channel } => Some(format!("-{channel}")),
        _ => None,
    });
    channels.collect()
}

#[test]
fn a_message_reaches_all_others_with_its_true_sender() {
    let mut world = room(&["a", "b", "c"], &["reliable"]);
    say(&mut world, "a", "reliable", &[], "hi");
    say(&mut world, "b", "reliable", &["*"], "ho");
    assert_eq!(read(&world, "a"), ["b: ho"]);
    assert_eq!(read(&world, "b"), ["a: hi"]);
    assert_eq!(read(&world, "c"), ["a: hi", "b: ho"]);
}

#[test]
fn a_message_with_destinations_reaches_them_alone() {
    let mut world = room(&["a", "b", "c"], &["reliable"]);
    say(&mut world, "a", "reliable", &["c", "nobody"], "psst");
    assert_eq!(read(&world, "c"), ["a: psst"]);
    assert!(read(&world, "b").is_empty());
}

#[test]
fn a_message_stays_on_its_label() {
    let mut world = room(&["a", "b"], &["reliable"]);
    open(&mut world, "a", &["of my own"]);
    say(&mut world, "a", "of my own", &[], "anybody?");
    assert!(read(&world, "b").is_empty());
    open(&mut world, "b", &["of my own"]);
    say(&mut world, "a", "of my own", &[], "now?");
    assert_eq!(read(&world, "b"), ["a: now?"]);
}

#[test]
fn the_coordinator_is_told_of_channels_as_they_come_and_go() {
    let mut world = room(&["a"], &["reliable", "lossy"]);
    assert_eq!(told(&world, "a"), ["+reliable", "+lossy"]);
    world.client("a").close_channel("lossy");
    world.wait(ms(1_000));
    assert_eq!(told(&world, "a"), ["+reliable", "+lossy", "-lossy"]);
    let session = world.client("a").session.clone();
    world.input(velella_worker_core::Input::CloseSession(session));
    assert_eq!(told(&world, "a")[3..], ["-reliable"], "and of those that end with the session");
    assert!(closed(&world, "a").is_some());
}

#[test]
fn channels_beyond_the_limits_are_closed_and_counted() {
    let long = "x".repeat(65);
    let mut world = room(&["a"], &["1"]);
    open(&mut world, "a", &[&long, "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(told(&world, "a").len(), 8);
    assert_eq!(world.client("a").channels.len(), 8, "the client sees the others closed");
    assert_eq!(world.shard.stats().channels_refused, 2);
    assert_eq!(closed(&world, "a"), None);
}

#[test]
fn who_may_not_publish_reads_and_is_not_read() {
    let mut world = room(&["a"], &["reliable"]);
    world.join_with("v", "r", Rights { publish: false, subscribe: true });
    open(&mut world, "v", &["reliable"]);
    say(&mut world, "v", "reliable", &[], "let me in");
    say(&mut world, "a", "reliable", &[], "welcome");
    assert!(read(&world, "a").is_empty());
    assert_eq!(read(&world, "v"), ["a: welcome"]);
    assert_eq!(world.shard.stats().messages_not_allowed, 1);
}

#[test]
fn garbage_on_a_channel_is_dropped_and_counted() {
    let mut world = room(&["a", "b"], &["reliable"]);
    world.client("a").say_on("reliable", &[0xff; 40]);
    world.wait(ms(200));
    assert!(read(&world, "b").is_empty());
    assert_eq!(world.shard.stats().messages_dropped, 1);
}
