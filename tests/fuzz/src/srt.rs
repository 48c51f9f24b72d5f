//! What callers send over SRT.

use std::net::SocketAddr;
use std::time::Instant;

use srt_protocol::options::Passphrase;
use srt_protocol::packet::{Packet, ShakeType};
use srt_protocol::protocol::pending_connection::AccessControlResponse;
use velella_srt::gate;
use velella_srt::handshake::{self, Guest};

use crate::input::records;

/// What is let through can be read, and be a handshake's first or last step: a panic would end the listener for
/// everybody. The parser's own would not, but is a hole in the gate.
pub(crate) fn datagrams(input: &[u8]) {
    let (settings, from, now) = (handshake::settings(), SocketAddr::from(([127, 0, 0, 1], 9_000)), Instant::now());
    for ([], datagram) in records(input) {
        if !gate::is_handshake(datagram) && !gate::is_of_publisher(datagram) {
            continue;
        }
        let Ok(packet) = Packet::parse(&mut &datagram[..], false) else { continue };
        let Some((control, shake)) = gate::is_handshake(datagram).then(|| handshake::handshake(packet)).flatten()
        else {
            continue;
        };
        match shake.shake_type {
            ShakeType::Induction => {
                let answer = handshake::induction(&settings, &shake, from, now, 1);
                let answered = answer.map(|answer| write(&answer).len());
                assert!(
                    answered.is_none_or(|bytes| bytes <= datagram.len()),
                    "nobody is sent more than was asked with"
                );
            }
            ShakeType::Conclusion => {
                for passphrase in [None, Passphrase::try_from("0123456789".to_owned()).ok()] {
                    let guest = handshake::conclusion(&settings, &control, shake.clone(), from, now);
                    guest.into_iter().for_each(|guest| decide(guest, passphrase.clone(), now));
                }
            }
            ShakeType::Waveahand | ShakeType::Agreement | ShakeType::Rejection(_) => {}
        }
    }
}

fn decide(mut guest: Guest, passphrase: Option<Passphrase>, now: Instant) {
    let decision = match guest.keys(passphrase) {
        Ok(keys) => AccessControlResponse::Accepted(keys),
        Err(reason) => AccessControlResponse::Rejected(reason),
    };
    let _ = guest.listen.handle_access_control_response(now, decision);
}

fn write(packet: &Packet) -> Vec<u8> {
    let mut datagram = Vec::new();
    packet.serialize(&mut datagram);
    datagram
}

/// What a publisher asks for.
pub(crate) fn stream_id(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(key) = velella_srt::stream_id::key(text) {
        assert!(!key.is_empty() && text.contains(key), "{key:?} of {text:?}");
    }
}
