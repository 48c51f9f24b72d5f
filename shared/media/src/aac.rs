//! What an AudioSpecificConfig says (ISO/IEC 14496-3, 1.6.2.1).

use crate::bits::Bits;

/// Sampling rates by their index (ISO/IEC 14496-3, table 1.18).
const RATES_HZ: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// Object type that says that it follows in 6 bits.
const OBJECT_TYPE_FOLLOWS: u32 = 31;

/// Index that says that the rate follows in 24 bits.
const RATE_FOLLOWS: u32 = 15;

/// How AAC is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AacConfig {
    /// 2 is AAC-LC, the one that cameras and encoders send.
    pub object_type: u8,
    /// Of the core coder; HE-AAC plays at twice as much.
    pub sample_rate_hz: u32,
    /// 1 or 2.
    pub channels: u8,
}

impl AacConfig {
    /// Samples of one access unit and channel.
    pub const FRAME_SAMPLES: u32 = 1_024;

    /// Reads an AudioSpecificConfig; what follows the first fields is ignored.
    ///
    /// # Errors
    /// When it is cut short, or says what nobody can play here.
    pub fn parse(config: &[u8]) -> Result<Self, AacConfigError> {
        let mut bits = Bits::new(config);
        let parsed = (|| {
            let object_type = match bits.number(5)? {
                OBJECT_TYPE_FOLLOWS => 32 + bits.number(6)?,
                short => short,
            };
            let rate = match bits.number(4)? {
                RATE_FOLLOWS => bits.number(24)?,
                index => usize::try_from(index).ok().and_then(|index| RATES_HZ.get(index).copied()).unwrap_or(0),
            };
            Some((u8::try_from(object_type).ok()?, rate, u8::try_from(bits.number(4)?).ok()?))
        })();
        let (object_type, sample_rate_hz, channels) = parsed.ok_or(AacConfigError::CutShort)?;
        if !(7_350..=96_000).contains(&sample_rate_hz) {
            return Err(AacConfigError::Rate(sample_rate_hz));
        }
        if !(1..=2).contains(&channels) {
            return Err(AacConfigError::Channels(channels));
        }
        Ok(Self { object_type, sample_rate_hz, channels })
    }

    /// The shortest AudioSpecificConfig that says this.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let (mut bits, mut count) = (0_u64, 0);
        let mut put = |number: u32, length: u32| {
            bits = bits << length | u64::from(number);
            count += length;
        };
        match u32::from(self.object_type).checked_sub(32) {
            Some(beyond) => put(OBJECT_TYPE_FOLLOWS << 6 | beyond, 11),
            None => put(self.object_type.into(), 5),
        }
        match (0..).zip(RATES_HZ).find(|(_, rate)| *rate == self.sample_rate_hz) {
            Some((index, _)) => put(index, 4),
            None => put(RATE_FOLLOWS << 24 | self.sample_rate_hz, 28),
        }
        put(self.channels.into(), 4);
        // Frames of 1024 samples, and nothing else of note.
        put(0, 3);
        let bytes = (bits << (u64::BITS - count)).to_be_bytes();
        bytes.into_iter().zip((0..count).step_by(8)).map(|(byte, _)| byte).collect()
    }
}

/// Why a configuration is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AacConfigError {
    /// Bits are missing.
    #[error("the AAC configuration is cut short")]
    CutShort,
    /// No rate that AAC knows.
    #[error("the AAC configuration names a sampling rate of {0} Hz")]
    Rate(u32),
    /// More than stereo, or a layout described in the stream.
    #[error("AAC with channel configuration {0} is not supported, only mono and stereo are")]
    Channels(u8),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_says_rate_and_channels() {
        let lc = |sample_rate_hz, channels| AacConfig { object_type: 2, sample_rate_hz, channels };
        assert_eq!(AacConfig::parse(&[0x12, 0x10]), Ok(lc(44_100, 2)));
        assert_eq!(AacConfig::parse(&[0x11, 0x90]), Ok(lc(48_000, 2)));
        assert_eq!(AacConfig::parse(&[0x15, 0x88]), Ok(lc(8_000, 1)));
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for (object_type, sample_rate_hz, channels) in
            [(2, 96_000, 2), (2, 44_100, 1), (2, 44_000, 2), (5, 7_350, 1), (39, 64_000, 1), (42, 44_000, 2)]
        {
            let config = AacConfig { object_type, sample_rate_hz, channels };
            assert_eq!(AacConfig::parse(&config.to_bytes()), Ok(config));
        }
        assert_eq!(AacConfig { object_type: 2, sample_rate_hz: 44_100, channels: 2 }.to_bytes(), [0x12, 0x10]);
    }

    #[test]
    fn what_nobody_can_play_is_told() {
        assert_eq!(AacConfig::parse(&[0x12]), Err(AacConfigError::CutShort));
        assert_eq!(AacConfig::parse(&[0x12, 0x30]), Err(AacConfigError::Channels(6)));
        assert_eq!(AacConfig::parse(&[0x16, 0x90]), Err(AacConfigError::Rate(0)));
    }
}
