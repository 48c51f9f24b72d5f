//! The plain handshake (RTMP 1.0, section 5.2), server's side.
//!
//! The later one with digests only convinces Flash players that they may decode H.264; publishers do without.

use bytes::{Buf, Bytes, BytesMut};

/// C1, C2, S1 and S2 are all of this length.
const PACKET_BYTES: usize = 1_536;
/// Version that everybody speaks. 6 would be RTMPE, which protects nothing; RTMPS does.
const VERSION: u8 = 3;

/// Which bytes the peer owes.
#[derive(Debug)]
pub(crate) enum Handshake {
    /// C0 and C1.
    Hello,
    /// C2.
    Echo,
}

/// How far it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Bytes are missing.
    Waits,
    /// To be sent; the peer answers.
    Answer(Bytes),
    /// What follows is chunks.
    Done,
}

impl Handshake {
    /// Takes what it can of `received`.
    pub(crate) fn step(&mut self, received: &mut BytesMut) -> Result<Step, HandshakeError> {
        match self {
            Self::Hello => {
                match received.first() {
                    Some(&VERSION) => {}
                    Some(&other) => return Err(HandshakeError(other)),
                    None => return Ok(Step::Waits),
                }
                if received.len() < 1 + PACKET_BYTES {
                    return Ok(Step::Waits);
                }
                received.advance(1);
                let hello = received.split_to(PACKET_BYTES);
                *self = Self::Echo;
                Ok(Step::Answer(answer(&hello)))
            }
            Self::Echo if received.len() < PACKET_BYTES => Ok(Step::Waits),
            // Some peers send something else than the echo that is asked for; nobody minds.
            Self::Echo => {
                received.advance(PACKET_BYTES);
                Ok(Step::Done)
            }
        }
    }
}

/// S0, S1 and S2.
fn answer(hello: &[u8]) -> Bytes {
    let mut answer = BytesMut::with_capacity(1 + 2 * PACKET_BYTES);
    answer.extend_from_slice(&[VERSION]);
    // Time 0 and version 0, which says that there are no digests, then what should be random for each connection
    // but that nobody relies on.
    answer.extend_from_slice(&[0; 8]);
    answer.extend((0..PACKET_BYTES - 8).map(|n| n.to_le_bytes().first().map_or(0, |byte| byte.wrapping_mul(167))));
    answer.extend_from_slice(hello);
    answer.freeze()
}

/// A first byte that is not RTMP's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the first byte is {0}, not the 3 of RTMP")]
pub(crate) struct HandshakeError(pub(crate) u8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_packet_comes_back_and_its_answer_is_taken() {
        let mut handshake = Handshake::Hello;
        let mut received = BytesMut::from(&[3][..]);
        received.extend_from_slice(&[7; PACKET_BYTES - 1]);
        assert_eq!(handshake.step(&mut received), Ok(Step::Waits));
        received.extend_from_slice(&[7; 2]);
        let Ok(Step::Answer(answer)) = handshake.step(&mut received) else { panic!("no answer") };
        assert_eq!(answer.len(), 1 + 2 * PACKET_BYTES);
        assert_eq!((answer[0], &answer[5..9], &answer[1 + PACKET_BYTES..]), (3, &[0; 4][..], &[7; PACKET_BYTES][..]));
        assert_eq!(handshake.step(&mut received), Ok(Step::Waits));
        received.extend_from_slice(&[9; PACKET_BYTES]);
        assert_eq!(handshake.step(&mut received), Ok(Step::Done));
        assert_eq!(&received[..], [9], "what follows belongs to the chunks");
    }

    #[test]
    fn http_and_tls_are_told_from_rtmp_by_their_first_byte() {
        for first in *b"G\x16\x06" {
            let mut received = BytesMut::from(&[first][..]);
            assert_eq!(Handshake::Hello.step(&mut received), Err(HandshakeError(first)));
        }
    }
}
