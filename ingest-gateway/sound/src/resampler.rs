//! Samples of any rate into those of 48 kHz, a little faster or slower where a clock drifts.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType, WindowFunction,
};

use crate::encoder::{PACKET_SAMPLES, TICKS_PER_S};

/// How much faster or slower than the nominal rate it may go: 5 ms in a second, a twelfth of a semitone.
pub(crate) const CORRECTION_MAX: f64 = 0.005;
/// Length of the filter; passes up to 19 kHz of 44.1 kHz.
const FILTER_SAMPLES: usize = 128;
/// Points between two samples at which the filter is known; between those a line.
const FILTER_POINTS: usize = 256;

/// Resamples one stream. Samples of channels come and go in turn.
pub(crate) struct Resampler {
    inner: Async<f32>,
    channels: usize,
    ratio: f64,
    /// What came and was not resampled yet: less than a packet.
    queue: Vec<f32>,
    /// Frames that are still to be cut off, which the filter puts in front.
    skip: usize,
    delay: usize,
    /// How much more the library has taken than it has given: what it needs is rounded up, so this is right to a
    /// sample of the source.
    ahead: Option<f64>,
}

impl Resampler {
    /// `None` when the library takes none of it.
    pub(crate) fn new(sample_rate_hz: u32, channels: u8) -> Option<Self> {
        let ratio = f64::from(TICKS_PER_S) / f64::from(sample_rate_hz);
        let filter = SincInterpolationParameters::new(FILTER_SAMPLES, WindowFunction::BlackmanHarris2)
            .oversampling_factor(FILTER_POINTS)
            .interpolation(SincInterpolationType::Linear);
        let channels = usize::from(channels);
        let most = 1.0 + 2.0 * CORRECTION_MAX;
        let inner = Async::new_sinc(ratio, most, &filter, PACKET_SAMPLES, channels, FixedAsync::Output).ok()?;
        let delay = inner.output_delay();
        Some(Self { inner, channels, ratio, queue: Vec::new(), skip: delay, delay, ahead: None })
    }

    /// Adds sound.
    pub(crate) fn push(&mut self, samples: &[f32]) {
        self.queue.extend_from_slice(samples);
    }

    /// Adds so many frames of silence.
    pub(crate) fn push_silence(&mut self, frames: usize) {
        self.queue.resize(self.queue.len() + frames * self.channels, 0.0);
    }

    /// Goes faster or slower from now on: 0.001 makes a thousandth more samples.
    pub(crate) fn correct(&mut self, by: f64) {
        // Within the bounds that were given above.
        let _ = self.inner.set_resample_ratio_relative(1.0 + by.clamp(-CORRECTION_MAX, CORRECTION_MAX), true);
    }

    /// Resamples what makes a whole piece; `false` when more is needed.
    pub(crate) fn pull(&mut self, into: &mut Vec<f32>) -> bool {
        let needed = self.inner.input_frames_next();
        if self.queue.len() < needed * self.channels {
            return false;
        }
        let at = into.len();
        into.resize(at + PACKET_SAMPLES * self.channels, 0.0);
        let made = into.get_mut(at..).unwrap_or_default();
        let (Ok(from), Ok(mut to)) = (
            InterleavedSlice::new(&self.queue, self.channels, needed),
            InterleavedSlice::new_mut(made, self.channels, PACKET_SAMPLES),
        ) else {
            return false;
        };
        // It fails for buffers of wrong sizes only; what it then leaves is silence of the right length.
        let _ = self.inner.process_into_buffer(&from, &mut to, None);
        self.queue.drain(..needed * self.channels);
        let ratio = self.ratio;
        self.ahead.get_or_insert_with(|| frames(needed) * ratio - frames(PACKET_SAMPLES));
        let skipped = self.skip.min(PACKET_SAMPLES);
        self.skip -= skipped;
        into.drain(at..at + skipped * self.channels);
        true
    }

    /// Forgets everything that came.
    pub(crate) fn reset(&mut self) {
        self.inner.reset();
        self.queue.clear();
        (self.skip, self.ahead) = (self.delay, None);
    }

    /// How many frames of 48 kHz one of the source makes.
    pub(crate) fn ratio(&self) -> f64 {
        self.ratio
    }

    /// How long what came and did not go yet will be, in frames of 48 kHz; exact to a sample of the source.
    pub(crate) fn pending(&self) -> f64 {
        let held = frames(self.delay - self.skip) + self.ahead.unwrap_or(0.0);
        frames(self.queue.len() / self.channels) * self.ratio + held
    }
}

fn frames(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_out_and_what_is_pending_are_what_went_in() {
        for rate_hz in [8_000, 16_000, 22_050, 44_100, 48_000, 96_000] {
            for channels in [1, 2] {
                let mut resampler = Resampler::new(rate_hz, channels).unwrap();
                let mut out = Vec::new();
                for piece in 1..2_000 {
                    resampler.push(&vec![0.5; 37 * usize::from(channels)]);
                    while resampler.pull(&mut out) {}
                    let frames = (out.len() / usize::from(channels)) as f64 + resampler.pending();
                    let expected = 37.0 * f64::from(piece) * 48_000.0 / f64::from(rate_hz);
                    let off = (frames - expected).abs() * f64::from(rate_hz) / 48_000.0;
                    assert!(off < 1.001, "{off} samples off at {rate_hz} Hz after {piece}");
                    assert!(resampler.queue.len() < 4 * PACKET_SAMPLES * usize::from(channels));
                }
            }
        }
    }

    #[test]
    fn a_step_comes_out_where_it_went_in() {
        let mut resampler = Resampler::new(44_100, 1).unwrap();
        resampler.push(&vec![0.0; 4_410]);
        resampler.push(&vec![1.0; 4_410]);
        let mut out = Vec::new();
        while resampler.pull(&mut out) {}
        let at = out.iter().position(|sample| *sample > 0.5).unwrap();
        assert!((4_799..=4_801).contains(&at), "{at}");
    }
}
