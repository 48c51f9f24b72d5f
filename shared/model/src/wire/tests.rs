//! What the encoding promises to the other side of a rolling upgrade.

use serde::{Deserialize, Serialize};

use super::agent::Said;
use super::signal::{PeerEvent, ToWorker};
use super::*;
use crate::{SessionId, TrackId};

fn message() -> ToWorker {
    let session = SessionId::parse("s1").unwrap();
    ToWorker { session, seq: 7, event: PeerEvent::Candidate { candidate: "candidate:1".into() } }
}

#[test]
fn a_message_reads_back() {
    assert_eq!(decode::<ToWorker>(&encode(&message())), Ok(message()));
}

#[test]
fn another_major_version_is_refused_by_name() {
    let bytes = rmp_serde::to_vec_named(&Envelope { v: 2, m: message() }).unwrap();
    assert_eq!(decode::<ToWorker>(&bytes), Err(WireError::Version { theirs: 2, ours: 1 }));
}

#[test]
fn a_field_of_the_future_is_ignored() {
    #[derive(Serialize, Deserialize)]
    struct Future {
        session: SessionId,
        seq: u64,
        event: PeerEvent,
        mood: String,
    }
    let ToWorker { session, seq, event } = message();
    let m = Future { session, seq, event, mood: "calm".into() };
    let bytes = rmp_serde::to_vec_named(&Envelope { v: 1, m }).unwrap();
    assert_eq!(decode::<ToWorker>(&bytes), Ok(message()));
}

#[test]
fn sound_travels_as_bytes_and_not_as_a_list_of_numbers() {
    let (session, track) = (SessionId::parse("s1").unwrap(), TrackId::parse("t").unwrap());
    let said = Said { session, track, sound: vec![0xff; 640].into() };
    let bytes = encode(&said);
    assert!(bytes.len() < 640 + 64, "{}", bytes.len());
    assert_eq!(decode::<Said>(&bytes), Ok(said));
}

#[test]
fn garbage_is_an_error_with_words() {
    assert!(matches!(decode::<ToWorker>(b"\xc1garbage"), Err(WireError::Malformed(_))));
    assert!(matches!(decode::<ToWorker>(&vec![0; MESSAGE_BYTES_MAX + 1]), Err(WireError::TooLong { .. })));
}
