//! Pictures that no browser could show, on their way through a transcoder.
//!
//! Which ones need it is told by the stream itself; the others pass as they are. The transcoder is a process of its own
//! that may be slow, stuck or dead: what it owes is bounded in number, bytes and age, and after it failed another one
//! begins with a key frame. Sound does not wait for any of that, so every picture comes back with its own time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use velella_media::{MediaTime, Picture, SequenceParameters, VideoCodec, nals_of_annexb};
use velella_model::component::Trouble;

use crate::backoff::Backoff;
use crate::ingest::Output;

/// Times on the way through a transcoder count in this clock, which is that of MPEG-TS and of RTP.
pub const TRANSCODER_HZ: u32 = 90_000;

/// Pictures that a transcoder may owe: two seconds of the fastest cameras, while it starts.
pub const OWED_MAX: usize = 256;

/// Bytes of them.
const OWED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Later than that a picture is of no use; a transcoder that is so far behind gets nothing until the next key frame.
const BEHIND_MAX: Duration = Duration::from_secs(2);

/// It may take longer while it starts.
const START_PATIENCE: Duration = Duration::from_secs(5);

/// A transcoder that gives nothing for so long although it was given pictures is stuck.
const STALL_MAX: Duration = Duration::from_secs(10);

/// Wait before another one is started after the first failure.
const RESTART_FIRST: Duration = Duration::from_millis(500);

/// Longest such wait.
const RESTART_LONGEST: Duration = Duration::from_secs(15);

/// A transcoder that has run for so long works: the next failure is the first again.
const PROVEN_AFTER: Duration = Duration::from_secs(10);

/// Where its clock begins, in ticks: some pictures are shown before the key frame that they follow.
const FIRST_TICK: i64 = 10 * TRANSCODER_HZ as i64;

/// A step of the source's time beyond this is cut short for the transcoder, which would take it for lost pictures.
const STEP_MAX: i64 = TRANSCODER_HZ as i64;

/// Whether pictures may be transcoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transcoding {
    /// Nobody asked for it: what needs it is refused.
    Unwanted,
    /// It was asked for, and there is nothing to do it with.
    Missing,
    /// Where it is needed.
    Able,
}

/// What a transcoder is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// What comes in; H.264 without B-frames comes out.
    pub from: VideoCodec,
    /// What comes out may take this much.
    pub bitrate_bps_max: u32,
}

/// A picture on its way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coded {
    /// When it is to be seen, at [`TRANSCODER_HZ`]. No two of one transcoder are the same.
    pub ticks: i64,
    /// Annex-B.
    pub data: Bytes,
}

/// What becomes of a picture.
pub(crate) enum Verdict {
    /// It needs no transcoder.
    Passes(Picture),
    /// It is with the transcoder, or lost.
    Taken,
    /// It can go into no room.
    Refused(Trouble, Retry),
}

/// Whether another attempt may go better.
pub(crate) type Retry = bool;

/// The machine.
pub(crate) struct Transcode {
    transcoding: Transcoding,
    backoff: Backoff,
    state: State,
    /// Since the last failure nothing came out.
    trouble: Option<Trouble>,
    tally: Tally,
}

/// What went by here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Pictures that went in and never came out, or did not even go in.
    pub(crate) lost: u64,
    /// Transcoders that failed.
    pub(crate) failures: u64,
}

enum State {
    /// Nothing needed it so far.
    Idle,
    /// A key frame begins the first one.
    Needed,
    Running(Run),
    /// It failed; the first key frame from then on begins another.
    Down {
        until: Instant,
    },
}

/// One transcoder.
struct Run {
    since: Instant,
    form: Form,
    /// It fell behind: nothing goes in until the next key frame.
    skips: bool,
    scale: Scale,
    owed: BTreeMap<i64, Owed>,
    owed_bytes: usize,
    /// When the first picture went in after the last one came out.
    waits_since: Option<Instant>,
}

/// A picture that went in.
struct Owed {
    time: MediaTime,
    bytes: usize,
    given: Instant,
}

/// What a transcoder cannot change while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    codec: VideoCodec,
    size: Option<(u32, u32)>,
}

/// From the source's time to that of a transcoder.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Added to the source's ticks.
    offset: i64,
    latest: i64,
}

impl Transcode {
    pub(crate) fn new(transcoding: Transcoding, seed: u64) -> Self {
        let backoff = Backoff::new(RESTART_FIRST, RESTART_LONGEST, seed);
        Self { transcoding, backoff, state: State::Idle, trouble: None, tally: Tally::default() }
    }

    /// Whether pictures go through a transcoder.
    pub(crate) fn is_at_work(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Why nothing comes out.
    pub(crate) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// How pictures of this codec reach the room, or why they do not.
    pub(crate) fn shown_as(&self, codec: VideoCodec) -> Result<VideoCodec, (Trouble, Retry)> {
        match codec {
            VideoCodec::H264 => Ok(VideoCodec::H264),
            VideoCodec::H265 => self.able(codec).map(|()| VideoCodec::H264),
            VideoCodec::Vp8 | VideoCodec::Vp9 | VideoCodec::Av1 => {
                let sentence = "The source sends neither H.264 nor H.265; set it to H.264.".into();
                Err((Trouble { code: "codec_unsupported".into(), sentence }, false))
            }
        }
    }

    /// Takes a picture of the source.
    pub(crate) fn handle_picture(&mut self, picture: Picture, now: Instant, outputs: &mut VecDeque<Output>) -> Verdict {
        let sequence = if picture.keyframe { sequence(&picture) } else { None };
        if matches!(self.state, State::Idle) {
            if !self.needs(&picture, sequence.as_ref()) {
                return Verdict::Passes(picture);
            }
            if let Err((trouble, retry)) = self.able(picture.codec) {
                return Verdict::Refused(trouble, retry);
            }
            self.state = State::Needed;
        }
        if picture.keyframe {
            let size = sequence.map(|sequence| (sequence.width, sequence.height));
            self.begin(Form { codec: picture.codec, size }, picture.time, now, outputs);
        }
        let given = match &mut self.state {
            State::Running(run) => run.give(picture, now),
            State::Idle | State::Needed | State::Down { .. } => None,
        };
        match given {
            Some(coded) => outputs.push_back(Output::Transcode(coded)),
            None => self.tally.lost += 1,
        }
        Verdict::Taken
    }

    /// The transcoder gave a picture; nothing when it is none of those that it owes.
    pub(crate) fn came_out(&mut self, picture: Picture, now: Instant) -> Option<Picture> {
        let State::Running(run) = &mut self.state else { return None };
        let (time, lost) = run.take_back(nearest_tick(picture.time))?;
        self.tally.lost += lost;
        self.trouble = None;
        if now.saturating_duration_since(run.since) >= PROVEN_AFTER {
            self.backoff.succeeded();
        }
        Some(Picture { time, ..picture })
    }

    /// The transcoder ended, which it never does by itself.
    pub(crate) fn ended(&mut self, why: &str, now: Instant, outputs: &mut VecDeque<Output>) {
        if matches!(self.state, State::Running(_)) {
            let sentence = format!("The transcoder {why}; another one begins with a key frame.");
            self.fail(sentence, now, outputs);
        }
    }

    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        match &self.state {
            State::Running(run) => run.waits_since.map(|since| since + STALL_MAX),
            State::Idle | State::Needed | State::Down { .. } => None,
        }
    }

    pub(crate) fn woken(&mut self, now: Instant, outputs: &mut VecDeque<Output>) {
        if self.wakes_at().is_some_and(|at| at <= now) {
            let sentence = format!("The transcoder gave nothing for {} s; it is started again.", STALL_MAX.as_secs());
            self.fail(sentence, now, outputs);
        }
    }

    /// The source was closed.
    pub(crate) fn close(&mut self, outputs: &mut VecDeque<Output>) {
        self.trouble = None;
        self.stop(State::Idle, outputs);
    }

    /// Whether no browser could show it, or those that come after it by what the sequence says. Some hardware tells of
    /// reordering and never does it: that is refused to nobody, but where transcoding was asked for, it is believed.
    fn needs(&self, picture: &Picture, sequence: Option<&SequenceParameters>) -> bool {
        let declared = sequence.and_then(|sequence| sequence.reorder_pictures_max).is_some_and(|most| most > 0);
        let believed = declared && self.transcoding == Transcoding::Able;
        picture.codec == VideoCodec::H265 || picture.reordered || believed
    }

    fn able(&self, codec: VideoCodec) -> Result<(), (Trouble, Retry)> {
        let (code, sentence, retry) = match (self.transcoding, codec) {
            (Transcoding::Able, _) => return Ok(()),
            (Transcoding::Missing, _) => (
                "no_transcoder",
                "The stream has to be transcoded, and this gateway has nothing to do it with; install ffmpeg 5.1 or \
                 newer with libx264 beside it, or name it with --transcoder.",
                false,
            ),
            (Transcoding::Unwanted, VideoCodec::H264) => (
                "b_frames",
                "The stream holds B-frames, which browsers cannot show without delay; set the encoder to none (profile \
                 baseline, tune zerolatency, or bframes=0), or ask for transcode.",
                true,
            ),
            (Transcoding::Unwanted, VideoCodec::H265 | VideoCodec::Vp8 | VideoCodec::Vp9 | VideoCodec::Av1) => (
                "codec_unsupported",
                "The source sends H.265, which the participants of this room cannot receive; set it to H.264, use its \
                 second stream, or ask for transcode.",
                false,
            ),
        };
        Err((Trouble { code: code.into(), sentence: sentence.into() }, retry))
    }

    /// A key frame came: starts a transcoder for it, unless one runs that can take it or it is too early.
    fn begin(&mut self, form: Form, time: MediaTime, now: Instant, outputs: &mut VecDeque<Output>) {
        match &self.state {
            State::Running(run) if run.form == form => return,
            State::Down { until } if now < *until => return,
            State::Idle | State::Needed | State::Running(_) | State::Down { .. } => {}
        }
        self.stop(State::Running(Run::new(form, time, now)), outputs);
        let encoding = Encoding { from: form.codec, bitrate_bps_max: bitrate_bps_max(form.size) };
        outputs.push_back(Output::StartTranscoder(encoding));
    }

    fn fail(&mut self, sentence: String, now: Instant, outputs: &mut VecDeque<Output>) {
        self.tally.failures += 1;
        let wait = self.backoff.failed();
        tracing::warn!(reason = sentence, ?wait, "a transcoder failed");
        self.trouble = Some(Trouble { code: "transcoder_failed".into(), sentence });
        self.stop(State::Down { until: now + wait }, outputs);
    }

    fn stop(&mut self, next: State, outputs: &mut VecDeque<Output>) {
        if let State::Running(run) = std::mem::replace(&mut self.state, next) {
            self.tally.lost += run.owed.len() as u64;
            outputs.push_back(Output::StopTranscoder);
        }
    }
}

impl Run {
    fn new(form: Form, time: MediaTime, now: Instant) -> Self {
        let scale = Scale { offset: FIRST_TICK - nearest_tick(time), latest: FIRST_TICK };
        Self { since: now, form, skips: false, scale, owed: BTreeMap::new(), owed_bytes: 0, waits_since: None }
    }

    /// How the picture goes in; nothing while that would only make it later.
    fn give(&mut self, picture: Picture, now: Instant) -> Option<Coded> {
        self.skips = self.is_behind(now) || (self.skips && !picture.keyframe);
        if self.skips {
            return None;
        }
        let mut ticks = self.scale.place(nearest_tick(picture.time));
        while self.owed.contains_key(&ticks) {
            ticks += 1;
        }
        let bytes = picture.data.len();
        self.owed.insert(ticks, Owed { time: picture.time, bytes, given: now });
        self.owed_bytes += bytes;
        self.waits_since.get_or_insert(now);
        Some(Coded { ticks, data: picture.data })
    }

    fn is_behind(&self, now: Instant) -> bool {
        let is_late = |owed: &Owed| now.saturating_duration_since(owed.given) > BEHIND_MAX;
        let started = now.saturating_duration_since(self.since) > START_PATIENCE;
        let late = started && self.owed.values().next().is_some_and(is_late);
        late || self.owed.len() >= OWED_MAX || self.owed_bytes >= OWED_BYTES_MAX
    }

    /// The time of a picture that came out, and how many before it never will: they come in the order in which
    /// they are shown.
    fn take_back(&mut self, ticks: i64) -> Option<(MediaTime, u64)> {
        let time = self.owed.get(&ticks)?.time;
        let later = self.owed.split_off(&(ticks + 1));
        let done = std::mem::replace(&mut self.owed, later);
        self.owed_bytes -= done.values().map(|owed| owed.bytes).sum::<usize>();
        self.waits_since = None;
        Some((time, done.len() as u64 - 1))
    }
}

impl Scale {
    fn place(&mut self, source: i64) -> i64 {
        let ticks = (source + self.offset).clamp(self.latest - STEP_MAX, self.latest + STEP_MAX);
        self.offset = ticks - source;
        self.latest = self.latest.max(ticks);
        ticks
    }
}

/// Nanoseconds cut off a part of a tick.
fn nearest_tick(time: MediaTime) -> i64 {
    let half = 1_000_000_000 / i64::from(TRANSCODER_HZ) / 2;
    MediaTime(time.0.saturating_add(half)).ticks(TRANSCODER_HZ)
}

/// What a key frame says of the pictures after it.
fn sequence(picture: &Picture) -> Option<SequenceParameters> {
    nals_of_annexb(&picture.data).find_map(|nal| SequenceParameters::parse(picture.codec, nal))
}

/// Enough for moving pictures of this size at 30 a second; without a size, for HD.
fn bitrate_bps_max(size: Option<(u32, u32)>) -> u32 {
    let (width, height) = size.unwrap_or((1_920, 1_080));
    match u64::from(width) * u64::from(height) {
        0..=230_400 => 1_000_000,
        230_401..=921_600 => 2_500_000,
        921_601..=2_088_960 => 4_500_000,
        _ => 10_000_000,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 1280x720, which says that it reorders up to two pictures.
    const REORDERING: &str = "6764001facd9405005bb011000000300100000030320f1831960";
    /// 1920x1080 of the baseline profile.
    const IN_ORDER: &str = "6742c028d900780227e5c044000003000400000300c83c60c920";
    const FRAME: Duration = Duration::from_millis(40);

    #[test]
    fn what_browsers_can_show_passes() {
        let mut world = World::new(Transcoding::Able);
        assert!(matches!(world.take(key(0, IN_ORDER)), Verdict::Passes(_)));
        assert!(matches!(world.take(delta(40)), Verdict::Passes(_)));
        assert!(world.outputs.is_empty());
    }

    #[test]
    fn pictures_come_back_with_their_own_times() {
        let mut world = World::new(Transcoding::Able);
        // As they are sent, not as they are shown.
        world.take(key(7_000, REORDERING));
        [7_120, 7_080, 7_040].into_iter().for_each(|ms| drop(world.take(delta(ms))));
        assert_eq!(world.started(), [Encoding { from: VideoCodec::H264, bitrate_bps_max: 2_500_000 }]);
        let mut ticks = world.given();
        assert_eq!(ticks, [0, 120, 80, 40].map(|ms| FIRST_TICK + ms * 90));
        ticks.sort_unstable();
        let times: Vec<_> = ticks.into_iter().map(|ticks| world.come_out(ticks).unwrap().time).collect();
        assert_eq!(times, [7_000, 7_040, 7_080, 7_120].map(at));
        assert!(world.come_out(FIRST_TICK).is_none(), "it came already");
        assert_eq!(world.transcode.tally(), Tally::default());
    }

    #[test]
    fn a_stream_that_does_not_tell_is_transcoded_from_the_next_key_frame_on() {
        let mut world = World::new(Transcoding::Able);
        assert!(matches!(world.take(key(0, "67")), Verdict::Passes(_)));
        assert!(matches!(world.take(Picture { reordered: true, ..delta(40) }), Verdict::Taken));
        assert!(matches!(world.take(delta(80)), Verdict::Taken));
        assert!(world.outputs.is_empty());
        world.take(key(120, "67"));
        assert_eq!((world.started().len(), world.given().len(), world.transcode.tally().lost), (1, 1, 2));
    }

    #[test]
    fn who_did_not_ask_for_it_is_refused_only_for_what_comes() {
        let mut world = World::new(Transcoding::Unwanted);
        assert!(matches!(world.take(key(0, REORDERING)), Verdict::Passes(_)), "it only says that it may");
        let refused = world.take(Picture { reordered: true, ..delta(40) });
        assert!(matches!(refused, Verdict::Refused(Trouble { code, .. }, true) if code == "b_frames"));
        let mut world = World::new(Transcoding::Missing);
        let refused = world.take(Picture { codec: VideoCodec::H265, ..delta(0) });
        assert!(matches!(refused, Verdict::Refused(Trouble { code, .. }, false) if code == "no_transcoder"));
    }

    #[test]
    fn another_size_needs_another_transcoder() {
        let mut world = World::new(Transcoding::Able);
        world.take(key(0, REORDERING));
        world.take(key(40, REORDERING));
        world.take(key(80, IN_ORDER));
        let sizes: Vec<_> = world.started().iter().map(|encoding| encoding.bitrate_bps_max).collect();
        assert_eq!(sizes, [2_500_000, 4_500_000]);
        assert_eq!(world.outputs.iter().filter(|output| matches!(output, Output::StopTranscoder)).count(), 1);
        assert_eq!(world.transcode.tally(), Tally { lost: 2, failures: 0 });
    }

    #[test]
    fn after_a_failure_another_one_begins_with_a_key_frame_once_the_wait_is_over() {
        let mut world = World::new(Transcoding::Able);
        world.take(key(0, REORDERING));
        world.transcode.ended("was killed", world.now, &mut world.outputs);
        assert_eq!(world.transcode.trouble().unwrap().code, "transcoder_failed");
        world.outputs.clear();
        world.take(key(40, REORDERING));
        world.now += RESTART_FIRST;
        world.take(delta(600));
        assert!(world.outputs.is_empty());
        world.take(key(640, REORDERING));
        assert_eq!(world.started().len(), 1);
        assert!(world.transcode.trouble().is_some(), "nothing came out yet");
        assert!(world.come_out(FIRST_TICK).is_some());
        assert_eq!((world.transcode.trouble(), world.transcode.tally()), (None, Tally { lost: 3, failures: 1 }));
    }

    #[test]
    fn one_that_gives_nothing_is_stuck_and_one_that_gets_nothing_is_not() {
        let mut world = World::new(Transcoding::Able);
        world.take(key(0, REORDERING));
        assert_eq!(world.transcode.wakes_at(), Some(world.now + STALL_MAX));
        world.come_out(FIRST_TICK);
        assert_eq!(world.transcode.wakes_at(), None);
        world.take(delta(40));
        world.now += STALL_MAX;
        world.transcode.woken(world.now, &mut world.outputs);
        assert!(matches!(world.outputs.back(), Some(Output::StopTranscoder)));
        assert_eq!(world.transcode.tally().failures, 1);
    }

    #[test]
    fn one_that_falls_behind_gets_nothing_until_a_key_frame_finds_it_in_time() {
        let mut world = World::new(Transcoding::Able);
        world.take(key(0, REORDERING));
        world.come_out(FIRST_TICK);
        world.now += START_PATIENCE;
        world.take(delta(40));
        world.now += BEHIND_MAX + FRAME;
        world.outputs.clear();
        world.take(delta(80));
        world.take(key(120, REORDERING));
        assert!(world.outputs.is_empty());
        world.come_out(FIRST_TICK + 40 * 90);
        world.take(delta(160));
        assert!(world.outputs.is_empty(), "what it follows did not go in");
        world.take(key(200, REORDERING));
        assert_eq!((world.given().len(), world.started().len(), world.transcode.tally().lost), (1, 0, 3));
    }

    #[test]
    fn what_it_owes_is_bounded() {
        let mut world = World::new(Transcoding::Able);
        world.take(key(0, REORDERING));
        (1..1_000).for_each(|n| drop(world.take(delta(n * 40))));
        assert_eq!(world.given().len(), OWED_MAX);
        let mut world = World::new(Transcoding::Able);
        let large = Picture { data: vec![0; OWED_BYTES_MAX].into(), codec: VideoCodec::H265, ..key(0, "") };
        world.take(large);
        world.take(delta(40));
        assert_eq!(world.given().len(), 1);
    }

    #[test]
    fn a_pause_of_the_source_is_short_for_the_transcoder() {
        let mut world = World::new(Transcoding::Able);
        world.take(key(0, REORDERING));
        [3_600_000, 3_600_040, -50_000].into_iter().for_each(|ms| drop(world.take(delta(ms))));
        let second = i64::from(TRANSCODER_HZ);
        assert_eq!(world.given(), [0, second, second + 3_600, 3_600].map(|ticks| FIRST_TICK + ticks));
        assert_eq!(world.come_out(FIRST_TICK + second).unwrap().time, at(3_600_000));
    }

    proptest! {
        #[test]
        fn no_two_pictures_go_in_with_one_time(times: Vec<i64>) {
            let mut world = World::new(Transcoding::Able);
            world.take(key(0, REORDERING));
            times.iter().for_each(|nanos| drop(world.take(Picture { time: MediaTime(*nanos), ..delta(0) })));
            let mut ticks = world.given();
            let count = ticks.len();
            ticks.sort_unstable();
            ticks.dedup();
            prop_assert_eq!(ticks.len(), count);
        }
    }

    struct World {
        transcode: Transcode,
        now: Instant,
        outputs: VecDeque<Output>,
    }

    impl World {
        fn new(transcoding: Transcoding) -> Self {
            Self { transcode: Transcode::new(transcoding, 1), now: Instant::now(), outputs: VecDeque::new() }
        }

        fn take(&mut self, picture: Picture) -> Verdict {
            self.transcode.handle_picture(picture, self.now, &mut self.outputs)
        }

        fn come_out(&mut self, ticks: i64) -> Option<Picture> {
            let time = MediaTime::from_ticks(ticks, TRANSCODER_HZ);
            self.transcode.came_out(Picture { time, ..delta(0) }, self.now)
        }

        fn started(&self) -> Vec<Encoding> {
            let started = |output: &Output| if let Output::StartTranscoder(what) = output { Some(*what) } else { None };
            self.outputs.iter().filter_map(started).collect()
        }

        /// The times of what went in.
        fn given(&self) -> Vec<i64> {
            let given = |output: &Output| if let Output::Transcode(coded) = output { Some(coded.ticks) } else { None };
            self.outputs.iter().filter_map(given).collect()
        }
    }

    fn at(ms: i64) -> MediaTime {
        MediaTime(ms * 1_000_000)
    }

    fn key(ms: i64, sequence: &str) -> Picture {
        let sequence = (0..sequence.len()).step_by(2).map(|at| u8::from_str_radix(&sequence[at..at + 2], 16).unwrap());
        let data = [0, 0, 0, 1].into_iter().chain(sequence).chain([0, 0, 0, 1, 0x65, 0x88]).collect();
        Picture { keyframe: true, data, ..delta(ms) }
    }

    fn delta(ms: i64) -> Picture {
        let data = Bytes::from_static(&[0, 0, 0, 1, 0x41, 0xe0]);
        Picture { codec: VideoCodec::H264, time: at(ms), keyframe: false, reordered: false, data }
    }
}
