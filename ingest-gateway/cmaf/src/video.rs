//! Pictures of one track into samples.
//!
//! How long a picture stands is known when the next one comes; so one is held. When none comes, the policy says for how
//! long it stands, and `handle_time` says that the time has come.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use velella_media::{ACCESS_UNIT_BYTES_MAX, MediaTime, Picture, SequenceParameters, nals_of_annexb};

use crate::anchor::Anchor;
use crate::configuration::Configuration;
use crate::decode_order::DecodeOrder;
use crate::payload::payload;
use crate::sample::{Output, Policy, Sample, Stats};

/// What every video configuration has.
const TIMESCALE: u32 = 90_000;
/// How long the only picture of a stream stands: a frame at 30 Hz.
const USUAL_TICKS: u32 = 3_000;
/// Times that differ by more are nonsense rather than a gap: a day.
const SANE_TICKS: u64 = 86_400 * 90_000;

/// Puts pictures on a decode time line. After each input, [`Self::poll_output`] until `None`.
#[derive(Debug)]
pub struct VideoSampler {
    policy: Policy,
    anchor: Anchor,
    order: DecodeOrder,
    configuration: Option<Configuration>,
    /// Nothing decodes until one comes.
    awaits_keyframe: bool,
    held: Option<Held>,
    /// Where the samples that were given end; `None` before the first.
    end: Option<u64>,
    usual_ticks: u32,
    outputs: VecDeque<Output>,
    stats: Stats,
}

#[derive(Debug)]
struct Held {
    decode_time: u64,
    composition_offset: i32,
    sync: bool,
    data: Bytes,
}

impl VideoSampler {
    /// Of a stream whose decode time 0 is this moment; all tracks of the stream share it.
    #[must_use]
    pub fn new(zero: MediaTime, policy: Policy) -> Self {
        Self {
            policy,
            anchor: Anchor::new(zero),
            order: DecodeOrder::default(),
            configuration: None,
            awaits_keyframe: true,
            held: None,
            end: None,
            usual_ticks: USUAL_TICKS,
            outputs: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// Takes the next picture, in the order in which they are decoded.
    pub fn handle_picture(&mut self, picture: &Picture) {
        let Some(data) = self.readable(picture) else { return };
        let configuration = if picture.keyframe {
            match Configuration::of_picture(picture) {
                Ok(configuration) => (self.configuration.as_ref() != Some(&configuration)).then_some(configuration),
                Err(_) => {
                    self.stats.unusable += 1;
                    self.awaits_keyframe = true;
                    return;
                }
            }
        } else {
            None
        };
        let shown = self.anchor.ticks(picture.time, TIMESCALE);
        if shown < 0 && self.end.is_none() && self.held.is_none() {
            self.stats.late += 1;
            return;
        }
        self.awaits_keyframe = false;
        if configuration.is_some() {
            self.order.expect(reorder_depth(picture));
        }
        let (decode_time, composition_offset) = self.place(shown, picture.time);
        if let Some(configuration) = configuration {
            self.configuration = Some(configuration.clone());
            self.outputs.push_back(Output::Configured(configuration));
        }
        self.held = Some(Held { decode_time, composition_offset, sync: picture.keyframe, data });
    }

    /// Something was lost before the next picture: only a key frame goes on.
    pub fn handle_loss(&mut self) {
        self.awaits_keyframe = true;
    }

    /// No picture for a moment before `now` is expected any more.
    pub fn handle_time(&mut self, now: MediaTime) {
        let now = u64::try_from(self.anchor.ticks(now, TIMESCALE)).unwrap_or(0);
        if let Some(held) = &self.held {
            let stands_until = held.decode_time.saturating_add(ticks(self.policy.stretch_max));
            if now < stands_until {
                return;
            }
            self.release(stands_until);
        }
        let Some(end) = self.end.filter(|end| *end < now) else { return };
        self.tell_gap(end, now);
        self.order.restart(signed(now));
    }

    /// Gives what is held: the track ends here.
    pub fn finish(&mut self) {
        if let Some(held) = &self.held {
            self.release(held.decode_time.saturating_add(u64::from(self.usual_ticks)));
        }
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

    fn readable(&mut self, picture: &Picture) -> Option<Bytes> {
        if picture.data.len() > ACCESS_UNIT_BYTES_MAX {
            self.stats.unusable += 1;
            self.awaits_keyframe = true;
            return None;
        }
        let data = if self.awaits_keyframe && !picture.keyframe { None } else { payload(picture) };
        self.stats.undecodable += u64::from(data.is_none());
        data
    }

    /// Finds the place of a picture, and ends the one that is held there.
    fn place(&mut self, shown: i64, time: MediaTime) -> (u64, i32) {
        let reach = self.held.as_ref().map(|held| held.decode_time).or(self.end);
        if reach.is_some_and(|reach| self.is_jump(shown, reach)) {
            return (self.jump(time), 0);
        }
        let (decoded, offset) = self.order.place(shown);
        let decoded = u64::try_from(decoded).unwrap_or(0);
        if let Some(held) = &self.held {
            let until = held.decode_time.saturating_add(ticks(self.policy.stretch_max)).min(decoded);
            self.release(until);
        }
        if let Some(end) = self.end.filter(|end| *end < decoded) {
            self.tell_gap(end, decoded);
        }
        (decoded, i32::try_from(offset).unwrap_or(0))
    }

    /// Whether a moment is too far from what came to be a gap, or a picture that is shown earlier.
    fn is_jump(&self, shown: i64, reach: u64) -> bool {
        signed(reach).abs_diff(shown) > ticks(self.policy.gap_max)
    }

    /// Goes on somewhere else: forward at the picture's own time, so that tracks stay together; when that is before
    /// what was given, or absurd, right behind it.
    fn jump(&mut self, time: MediaTime) -> u64 {
        self.finish();
        let end = self.end.unwrap_or(0);
        let own = u64::try_from(self.anchor.ticks(time, TIMESCALE)).ok();
        let decode_time = own.filter(|own| (end..end.saturating_add(SANE_TICKS)).contains(own)).unwrap_or(end);
        self.anchor.move_to(time, decode_time, TIMESCALE);
        self.order.restart(signed(decode_time));
        self.order.place(signed(decode_time));
        self.stats.discontinuities += 1;
        self.outputs.push_back(Output::Discontinuity { decode_time, time });
        decode_time
    }

    /// Gives what is held; it stands until then.
    fn release(&mut self, until: u64) {
        let Some(held) = self.held.take() else { return };
        let duration = u32::try_from(until.saturating_sub(held.decode_time)).unwrap_or(u32::MAX);
        self.usual_ticks = duration;
        self.end = Some(until);
        self.stats.samples += 1;
        self.outputs.push_back(Output::Sample(Sample {
            decode_time: held.decode_time,
            composition_offset: held.composition_offset,
            duration,
            sync: held.sync,
            data: held.data,
        }));
    }

    fn tell_gap(&mut self, from: u64, to: u64) {
        self.end = Some(to);
        self.stats.gaps += 1;
        self.outputs.push_back(Output::Gap { from, ticks: to - from });
    }
}

/// How many pictures may come before one that is shown earlier, by the sequence parameters.
fn reorder_depth(picture: &Picture) -> u32 {
    let sequence = nals_of_annexb(&picture.data).filter_map(|nal| SequenceParameters::parse(picture.codec, nal));
    sequence.filter_map(|sequence| sequence.reorder_pictures_max).max().unwrap_or(0)
}

fn ticks(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos() * u128::from(TIMESCALE) / 1_000_000_000).unwrap_or(u64::MAX)
}

fn signed(ticks: u64) -> i64 {
    i64::try_from(ticks).unwrap_or(i64::MAX)
}
