//! Samples into Opus packets.

use opus::{Application, Bitrate, Channels, Encoder as Opus};

/// Samples of a packet and channel: 20 ms.
pub(crate) const PACKET_SAMPLES: usize = 960;
/// What Opus counts time in, whatever it carries.
pub(crate) const TICKS_PER_S: u32 = 48_000;
/// For one channel; two get twice as much. Music is transparent to most at this rate.
const BITRATE_BPS: i32 = 64_000;
/// Largest packet that is made or passed on: what fits a datagram with its headers.
pub(crate) const PACKET_BYTES_MAX: usize = 1_100;

/// An encoder of one stream.
pub(crate) struct Encoder {
    opus: Opus,
}

impl Encoder {
    /// `None` for other than one or two channels.
    pub(crate) fn new(channels: u8) -> Option<Self> {
        let count = match channels {
            1 => Channels::Mono,
            2 => Channels::Stereo,
            _ => return None,
        };
        let mut opus = Opus::new(TICKS_PER_S, count, Application::Audio).ok()?;
        opus.set_bitrate(Bitrate::Bits(BITRATE_BPS * i32::from(channels))).ok()?;
        Some(Self { opus })
    }

    /// [`PACKET_SAMPLES`] of each channel in turn. `None` if the encoder fails, which it does for no sound.
    pub(crate) fn encode(&mut self, samples: &[f32]) -> Option<Vec<u8>> {
        self.opus.encode_vec_float(samples, PACKET_BYTES_MAX).ok()
    }
}

/// How loud this is (RFC 6464): a square wave of full scale is 0, digital silence -127.
pub(crate) fn level_dbov(samples: &[f32]) -> i8 {
    let power: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let count = u32::try_from(samples.len().max(1)).unwrap_or(u32::MAX);
    let level = (10.0 * (power / f64::from(count)).log10()).round().clamp(-127.0, 0.0);
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of the type")]
    let level = level as i8;
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loudness_is_told() {
        assert_eq!(level_dbov(&[0.0; 960]), -127);
        assert_eq!(level_dbov(&[-1.0; 960]), 0);
        assert_eq!(level_dbov(&[0.1; 960]), -20);
        assert_eq!(level_dbov(&[]), -127);
    }

    #[test]
    fn sound_beyond_full_scale_and_no_sound_at_all_are_encoded() {
        let mut encoder = Encoder::new(2).unwrap();
        for sample in [0.0, 1.0, -7.5, f32::NAN, f32::INFINITY] {
            let packet = encoder.encode(&[sample; 2 * PACKET_SAMPLES]).unwrap();
            assert!((1..=PACKET_BYTES_MAX).contains(&packet.len()));
        }
        assert!(Encoder::new(3).is_none());
    }
}
