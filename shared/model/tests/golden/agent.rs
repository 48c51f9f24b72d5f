//! The sound of agents.

use velella_model::wire::agent::{Heard, Said};
use velella_model::{SessionId, TrackId};

#[test]
fn sound_keeps_its_form() {
    let session = SessionId::parse("s1").unwrap();
    let track = TrackId::parse("p1:t1").unwrap();
    let sound = bytes::Bytes::from_static(&[0, 1, 0xfe, 0xff]);
    crate::holds("said", &[("said", Said { session: session.clone(), track: track.clone(), sound: sound.clone() })]);
    crate::holds("heard", &[("heard", Heard { session, track, sound })]);
}
