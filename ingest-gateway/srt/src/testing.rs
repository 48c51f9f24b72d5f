//! Handshakes for the tests of whoever takes them.

use crate::gate::{HANDSHAKE_BYTES, HEAD_BYTES};

/// A handshake of this kind, with what follows it.
#[must_use]
pub fn shake(kind: u32, cookie: i32, extensions: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEAD_BYTES + HANDSHAKE_BYTES];
    let mut put = |at: usize, field: &[u8]| bytes.iter_mut().skip(at).zip(field).for_each(|(byte, new)| *byte = *new);
    put(0, &[0x80]);
    put(19, &[5]);
    put(22, &[0, 5]);
    put(28, &[0, 0, 5, 0xdc, 0, 0, 32, 0]);
    put(36, &kind.to_be_bytes());
    put(40, &[0, 0, 0, 7]);
    put(44, &cookie.to_be_bytes());
    bytes.extend_from_slice(extensions);
    bytes
}

/// The last step of one, with the stream id `key`.
#[must_use]
pub fn conclusion(cookie: i32) -> Vec<u8> {
    let request = [0, 1, 0, 3, 0, 1, 4, 0, 0, 0, 0, 0xbf, 0, 120, 0, 120];
    shake(u32::MAX, cookie, &[&request[..], &[0, 5, 0, 1], b"\0yek"].concat())
}
