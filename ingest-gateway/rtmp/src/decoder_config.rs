//! The parameter sets that stand before H.264 and HEVC in a container (ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1).

use velella_media::VideoCodec;

/// Most NAL units that are taken of one record.
const SETS_MAX: usize = 64;

/// An AVCDecoderConfigurationRecord or an HEVCDecoderConfigurationRecord.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderConfig<'a> {
    /// How long the lengths before NAL units are, 1 to 4.
    pub length_bytes: usize,
    /// NAL units: parameter sets, and with HEVC what else came with them.
    pub sets: Vec<&'a [u8]>,
}

impl<'a> DecoderConfig<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// When it is cut short, holds too much, or is of another version.
    pub fn parse(codec: VideoCodec, record: &'a [u8]) -> Result<Self, DecoderConfigError> {
        match record.first() {
            Some(1) => {}
            // Encoders from before the standard of HEVC leave the version at 0.
            Some(0) if codec == VideoCodec::H265 => {}
            Some(version) => return Err(DecoderConfigError::Version(*version)),
            None => return Err(DecoderConfigError::CutShort),
        }
        let parsed = match codec {
            VideoCodec::H264 => Self::parse_avc(record),
            VideoCodec::H265 => Self::parse_hevc(record),
            // They have no records of this kind.
            VideoCodec::Vp8 | VideoCodec::Vp9 | VideoCodec::Av1 => None,
        };
        let config = parsed.ok_or(DecoderConfigError::CutShort)?;
        if config.sets.len() > SETS_MAX { Err(DecoderConfigError::TooMany) } else { Ok(config) }
    }

    fn parse_avc(record: &'a [u8]) -> Option<Self> {
        let mut rest = record.get(4..)?;
        let length_bytes = usize::from(take(&mut rest, 1)? & 3) + 1;
        let mut sets = Vec::new();
        for counted_by in [0x1f, 0xff] {
            for _ in 0..take(&mut rest, 1)? & counted_by {
                sets.push(take_set(&mut rest)?);
            }
        }
        Some(Self { length_bytes, sets })
    }

    fn parse_hevc(record: &'a [u8]) -> Option<Self> {
        let mut rest = record.get(21..)?;
        let length_bytes = usize::from(take(&mut rest, 1)? & 3) + 1;
        let mut sets = Vec::new();
        for _array in 0..take(&mut rest, 1)? {
            take(&mut rest, 1)?;
            for _ in 0..take(&mut rest, 2)? {
                sets.push(take_set(&mut rest)?);
            }
        }
        Some(Self { length_bytes, sets })
    }
}

fn take(rest: &mut &[u8], bytes: usize) -> Option<u16> {
    let (number, behind) = rest.split_at_checked(bytes)?;
    *rest = behind;
    Some(number.iter().fold(0, |number, byte| number << 8 | u16::from(*byte)))
}

fn take_set<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let bytes = take(rest, 2)?;
    let (set, behind) = rest.split_at_checked(usize::from(bytes))?;
    *rest = behind;
    Some(set)
}

/// Why a record is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecoderConfigError {
    /// Bytes are missing.
    #[error("the decoder configuration is cut short")]
    CutShort,
    /// Not the one that the standard knows.
    #[error("the decoder configuration has the unknown version {0}")]
    Version(u8),
    /// More parameter sets than any encoder has.
    #[error("the decoder configuration has more than {SETS_MAX} parameter sets")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn avc_records_name_sets_and_the_length_of_lengths() {
        let record = [&[1, 0x42, 0, 0x1f, 0xff, 0xe1, 0, 2, 0x67, 0x42, 1, 0, 1, 0x68][..], &[0xfd, 0xf8]].concat();
        let config = DecoderConfig { length_bytes: 4, sets: vec![&[0x67, 0x42], &[0x68]] };
        assert_eq!(DecoderConfig::parse(VideoCodec::H264, &record), Ok(config));
        assert_eq!(DecoderConfig::parse(VideoCodec::H264, &record[..9]), Err(DecoderConfigError::CutShort));
        assert_eq!(DecoderConfig::parse(VideoCodec::H264, &[0; 20]), Err(DecoderConfigError::Version(0)));
    }

    #[test]
    fn hevc_records_have_arrays_of_sets() {
        let head = [&[1][..], &[0; 20], &[0xf3]].concat();
        let record = [&head[..], &[2, 0xa0, 0, 1, 0, 2, 0x40, 1, 0xa1, 0, 2, 0, 1, 0x42, 0, 1, 0x43]].concat();
        let config = DecoderConfig { length_bytes: 4, sets: vec![&[0x40, 1], &[0x42], &[0x43]] };
        assert_eq!(DecoderConfig::parse(VideoCodec::H265, &record), Ok(config));
        let many = [&head[..], &[1, 0xa0, 0xff, 0xff], &[0; 2 * 0xffff]].concat();
        assert_eq!(DecoderConfig::parse(VideoCodec::H265, &many), Err(DecoderConfigError::TooMany));
    }

    proptest! {
        #[test]
        fn nothing_that_a_peer_sends_panics(record: Vec<u8>, hevc: bool) {
            let codec = if hevc { VideoCodec::H265 } else { VideoCodec::H264 };
            let _ = DecoderConfig::parse(codec, &record);
        }
    }
}
