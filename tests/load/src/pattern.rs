//! What a synthetic packet carries: a payload that a forwarder takes for VP8, H.264 or Opus, with
//! a stamp (who, which, when) in its last bytes.
//!
//! The stamp sits at the tail so that reading it needs no codec, and so that a forwarder may
//! rewrite the VP8 picture id in front of it. Nothing here is decodable video.

use std::sync::Arc;

use str0m::format::Codec;

/// Marks the stamp, so that padding and strangers' packets are told apart from ours.
const MAGIC: [u8; 4] = *b"VLLA";
/// Bytes a stamp takes at the end of a payload.
pub(crate) const STAMP_BYTES: usize = 28;
/// Longest codec header in front of the stamp: VP8 descriptor (6) and key frame header (10).
const HEADER_BYTES_MAX: usize = 16;
/// A payload shorter than this has no room for header and stamp.
pub(crate) const PAYLOAD_BYTES_MIN: usize = HEADER_BYTES_MAX + STAMP_BYTES;

/// Identity and birth of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// This run of the program; packets of another run are not counted.
    pub(crate) run: u32,
    /// The published track, unique within the run.
    pub(crate) source: u32,
    /// Counts the packets of the source from 0, without gaps.
    pub(crate) seq: u64,
    /// When the publisher wrote it, on the clock of the run.
    pub(crate) sent_ns: u64,
}

impl Stamp {
    fn to_bytes(self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        let fields = MAGIC
            .into_iter()
            .chain(self.run.to_be_bytes())
            .chain(self.source.to_be_bytes())
            .chain(self.seq.to_be_bytes())
            .chain(self.sent_ns.to_be_bytes());
        for (slot, byte) in bytes.iter_mut().zip(fields) {
            *slot = byte;
        }
        bytes
    }

    /// The stamp at the end of a payload; `None` for padding and for packets that are not ours.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let tail: &[u8; STAMP_BYTES] = payload.last_chunk()?;
        let (magic, rest) = tail.split_first_chunk::<4>()?;
        let (run, rest) = rest.split_first_chunk::<4>()?;
        let (source, rest) = rest.split_first_chunk::<4>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let sent_ns = rest.first_chunk::<8>()?;
        (*magic == MAGIC).then_some(Self {
            run: u32::from_be_bytes(*run),
            source: u32::from_be_bytes(*source),
            seq: u64::from_be_bytes(*seq),
            sent_ns: u64::from_be_bytes(*sent_ns),
        })
    }
}

/// The codec a payload pretends to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Vp8,
    H264,
    Opus,
}

impl Shape {
    pub(crate) fn codec(self) -> Codec {
        match self {
            Self::Vp8 => Codec::Vp8,
            Self::H264 => Codec::H264,
            Self::Opus => Codec::Opus,
        }
    }
}

/// Where in its frame and stream a packet stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) picture: u16,
    pub(crate) keyframe: bool,
    pub(crate) first_of_frame: bool,
}

/// A payload of `len` bytes (at least [`PAYLOAD_BYTES_MIN`]) at this place, stamped.
pub(crate) fn payload(shape: Shape, place: Place, len: usize, stamp: Stamp) -> Arc<[u8]> {
    let mut bytes = Vec::with_capacity(len.max(PAYLOAD_BYTES_MIN));
    match shape {
        Shape::Vp8 => write_vp8_header(&mut bytes, place),
        Shape::H264 => bytes.push(h264_nal_header(place)),
        // TOC: CELT-only, fullband, 20 ms, mono, one frame (RFC 6716 section 3.1).
        Shape::Opus => bytes.push(0xf8),
    }
    // Filler that is neither zero (compressible, start codes) nor random (costs time).
    bytes.resize(len.max(PAYLOAD_BYTES_MIN) - STAMP_BYTES, 0x5a);
    bytes.extend_from_slice(&stamp.to_bytes());
    bytes.into()
}

/// The descriptor as Chrome writes it (15-bit picture id, TL0PICIDX, TID with Y, KEYIDX) and, in
/// the first packet of a frame, the frame header (RFC 7741 section 4, RFC 6386 section 9.1).
fn write_vp8_header(bytes: &mut Vec<u8>, place: Place) {
    let start_of_partition = if place.first_of_frame { 0x10 } else { 0x00 };
    let [picture_high, picture_low] = (place.picture & 0x7fff).to_be_bytes();
    bytes.extend_from_slice(&[0x80 | start_of_partition, 0xf0, 0x80 | picture_high, picture_low, picture_low, 0x20]);
    if !place.first_of_frame {
        return;
    }
    let inverse_keyframe = u8::from(!place.keyframe);
    bytes.extend_from_slice(&[0x10 | inverse_keyframe, 0x02, 0x00]);
    if place.keyframe {
        // Start code, then 640x360.
        bytes.extend_from_slice(&[0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
    }
}

/// A key frame begins with an SPS, which is what forwarders wait for; its other packets are IDR
/// slices, and everything else is a plain slice.
fn h264_nal_header(place: Place) -> u8 {
    match (place.keyframe, place.first_of_frame) {
        (true, true) => 0x67,
        (true, false) => 0x65,
        (false, _) => 0x61,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use str0m::format::{detect_h264_nalu, detect_vp8_keyframe};
    use str0m::rtp::Vp8Descriptor;

    const STAMP: Stamp = Stamp { run: 7, source: 3, seq: 1 << 40, sent_ns: 123_456_789_012 };

    #[test]
    fn every_shape_gives_its_stamp_back() {
        for shape in [Shape::Vp8, Shape::H264, Shape::Opus] {
            for place in [place(true, true), place(true, false), place(false, true)] {
                let payload = payload(shape, place, 1100, STAMP);
                assert_eq!(payload.len(), 1100);
                assert_eq!(Stamp::parse(&payload), Some(STAMP));
            }
        }
    }

    #[test]
    fn padding_and_strangers_have_no_stamp() {
        assert_eq!(Stamp::parse(&[]), None);
        assert_eq!(Stamp::parse(&[0x5a; STAMP_BYTES - 1]), None);
        assert_eq!(Stamp::parse(&[0x5a; 1100]), None);
    }

    #[test]
    fn only_the_first_packet_of_a_key_frame_looks_like_one() {
        let looks = |keyframe, first| detect_vp8_keyframe(&payload(Shape::Vp8, place(keyframe, first), 500, STAMP));
        assert!(looks(true, true));
        assert!(!looks(true, false));
        assert!(!looks(false, true));
        assert!(!looks(false, false));
    }

    #[test]
    fn an_h264_key_frame_begins_with_an_sps() {
        let sps = |keyframe, first| detect_h264_nalu(&payload(Shape::H264, place(keyframe, first), 500, STAMP), 7);
        assert!(sps(true, true));
        assert!(!sps(true, false));
        assert!(!sps(false, true));
    }

    #[test]
    fn the_vp8_descriptor_can_be_parsed_and_patched() {
        let payload = payload(Shape::Vp8, place(true, true), 500, STAMP);
        let descriptor = Vp8Descriptor::parse(&payload).unwrap();
        assert_eq!(descriptor.picture_id(), Some(0x1234));
    }

    #[test]
    fn a_payload_is_never_too_short_for_its_stamp() {
        let payload = payload(Shape::Vp8, place(true, true), 1, STAMP);
        assert_eq!(payload.len(), PAYLOAD_BYTES_MIN);
        assert_eq!(Stamp::parse(&payload), Some(STAMP));
    }

    fn place(keyframe: bool, first_of_frame: bool) -> Place {
        Place { picture: 0x1234, keyframe, first_of_frame }
    }
}
