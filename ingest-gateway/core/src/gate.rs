//! Which pictures go on into the room: none before a key frame, and none that build on a lost one.
//!
//! A picture that builds on a lost one decodes to smears, or not at all; and str0m numbers packets anew, so that no
//! viewer can see the loss. Without it, viewers see what they see of each other after a loss that could not be
//! mended: the last good picture, until the next key frame. That is right while the next one is near. Where key frames
//! are farther apart than [`GOP_LONG`], a still picture for so long is worse than smears that fade as
//! the camera refreshes what moves, so everything goes on.

use std::time::{Duration, Instant};

use velella_media::Picture;

use crate::gop::Gop;

/// Pictures without a key frame for so long are told of.
const KEY_FRAME_PATIENCE: Duration = Duration::from_secs(10);

/// Decides picture by picture.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gate {
    gop: Gop,
    state: State,
    /// Since when pictures come that nobody could decode.
    waiting_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// No key frame came yet.
    #[default]
    Unbegun,
    Open,
    /// A part of a picture was lost.
    Damaged,
}

/// What to do with a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// It goes on.
    pub(crate) passes: bool,
    /// Key frames just turned out to be far apart.
    pub(crate) gop_turned_long: bool,
}

impl Gate {
    /// The source is opened anew.
    pub(crate) fn reopen(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn picture(&mut self, picture: &Picture, now: Instant) -> Passage {
        let gop_turned_long = self.gop.picture(picture.time, picture.keyframe);
        match self.state {
            _ if picture.keyframe => self.state = State::Open,
            State::Damaged if self.gop.is_long() => self.state = State::Open,
            State::Unbegun => self.undecodable(now),
            State::Damaged | State::Open => {}
        }
        let passes = matches!(self.state, State::Open);
        if passes {
            self.waiting_since = None;
        }
        Passage { passes, gop_turned_long }
    }

    /// A picture came that nothing can be done with before a key frame.
    pub(crate) fn undecodable(&mut self, now: Instant) {
        self.waiting_since.get_or_insert(now);
    }

    /// A part of a picture was lost.
    pub(crate) fn lost(&mut self) {
        if matches!(self.state, State::Open) {
            self.state = State::Damaged;
        }
    }

    /// Whether pictures come, and no key frame since long.
    pub(crate) fn lacks_key_frame(&self, now: Instant) -> bool {
        self.waiting_since.is_some_and(|since| now.saturating_duration_since(since) >= KEY_FRAME_PATIENCE)
    }

    /// Distance of key frames, as far as it is known.
    pub(crate) fn interval(&self) -> Option<Duration> {
        self.gop.interval()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use velella_media::{MediaTime, VideoCodec};

    use super::*;

    #[test]
    fn nothing_passes_before_a_key_frame_however_long_that_takes() {
        let (mut gate, t0) = (Gate::default(), Instant::now());
        assert!((0..500).all(|n| !passes(&mut gate, n * 40, false, t0)));
        assert!(passes(&mut gate, 20_000, true, t0));
        assert!(passes(&mut gate, 20_040, false, t0));
    }

    #[test]
    fn after_a_loss_pictures_wait_for_the_next_key_frame() {
        let (mut gate, t0) = (Gate::default(), Instant::now());
        passes(&mut gate, 0, true, t0);
        passes(&mut gate, 2_000, true, t0);
        gate.lost();
        assert!(!passes(&mut gate, 2_040, false, t0));
        assert!(!passes(&mut gate, 3_960, false, t0));
        assert!(passes(&mut gate, 4_000, true, t0));
        assert!(passes(&mut gate, 4_040, false, t0));
    }

    #[test]
    fn where_key_frames_are_far_apart_pictures_go_on_though_some_were_lost() {
        let (mut gate, t0) = (Gate::default(), Instant::now());
        passes(&mut gate, 0, true, t0);
        gate.lost();
        assert!(!passes(&mut gate, 4_000, false, t0), "it may come yet");
        assert!(passes(&mut gate, 4_040, false, t0));
        passes(&mut gate, 20_000, true, t0);
        gate.lost();
        assert!(passes(&mut gate, 20_040, false, t0), "they are known to be far apart");
    }

    #[test]
    fn a_camera_without_key_frames_is_told_of_after_a_while() {
        let (mut gate, t0) = (Gate::default(), Instant::now());
        gate.undecodable(t0);
        assert!(!gate.lacks_key_frame(t0 + KEY_FRAME_PATIENCE / 2));
        gate.undecodable(t0 + KEY_FRAME_PATIENCE / 2);
        assert!(gate.lacks_key_frame(t0 + KEY_FRAME_PATIENCE));
        passes(&mut gate, 0, true, t0 + KEY_FRAME_PATIENCE);
        assert!(!gate.lacks_key_frame(t0 + KEY_FRAME_PATIENCE * 2));
    }

    fn passes(gate: &mut Gate, ms: i64, keyframe: bool, now: Instant) -> bool {
        let (time, data) = (MediaTime(ms * 1_000_000), Bytes::new());
        gate.picture(&Picture { codec: VideoCodec::H264, time, keyframe, reordered: false, data }, now).passes
    }
}
