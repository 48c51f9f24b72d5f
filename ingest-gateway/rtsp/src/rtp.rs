//! RTP packets (RFC 3550 5.1).

use bytes::{Buf, Bytes};

/// One packet, without header, extension and padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) payload: Bytes,
}

impl Packet {
    /// `None` for what is no packet of version 2, or is cut short.
    pub(crate) fn parse(mut bytes: Bytes) -> Option<Self> {
        let first = bytes.try_get_u8().ok()?;
        let second = bytes.try_get_u8().ok()?;
        let sequence = bytes.try_get_u16().ok()?;
        let timestamp = bytes.try_get_u32().ok()?;
        let ssrc = bytes.try_get_u32().ok()?;
        if first >> 6 != 2 {
            return None;
        }
        skip(&mut bytes, usize::from(first & 0xf) * 4)?;
        if first & 0x10 != 0 {
            let _profile = bytes.try_get_u16().ok()?;
            let words = usize::from(bytes.try_get_u16().ok()?);
            skip(&mut bytes, words * 4)?;
        }
        if first & 0x20 != 0 {
            let padding = usize::from(*bytes.last()?);
            bytes.truncate(bytes.len().checked_sub(padding)?);
        }
        let (payload_type, marker) = (second & 0x7f, second & 0x80 != 0);
        Some(Self { payload_type, marker, sequence, timestamp, ssrc, payload: bytes })
    }
}

fn skip(bytes: &mut Bytes, count: usize) -> Option<()> {
    (bytes.len() >= count).then(|| bytes.advance(count))
}

#[cfg(test)]
impl Packet {
    /// Of one track, with what depacketisers look at.
    pub(crate) fn for_test(timestamp: u32, marker: bool, payload: &[u8]) -> Self {
        let payload = Bytes::copy_from_slice(payload);
        Self { payload_type: 96, marker, sequence: 0, timestamp, ssrc: 1, payload }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: [u8; 12] = [0x80, 0xe0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 5];

    fn parse(first: u8, behind: &[u8]) -> Option<Packet> {
        let mut bytes = [&HEADER, behind].concat();
        bytes[0] = first;
        Packet::parse(bytes.into())
    }

    #[test]
    fn header_extension_and_padding_are_taken_off() {
        let packet = parse(0x80, b"ab").unwrap();
        assert_eq!((packet.payload_type, packet.marker, packet.sequence), (96, true, 7));
        assert_eq!((packet.timestamp, packet.ssrc, &packet.payload[..]), (9, 5, &b"ab"[..]));
        // One contributing source, an extension of one word, two bytes of padding.
        let packet = parse(0xb1, b"\0\0\0\x01\xbe\xde\0\x01\0\0\0\0ab\0\x02").unwrap();
        assert_eq!(&packet.payload[..], b"ab");
    }

    #[test]
    fn what_is_cut_short_is_no_packet() {
        assert_eq!(parse(0x40, b"ab"), None);
        assert_eq!(parse(0x81, b"ab"), None);
        assert_eq!(parse(0x90, b"\xbe\xde\0\x02\0\0\0\0"), None);
        assert_eq!(parse(0xa0, b"\x03"), None);
        assert_eq!(Packet::parse(Bytes::copy_from_slice(&HEADER[..11])), None);
    }

    proptest! {
        #[test]
        fn anything_can_be_read(bytes: Vec<u8>) {
            let _ = Packet::parse(bytes.into());
        }
    }
}
