//! Bad input on the UDP port: dropped and counted, and the room next to it goes on.

#![allow(clippy::disallowed_types, reason = "proptest uses Arc")]

mod world;

use std::net::SocketAddr;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use velella_model::VideoCodec;
use velella_worker_core::Routing;
use world::{NewTrack, World, ms};

fn stranger() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 666))
}

fn connected() -> World {
    let mut world = World::new(VideoCodec::Vp8);
    world.join("a", "r");
    world.join("b", "r");
    world.publish("a", NewTrack::Video);
    world.wait(ms(500));
    world
}

/// Starts like STUN, DTLS, TURN channel data, RTP and RTCP (RFC 7983), then anything.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![0u8..4, 20u8..64, 64u8..80, 128u8..192, any::<u8>()];
    (first, prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        rest
    })
}

#[test]
fn a_stranger_is_not_taken() {
    let mut world = connected();
    for contents in [&b""[..], &[0; 20], &[22; 100], &[0x80; 40], &[0x80, 200, 0, 1], &[255; 1500]] {
        assert_eq!(world.datagram(stranger(), contents), Routing::Unknown);
    }
}

#[test]
fn a_request_with_the_right_name_and_the_wrong_password_is_not_taken() {
    use str0m::ice::{StunMessage, TransId};
    let mut world = connected();
    let message = StunMessage::binding_request("ufrag1:x", TransId::new(), true, 0, 1, true);
    let mut bytes = vec![0; 500];
    let n = message.to_bytes(Some(b"guessed"), &mut bytes, |_, _| [7; 20]).unwrap();
    assert_eq!(world.datagram(stranger(), &bytes[..n]), Routing::Unknown);
}

#[test]
fn garbage_from_a_members_own_address_hurts_nobody() {
    let mut world = connected();
    let member = world.client("a").address;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..2_000 {
        let contents = datagram().new_tree(&mut runner).unwrap().current();
        assert_eq!(world.datagram(member, &contents), Routing::Taken);
    }
    assert_eq!(world.shard.stats().sessions, 2, "crashes: {}", world.shard.stats().crashes);
    world.join("c", "r");
    assert_eq!(world.client("c").tracks.len(), 1);
}

proptest! {
    #[test]
    fn garbage_of_strangers_is_never_taken(contents in datagram()) {
        let mut world = World::new(VideoCodec::Vp8);
        world.join("a", "r");
        prop_assert_eq!(world.datagram(stranger(), &contents), Routing::Unknown);
    }
}
