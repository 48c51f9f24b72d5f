//! Sound of one track into samples.
//!
//! A packet says itself how long it lasts, so samples follow each other exactly, whatever the clock of their source
//! does. When the clock has moved away by a whole packet, one is left out, or silence comes in.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use velella_media::{AacConfig, AudioFormat, MediaTime, Sound, opus_duration};

use crate::anchor::Anchor;
use crate::configuration::Configuration;
use crate::sample::{Output, Policy, Sample, Stats};
use crate::silence::silence;

/// Largest packet that is taken; AAC has 768 bytes a channel, Opus 1 275 a frame of up to 48.
const PACKET_BYTES_MAX: usize = 64 * 1024;
/// Sound follows the clock when it is this much off: far below what lips show, and never less than a packet.
const DRIFT_MAX: Duration = Duration::from_millis(20);
/// Times that differ by more are nonsense rather than a gap.
const SANE: Duration = Duration::from_secs(86_400);

/// Puts sound on a decode time line. After each input, [`Self::poll_output`] until `None`.
#[derive(Debug)]
pub struct AudioSampler {
    policy: Policy,
    anchor: Anchor,
    track: Option<Track>,
    outputs: VecDeque<Output>,
    stats: Stats,
}

/// What is known once sound has come. In ticks of its timescale.
#[derive(Clone, Debug)]
struct Track {
    format: AudioFormat,
    timescale: u32,
    /// Where the samples that were given end.
    end: u64,
    /// How much of the end is silence that came in.
    silent: u64,
}

impl AudioSampler {
    /// Of a stream whose decode time 0 is this moment; all tracks of the stream share it.
    #[must_use]
    pub fn new(zero: MediaTime, policy: Policy) -> Self {
        Self { policy, anchor: Anchor::new(zero), track: None, outputs: VecDeque::new(), stats: Stats::default() }
    }

    /// Takes the next piece of sound.
    pub fn handle_sound(&mut self, sound: &Sound) {
        let Some(duration) = duration(sound).filter(|_| sound.data.len() <= PACKET_BYTES_MAX) else {
            self.stats.unusable += 1;
            return;
        };
        let Some(mut track) = self.track_of(sound) else { return };
        if self.reach(&mut track, sound.time, duration) {
            self.give(&mut track, duration, sound.data.clone());
            track.silent = 0;
        } else {
            self.stats.late += 1;
        }
        self.track = Some(track);
    }

    /// No sound for a moment before `now` is expected any more.
    pub fn handle_time(&mut self, now: MediaTime) {
        let Some(mut track) = self.track.take() else { return };
        let now = u64::try_from(self.anchor.ticks(now, track.timescale)).unwrap_or(0);
        self.fill(&mut track, now);
        if self.is_silence_over(&track) && track.end < now {
            self.tell_gap(&mut track, now);
        }
        self.track = Some(track);
    }

    /// The next output, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Counters since the beginning.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The track as this piece of sound continues it, configured anew when it is of another kind.
    fn track_of(&mut self, sound: &Sound) -> Option<Track> {
        if let Some(track) = self.track.take_if(|track| track.format == sound.format) {
            return Some(track);
        }
        let Ok(configuration) = Configuration::of_sound(sound.format) else {
            self.stats.unusable += 1;
            return None;
        };
        let timescale = configuration.timescale;
        let own = u64::try_from(self.anchor.ticks(sound.time, timescale)).ok();
        let before = self.track.as_ref().map(|track| rescaled(track.end, track.timescale, timescale));
        let Some(end) = before.or(own) else {
            self.stats.late += 1;
            return None;
        };
        self.outputs.push_back(Output::Configured(configuration));
        Some(Track { format: sound.format, timescale, end, silent: 0 })
    }

    /// Fills up the time before a piece of sound; `false` when that time was given already.
    fn reach(&mut self, track: &mut Track, time: MediaTime, duration: u32) -> bool {
        let at = self.anchor.ticks(time, track.timescale);
        let off = at.saturating_sub(signed(track.end));
        if off.unsigned_abs() > ticks(self.policy.gap_max, track.timescale) {
            self.jump(track, time);
            return true;
        }
        let tolerance = signed(ticks(DRIFT_MAX, track.timescale).max(u64::from(duration)));
        if off >= tolerance {
            let to = u64::try_from(at).unwrap_or(track.end);
            self.fill(track, to);
            if signed(to - track.end) >= tolerance {
                self.tell_gap(track, to);
            }
        }
        off > -tolerance
    }

    /// Silence up to there, as far as it is allowed; whole pieces only.
    fn fill(&mut self, track: &mut Track, to: u64) {
        let Some((piece, duration)) = silence(track.format) else { return };
        let allowed = self.silence_left(track);
        let pieces = to.saturating_sub(track.end).min(allowed) / u64::from(duration);
        for _ in 0..pieces {
            self.give(track, duration, piece.clone());
            track.silent += u64::from(duration);
        }
        self.stats.silences += pieces;
    }

    fn is_silence_over(&self, track: &Track) -> bool {
        silence(track.format).is_none_or(|(_, duration)| self.silence_left(track) < u64::from(duration))
    }

    fn silence_left(&self, track: &Track) -> u64 {
        ticks(self.policy.silence_max, track.timescale).saturating_sub(track.silent)
    }

    /// Goes on somewhere else: forward at the sound's own time, so that tracks stay together; when that is before what
    /// was given, or absurd, right behind it.
    fn jump(&mut self, track: &mut Track, time: MediaTime) {
        let own = u64::try_from(self.anchor.ticks(time, track.timescale)).ok();
        let sane = track.end..track.end.saturating_add(ticks(SANE, track.timescale));
        track.end = own.filter(|own| sane.contains(own)).unwrap_or(track.end);
        self.anchor.move_to(time, track.end, track.timescale);
        self.stats.discontinuities += 1;
        self.outputs.push_back(Output::Discontinuity { decode_time: track.end, time });
    }

    fn give(&mut self, track: &mut Track, duration: u32, data: Bytes) {
        self.stats.samples += 1;
        let decode_time = track.end;
        track.end = track.end.saturating_add(u64::from(duration));
        self.outputs.push_back(Output::Sample(Sample {
            decode_time,
            composition_offset: 0,
            duration,
            sync: true,
            data,
        }));
    }

    fn tell_gap(&mut self, track: &mut Track, to: u64) {
        self.stats.gaps += 1;
        self.outputs.push_back(Output::Gap { from: track.end, ticks: to - track.end });
        track.end = to;
    }
}

/// How long a piece lasts, in ticks of its timescale.
fn duration(sound: &Sound) -> Option<u32> {
    match sound.format {
        AudioFormat::Opus { .. } => {
            let lasts = opus_duration(&sound.data).filter(|lasts| !lasts.is_zero())?;
            u32::try_from(ticks(lasts, 48_000)).ok()
        }
        AudioFormat::Aac(_) => (!sound.data.is_empty()).then_some(AacConfig::FRAME_SAMPLES),
        AudioFormat::Pcmu { .. } | AudioFormat::Pcma { .. } => None,
    }
}

fn rescaled(ticks: u64, from: u32, to: u32) -> u64 {
    u64::try_from((u128::from(ticks) * u128::from(to)).div_ceil(u128::from(from.max(1)))).unwrap_or(u64::MAX)
}

fn ticks(duration: Duration, timescale: u32) -> u64 {
    u64::try_from(duration.as_nanos() * u128::from(timescale) / 1_000_000_000).unwrap_or(u64::MAX)
}

fn signed(ticks: u64) -> i64 {
    i64::try_from(ticks).unwrap_or(i64::MAX)
}
