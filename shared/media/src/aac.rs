//! What an AudioSpecificConfig says (ISO/IEC 14496-3, 1.6.2.1).

use crate::bits::Bits;

/// Sampling rates by their index (ISO/IEC 14496-3, table 1.18).
const RATES_HZ: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

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
                31 => 32 + bits.number(6)?,
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
        let Some(index) = RATES_HZ.iter().position(|rate| *rate == self.sample_rate_hz) else {
            let [_, high, middle, low] = self.sample_rate_hz.to_be_bytes();
            let rate = u64::from(high) << 16 | u64::from(middle) << 8 | u64::from(low);
            let bits = u64::from(self.object_type & 31) << 35 | 15 << 31 | rate << 7 | u64::from(self.channels) << 3;
            return bits.to_be_bytes().into_iter().skip(3).collect();
        };
        let index = u8::try_from(index).unwrap_or(0);
        vec![self.object_type << 3 | index >> 1, index << 7 | self.channels << 3]
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
        for (sample_rate_hz, channels) in [(96_000, 2), (44_100, 1), (44_000, 2), (7_350, 1)] {
            let config = AacConfig { object_type: 2, sample_rate_hz, channels };
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
