//! What one NAL unit is for (ITU-T H.264 7.4.1, H.265 7.4.2.2).

use crate::bits::Bits;
use crate::frame::VideoCodec;

/// One NAL unit, not empty, with its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nal<'a> {
    /// How to read it.
    pub codec: VideoCodec,
    /// Header and payload.
    pub bytes: &'a [u8],
}

/// What it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NalRole {
    /// Video parameter set (H.265 only).
    VideoParameters,
    /// Sequence parameter set.
    SequenceParameters,
    /// Picture parameter set.
    PictureParameters,
    /// Part of a picture.
    Slice(Slice),
    /// Marks the beginning of an access unit.
    Delimiter,
    /// Everything else: supplemental information, filler, ends.
    Other,
}

/// Part of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slice {
    /// Decodes without any picture before it: IDR, or any IRAP of H.265.
    pub keyframe: bool,
    /// The first of its picture.
    pub first: bool,
    /// May need a picture that is shown later (a B slice).
    pub bidirectional: bool,
}

impl Nal<'_> {
    /// What it is for.
    #[must_use]
    pub fn role(self) -> NalRole {
        match self.codec {
            VideoCodec::H264 => self.role_h264(),
            VideoCodec::H265 => self.role_h265(),
            // They have no NAL units.
            VideoCodec::Vp8 | VideoCodec::Vp9 | VideoCodec::Av1 => NalRole::Other,
        }
    }

    fn role_h264(self) -> NalRole {
        match self.bytes.first().map_or(0, |header| header & 0x1f) {
            kind @ (1 | 5) => {
                let mut bits = Bits::new(self.bytes.get(1..).unwrap_or_default());
                let first_macroblock = bits.golomb();
                // Slice types 1 and 6 are B (H.264 table 7-6).
                let bidirectional = matches!(bits.golomb(), Some(1 | 6));
                NalRole::Slice(Slice { keyframe: kind == 5, first: first_macroblock == Some(0), bidirectional })
            }
            7 => NalRole::SequenceParameters,
            8 => NalRole::PictureParameters,
            9 => NalRole::Delimiter,
            _ => NalRole::Other,
        }
    }

    fn role_h265(self) -> NalRole {
        let kind = match self.bytes {
            // A temporal id of zero is forbidden. Of zeros alone nothing would be left behind a start code.
            [first, second, ..] if second & 7 != 0 => first >> 1 & 0x3f,
            _ => return NalRole::Other,
        };
        match kind {
            0..=9 | 16..=21 => {
                let first = self.bytes.get(2).is_some_and(|byte| byte & 0x80 != 0);
                // RADL and RASL pictures (6 to 9) are shown before the key frame they follow. Other B slices
                // cannot be told without the picture parameter set, so whoever cares compares times.
                let bidirectional = (6..=9).contains(&kind);
                NalRole::Slice(Slice { keyframe: kind >= 16, first, bidirectional })
            }
            32 => NalRole::VideoParameters,
            33 => NalRole::SequenceParameters,
            34 => NalRole::PictureParameters,
            35 => NalRole::Delimiter,
            _ => NalRole::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(codec: VideoCodec, bytes: &[u8]) -> NalRole {
        Nal { codec, bytes }.role()
    }

    fn slice(keyframe: bool, first: bool, bidirectional: bool) -> NalRole {
        NalRole::Slice(Slice { keyframe, first, bidirectional })
    }

    #[test]
    fn h264_slices_say_whether_they_are_key_first_and_bidirectional() {
        // Behind the header: first_mb_in_slice and slice_type. 1 00111 is macroblock 0 and type 6 (B).
        assert_eq!(role(VideoCodec::H264, &[0x65, 0b1000_1000, 0]), slice(true, true, false));
        assert_eq!(role(VideoCodec::H264, &[0x41, 0b1001_1100]), slice(false, true, true));
        assert_eq!(role(VideoCodec::H264, &[0x01, 0b1010_0000]), slice(false, true, true));
        assert_eq!(role(VideoCodec::H264, &[0x41, 0b0101_0000]), slice(false, false, false));
    }

    #[test]
    fn parameter_sets_are_known_in_both_codecs() {
        assert_eq!(role(VideoCodec::H264, &[0x67]), NalRole::SequenceParameters);
        assert_eq!(role(VideoCodec::H264, &[0x68]), NalRole::PictureParameters);
        assert_eq!(role(VideoCodec::H265, &[0x40, 1]), NalRole::VideoParameters);
        assert_eq!(role(VideoCodec::H265, &[0x42, 1]), NalRole::SequenceParameters);
        assert_eq!(role(VideoCodec::H265, &[0x44, 1]), NalRole::PictureParameters);
        assert_eq!(role(VideoCodec::H265, &[0x26, 1, 0x80]), slice(true, true, false));
        assert_eq!(role(VideoCodec::H265, &[0x02, 1, 0x00]), slice(false, false, false));
    }

    #[test]
    fn what_has_no_whole_header_is_no_slice() {
        for nal in [&[][..], &[0x26], &[0, 0], &[0x26, 0, 0x80]] {
            assert_eq!(role(VideoCodec::H265, nal), NalRole::Other, "{nal:?}");
        }
    }
}
