//! Which datagrams get as far as the parser: those that encoders send, in the shapes that they have.
//! The parser and the machines behind it panic at, or work long for, some of the others.
//! (draft-sharabayko-srt-01, section 3.)

/// Bytes of the head of every packet.
pub(crate) const HEAD_BYTES: usize = 16;
/// Bytes of a handshake before its extensions.
pub(crate) const HANDSHAKE_BYTES: usize = 48;
/// Where in the handshake it says what kind it is.
const SHAKE_TYPE_AT: usize = 20;

const INDUCTION: u32 = 1;
const CONCLUSION: u32 = u32::MAX;

/// Extensions of a handshake.
const HANDSHAKE_REQUEST: u16 = 1;
const KEY_REQUEST: u16 = 3;
const STREAM_ID: u16 = 5;

/// Words of a handshake request.
const REQUEST_WORDS: usize = 3;
/// Words of the longest stream id: 512 bytes.
const STREAM_ID_WORDS_MAX: usize = 128;
/// Bytes of a message with keys before its salt, and behind its keys.
const KEYS_HEAD_BYTES: usize = 16;
const KEYS_TAIL_BYTES: usize = 8;
/// Words of the salt that all encoders use.
const SALT_WORDS: u8 = 4;

/// The first or the last step of a caller's handshake.
#[must_use]
pub fn is_handshake(datagram: &[u8]) -> bool {
    let Some((head, rest)) = datagram.split_at_checked(HEAD_BYTES) else { return false };
    let Some((shake, extensions)) = rest.split_at_checked(HANDSHAKE_BYTES) else { return false };
    let kind = shake.get(SHAKE_TYPE_AT..).and_then(<[u8]>::first_chunk).copied().map(u32::from_be_bytes);
    let is_control = head.starts_with(&[0x80, 0]);
    is_control
        && match kind {
            Some(INDUCTION) => true,
            Some(CONCLUSION) => are_extensions(extensions),
            _ => false,
        }
}

/// What a publisher that was let in sends: media, and what keeps it flowing. We send it none, so whatever it might
/// say about that is left out.
#[must_use]
pub fn is_of_publisher(datagram: &[u8]) -> bool {
    let Some(([high, low, sub_high, sub_low], _)) = datagram.split_first_chunk() else { return false };
    if datagram.len() < HEAD_BYTES {
        return false;
    }
    let body = datagram.len() - HEAD_BYTES;
    match (u16::from_be_bytes([*high, *low]), u16::from_be_bytes([*sub_high, *sub_low])) {
        (0x0000..=0x7fff, _) => body > 0,
        (0x8000, _) => is_handshake(datagram),
        // Keep-alive, shutdown, and the acknowledgement of an acknowledgement.
        (0x8001 | 0x8005 | 0x8006, _) => true,
        // What it will not send again.
        (0x8007, _) => body >= 8,
        // The next keys.
        (0xffff, KEY_REQUEST) => datagram.get(HEAD_BYTES..).is_some_and(are_keys),
        _ => false,
    }
}

fn are_extensions(mut rest: &[u8]) -> bool {
    while let Some(([kind_high, kind_low, high, low], behind)) = rest.split_first_chunk() {
        let words = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((content, next)) = behind.split_at_checked(words * 4) else { return false };
        let fits = match u16::from_be_bytes([*kind_high, *kind_low]) {
            HANDSHAKE_REQUEST => words == REQUEST_WORDS,
            KEY_REQUEST => are_keys(content),
            STREAM_ID => (1..=STREAM_ID_WORDS_MAX).contains(&words),
            _ => false,
        };
        if !fits {
            return false;
        }
        rest = next;
    }
    rest.is_empty()
}

/// One or two keys of 128 to 256 bits, as long together as they say: the parser goes by that alone.
fn are_keys(message: &[u8]) -> bool {
    let Some([_, _, _, which, .., salt_words, key_words]) = message.first_chunk::<KEYS_HEAD_BYTES>() else {
        return false;
    };
    let keys = if which & 3 == 3 { 2 } else { usize::from(which & 3 != 0) };
    let content = usize::from(*salt_words) * 4 + keys * usize::from(*key_words) * 4;
    keys > 0
        && *salt_words == SALT_WORDS
        && matches!(key_words, 4 | 6 | 8)
        && message.len() == KEYS_HEAD_BYTES + content + KEYS_TAIL_BYTES
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;
    use crate::testing::shake;

    #[test]
    fn handshakes_of_callers_are_let_through() {
        let request = [&[0, 1, 0, 3][..], &[0; 12]].concat();
        let stream_id = [&[0, 5, 0, 1][..], b"yek\0"].concat();
        assert!(is_handshake(&shake(INDUCTION, 0, &[])));
        assert!(is_handshake(&shake(CONCLUSION, 1, &[request.clone(), stream_id].concat())));
        for (why, extension) in [
            ("congestion control", vec![0, 6, 0, 1, b'e', b'v', b'i', b'l']),
            ("a group", vec![0, 8, 0, 1, 0, 0, 0, 0]),
            ("nothing in it", vec![0, 5, 0, 0]),
            ("longer than what came", vec![0, 5, 0, 2, 0, 0, 0, 0]),
            ("an odd end", [&request[..], &[1]].concat()),
        ] {
            assert!(!is_handshake(&shake(CONCLUSION, 1, &extension)), "{why}");
        }
        assert!(!is_handshake(&shake(0, 0, &[])), "a rendezvous");
        assert!(!is_handshake(&[0x80, 0]));
    }

    #[test]
    fn media_gets_through_and_what_is_about_ours_does_not() {
        let packet = |head: [u8; 4], body: usize| [&head[..], &[0; 12], &vec![0; body]].concat();
        assert!(is_of_publisher(&packet([0, 0, 0, 1], 1_316)));
        assert!(is_of_publisher(&packet([0x80, 1, 0, 0], 4)));
        assert!(is_of_publisher(&packet([0x80, 7, 0, 0], 8)));
        for head in [[0x80, 2, 0, 0], [0x80, 3, 0, 0], [0x80, 4, 0, 0], [0x80, 8, 0, 0], [0xff, 0xff, 0, 6]] {
            assert!(!is_of_publisher(&packet(head, 64)), "{head:02x?}");
        }
        assert!(!is_of_publisher(&packet([0x80, 7, 0, 0], 4)) && !is_of_publisher(&[0; 15]));
    }

    #[test]
    fn keys_are_as_long_as_they_say() {
        let message = |which: u8, salt: u8, key: u8, bytes: usize| {
            let head = [0x12, 0x20, 0x29, which, 0, 0, 0, 0, 2, 0, 2, 0, 0, 0, salt, key];
            [0, 3, 0, u8::try_from(4 + bytes / 4).unwrap()].into_iter().chain(head).chain(vec![7; bytes]).collect()
        };
        let lets = |keys: Vec<u8>| is_handshake(&shake(CONCLUSION, 1, &keys));
        assert!(lets(message(1, 4, 4, 40)) && lets(message(3, 4, 8, 88)));
        // What is left of it would be read as another extension, which ends the parser.
        assert!(!lets(message(1, 4, 4, 44)) && !lets(message(3, 4, 4, 40)));
        assert!(!lets(message(0, 4, 4, 24)) && !lets(message(1, 0, 4, 24)) && !lets(message(1, 4, 5, 44)));
    }

    #[test]
    fn one_that_is_kept_out_would_have_ended_the_parser() {
        let congestion = shake(CONCLUSION, 1, &[0, 6, 0, 1, b'e', b'v', b'i', b'l']);
        let parsed = std::panic::catch_unwind(|| srt_protocol::packet::Packet::parse(&mut &congestion[..], false));
        assert!(parsed.is_err(), "it has learnt: let this through");
    }

    fn parses_without_panic(datagram: &[u8]) {
        if is_handshake(datagram) || is_of_publisher(datagram) {
            let began = Instant::now();
            let _ = srt_protocol::packet::Packet::parse(&mut &datagram[..], false);
            assert!(began.elapsed() < Duration::from_secs(1));
        }
    }

    proptest! {
        #[test]
        fn what_is_let_through_can_be_parsed(
            kind in prop::sample::select(vec![INDUCTION, CONCLUSION]),
            version in 3_u8..7,
            extensions in prop::collection::vec((0_u8..10, prop::collection::vec(any::<[u8; 4]>(), 0..30)), 0..4),
        ) {
            let written: Vec<u8> = extensions
                .iter()
                .flat_map(|(kind, words)| [&[0, *kind, 0, u8::try_from(words.len()).unwrap()], words.as_flattened()].concat())
                .collect();
            let mut datagram = shake(kind, 1, &written);
            datagram[19] = version;
            parses_without_panic(&datagram);
        }

        #[test]
        fn so_can_what_a_publisher_sends(head in any::<[u8; 4]>(), kind in 0_u8..10, body: Vec<u8>) {
            parses_without_panic(&[&head[..], &[0; 12], &body].concat());
            parses_without_panic(&[&[0x80, kind, 0, 0], &[0; 12][..], &body].concat());
            parses_without_panic(&[&[0xff, 0xff, 0, kind], &[0; 12][..], &body].concat());
        }
    }
}
