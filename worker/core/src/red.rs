//! Redundant audio (RFC 2198): finding the newest block.

/// First bit of a block header: more headers follow.
const MORE: u8 = 0x80;
/// Blocks in one packet; browsers send two.
const BLOCKS_MAX: usize = 16;

/// The primary block: the last one, which takes what the earlier ones leave.
pub(crate) fn primary(payload: &[u8]) -> Option<&[u8]> {
    let (mut rest, mut redundant) = (payload, 0);
    for _ in 0..BLOCKS_MAX {
        match rest {
            [first, tail @ ..] if first & MORE == 0 => return tail.get(redundant..),
            // Payload type, 14 bits of timestamp offset, 10 bits of length.
            [_, _, high, low, tail @ ..] => {
                redundant += usize::from(high & 0x03) << 8 | usize::from(*low);
                rest = tail;
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_newest_block_follows_the_redundant_ones() {
        let packet = [0x80 | 111, 0x0f, 0x00, 2, 111, b'o', b'l', b'n', b'e', b'w'];
        assert_eq!(primary(&packet), Some(&b"new"[..]));
        assert_eq!(primary(&[111, b'n']), Some(&b"n"[..]));
    }

    #[test]
    fn lengths_beyond_the_packet_are_no_block() {
        assert_eq!(primary(&[0x80 | 111, 0, 3, 255, 111, 1]), None);
        assert_eq!(primary(&[]), None);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(payload in prop::collection::vec(any::<u8>(), 0..80)) {
            primary(&payload);
        }
    }
}
