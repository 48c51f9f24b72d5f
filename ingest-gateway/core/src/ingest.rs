//! One ingest from its source to its room.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use velella_media::{Frame, Picture, VideoCodec};
use velella_model::component::{IngestState, Trouble};
use velella_model::record::TrackRecord;
use velella_model::wire::command::{OpenSession, Order};
use velella_model::wire::signal::{ToHolder, ToWorker};
use velella_model::{
    ComponentId, GatewayId, Generation, Incarnation, Json, PeerId, RoomId, SessionId, TrackId, WorkerId,
};

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::gop::{GOP_LONG, Gop};
use crate::leg::{Home, Packet, Published};
use crate::uplink::{Uplink, endpoint};

/// Wait before a source is opened again after its first failure.
const REOPEN_FIRST: Duration = Duration::from_millis(500);

/// A source that gives nothing for so long is opened anew. Longer than the key frame distance of any camera
/// that sends at all.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// A source that has given media for so long works: the next failure is the first again.
const PROVEN_AFTER: Duration = Duration::from_secs(10);

/// Whom the ingest acts for.
#[derive(Clone, Debug)]
pub struct Name {
    /// Ourselves.
    pub gateway: GatewayId,
    /// Our boot.
    pub incarnation: Incarnation,
    /// Numbers the jobs of this boot.
    pub job: u64,
    /// The revision that asked for it.
    pub generation: Generation,
    /// Where it goes.
    pub room: RoomId,
    /// The component as participants see it.
    pub endpoint: PeerId,
}

impl Name {
    /// Of a component's ingest.
    #[must_use]
    pub fn new(
        gateway: GatewayId,
        incarnation: Incarnation,
        job: u64,
        generation: Generation,
        room: RoomId,
        component: &ComponentId,
    ) -> Self {
        Self { gateway, incarnation, job, generation, room, endpoint: endpoint(component) }
    }
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The room lives there from now on; nowhere while it is being placed.
    Homed(Option<Home>),
    /// Whether somebody is there to see it.
    Wanted(bool),
    /// The source is open, and this is what it gives.
    Described(Published),
    /// The source gave a picture, or a packet of Opus.
    Frame(Frame),
    /// The source ended.
    Ended {
        /// Why.
        trouble: Trouble,
        /// Whether another attempt may go better.
        retry: bool,
    },
    /// The worker answered `Open`.
    Opened {
        /// Which.
        session: SessionId,
        /// Whether it did.
        done: bool,
    },
    /// The worker said something about a session.
    Said(ToHolder),
    /// A datagram came.
    Datagram {
        /// From where.
        source: SocketAddr,
        /// What.
        contents: &'a [u8],
    },
    /// The time of `poll_timeout` came.
    Timeout,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Open the source; answer with `Described` and frames, or with `Ended`.
    OpenSource,
    /// Close it; nothing more is expected of it.
    CloseSource,
    /// Ask the worker for a session; answer with `Opened`.
    Open {
        /// Which.
        session: SessionId,
        /// Whom.
        worker: WorkerId,
        /// Its boot.
        incarnation: Incarnation,
        /// What to ask.
        order: Box<OpenSession>,
    },
    /// Tell the worker that a session is over; no answer is needed.
    Close {
        /// Whom.
        worker: WorkerId,
        /// Its boot.
        incarnation: Incarnation,
        /// What to tell.
        order: Order,
    },
    /// Publish a signal.
    Signal {
        /// To whom.
        worker: WorkerId,
        /// What.
        message: ToWorker,
    },
    /// Send a datagram.
    Send(Packet),
    /// It goes otherwise than before.
    Progress(Progress),
    /// What was published to us is over.
    Finished,
}

/// How it goes, for others to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How.
    pub state: IngestState,
    /// What went wrong last; nothing once it works.
    pub trouble: Option<Trouble>,
    /// What is published in the room.
    pub tracks: BTreeMap<TrackId, TrackRecord>,
}

/// The machine.
pub struct Ingest {
    source: Source,
    /// `None` for what is published to us: nobody can fetch it again.
    backoff: Option<Backoff>,
    uplink: Uplink,
    clock: Clock,
    gop: Gop,
    trouble: Option<Trouble>,
    told: Option<Standing>,
    counts: Counts,
    outputs: VecDeque<Output>,
}

/// What was told last: the state, whether tracks are published, and the trouble.
type Standing = (IngestState, Option<Published>, Option<Trouble>);

/// What the source is doing.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// Nobody wants it.
    Off,
    /// Asked for.
    Opening { since: Instant },
    /// Described.
    Open { since: Instant, heard_at: Instant, keyed: bool },
    /// Until the next attempt.
    Waiting { until: Instant },
    /// For good.
    Stopped,
}

/// What went through since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pictures that the source gave.
    pub pictures: u64,
    /// Packets of sound.
    pub sounds: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Frames of both that found no way into the room.
    pub dropped: u64,
    /// Attempts to open the source after the first.
    pub reopened: u64,
}

impl Ingest {
    /// Of a source that is fetched, with this wait at most between attempts; `metadata` is what others see of it.
    pub fn fetched(name: Name, metadata: Json, wait_max: Duration, wanted: bool, now: Instant) -> Self {
        let backoff = Backoff::new(REOPEN_FIRST.min(wait_max), wait_max, name.job ^ name.incarnation.0);
        let mut ingest = Self::new(name, metadata, Some(backoff), now);
        ingest.source = Source::Off;
        ingest.handle_input(Input::Wanted(wanted), now);
        ingest
    }

    /// Of a source that is published to us.
    pub fn published(name: Name, metadata: Json, now: Instant) -> Self {
        let mut ingest = Self::new(name, metadata, None, now);
        ingest.tell();
        ingest
    }

    fn new(name: Name, metadata: Json, backoff: Option<Backoff>, now: Instant) -> Self {
        let seed = name.job.rotate_left(32) ^ name.incarnation.0;
        Self {
            source: Source::Opening { since: now },
            backoff,
            uplink: Uplink::new(name, metadata, seed),
            clock: Clock::default(),
            gop: Gop::default(),
            trouble: None,
            told: None,
            counts: Counts::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened. Drain `poll_output` afterwards.
    pub fn handle_input(&mut self, input: Input<'_>, now: Instant) {
        match input {
            Input::Homed(home) => self.uplink.live_at(home, now, &mut self.outputs),
            Input::Wanted(wanted) => self.wanted(wanted, now),
            Input::Described(published) => self.described(published, now),
            Input::Frame(frame) => return self.frame(frame, now),
            Input::Ended { trouble, retry } => self.ended(trouble, retry, now),
            Input::Opened { session, done } => self.uplink.opened(&session, done, now, &mut self.outputs),
            Input::Said(message) => self.uplink.said(message, now, &mut self.outputs),
            Input::Datagram { source, contents } => self.uplink.received(source, contents, now, &mut self.outputs),
            Input::Timeout => self.timeout(now),
        }
        self.tell();
    }

    /// What is to be done next; `None` until something happens.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let source = match self.source {
            Source::Open { heard_at, .. } => Some(heard_at + SILENCE_MAX),
            Source::Opening { since } => Some(since + SILENCE_MAX),
            Source::Waiting { until } => Some(until),
            Source::Off | Source::Stopped => None,
        };
        source.into_iter().chain(self.uplink.wakes_at()).min()
    }

    /// What went through.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Distance of key frames, as far as it is known.
    pub fn key_frame_interval(&self) -> Option<Duration> {
        self.gop.interval()
    }

    /// Ends everything; what is left is in `poll_output`.
    pub fn close(&mut self, now: Instant) {
        self.source = Source::Off;
        self.uplink.publish(None, now, &mut self.outputs);
    }

    fn wanted(&mut self, wanted: bool, now: Instant) {
        match (wanted, self.source) {
            (true, Source::Off) => self.open(now),
            (false, Source::Opening { .. } | Source::Open { .. } | Source::Waiting { .. }) => {
                self.source = Source::Off;
                self.outputs.push_back(Output::CloseSource);
                self.uplink.publish(None, now, &mut self.outputs);
            }
            (true | false, _) => {}
        }
    }

    fn open(&mut self, now: Instant) {
        self.source = Source::Opening { since: now };
        self.outputs.push_back(Output::OpenSource);
    }

    fn described(&mut self, published: Published, now: Instant) {
        match self.source {
            Source::Opening { .. } => {}
            // More than it said at first: a publisher's sound that comes late.
            Source::Open { .. } => return self.uplink.publish(Some(published), now, &mut self.outputs),
            Source::Off | Source::Waiting { .. } | Source::Stopped => return,
        }
        if published.video == Some(VideoCodec::H265) {
            let sentence = "The source sends H.265, which the participants of this room cannot receive; \
                            set it to H.264, or use its second stream.";
            return self.fail(Trouble { code: "codec_unsupported".into(), sentence: sentence.into() }, false, now);
        }
        self.source = Source::Open { since: now, heard_at: now, keyed: false };
        self.clock = Clock::default();
        self.uplink.publish(Some(published), now, &mut self.outputs);
    }

    fn frame(&mut self, frame: Frame, now: Instant) {
        let Source::Open { since, heard_at, keyed } = &mut self.source else { return };
        *heard_at = now;
        let proven = now.saturating_duration_since(*since) >= PROVEN_AFTER;
        let (bytes, takes) = match &frame {
            Frame::Video(picture) => {
                *keyed |= picture.keyframe;
                self.counts.pictures += 1;
                (picture.data.len(), *keyed)
            }
            Frame::Audio(sound) => {
                self.counts.sounds += 1;
                (sound.data.len(), true)
            }
        };
        self.counts.bytes += bytes as u64;
        if let Frame::Video(picture) = &frame
            && !self.looks_well(picture, now)
        {
            return self.tell();
        }
        if let Some(backoff) = self.backoff.as_mut().filter(|_| proven) {
            backoff.succeeded();
        }
        let captured = self.clock.captured(frame.time(), now);
        let sent = takes && self.uplink.send(&frame, captured, now, &mut self.outputs);
        self.counts.dropped += u64::from(!sent);
        self.tell();
    }

    /// Whether it can go into a room; says why not.
    fn looks_well(&mut self, picture: &Picture, now: Instant) -> bool {
        if picture.reordered {
            let sentence = "The stream holds B-frames, which browsers cannot show without delay; \
                            set the encoder to none (profile baseline, tune zerolatency, or bframes=0).";
            self.fail(Trouble { code: "b_frames".into(), sentence: sentence.into() }, true, now);
            return false;
        }
        if self.gop.picture(picture.time, picture.keyframe) {
            tracing::warn!(longer_than = ?GOP_LONG, "key frames are far apart: who joins waits that long for a picture");
        }
        true
    }

    fn ended(&mut self, trouble: Trouble, retry: bool, now: Instant) {
        if matches!(self.source, Source::Opening { .. } | Source::Open { .. }) {
            self.fail(trouble, retry, now);
        }
    }

    fn fail(&mut self, trouble: Trouble, retry: bool, now: Instant) {
        tracing::info!(code = trouble.code, reason = trouble.sentence, retry, "the source ended");
        self.trouble = Some(trouble);
        self.outputs.push_back(Output::CloseSource);
        let Some(backoff) = self.backoff.as_mut() else {
            self.source = Source::Stopped;
            self.uplink.publish(None, now, &mut self.outputs);
            return self.outputs.push_back(Output::Finished);
        };
        if !retry {
            self.source = Source::Stopped;
            return self.uplink.publish(None, now, &mut self.outputs);
        }
        // The session stays: people see the last picture until the next one.
        self.source = Source::Waiting { until: now + backoff.failed() };
    }

    fn timeout(&mut self, now: Instant) {
        match self.source {
            Source::Open { heard_at: since, .. } | Source::Opening { since } if since + SILENCE_MAX <= now => {
                let sentence = format!("The source sent nothing for {} s.", SILENCE_MAX.as_secs());
                self.fail(Trouble { code: "stalled".into(), sentence }, true, now);
            }
            Source::Waiting { until } if until <= now => {
                self.counts.reopened += 1;
                self.open(now);
            }
            Source::Open { .. } | Source::Opening { .. } | Source::Waiting { .. } | Source::Off | Source::Stopped => {}
        }
        self.uplink.woken(now, &mut self.outputs);
    }

    /// Tells how it goes, if that is news.
    fn tell(&mut self) {
        let state = match self.source {
            Source::Off => IngestState::Waiting,
            Source::Stopped => IngestState::Stopped,
            Source::Open { .. } if self.uplink.is_connected() => {
                self.trouble = None;
                IngestState::Live
            }
            Source::Waiting { .. } => IngestState::Retrying,
            Source::Opening { .. } if self.backoff.as_ref().is_some_and(|backoff| backoff.failures() > 0) => {
                IngestState::Retrying
            }
            Source::Opening { .. } | Source::Open { .. } => IngestState::Connecting,
        };
        let published = self.uplink.publishes();
        if self.told.as_ref().is_some_and(|(s, p, t)| (s, p, t) == (&state, &published, &self.trouble)) {
            return;
        }
        self.told = Some((state, published, self.trouble.clone()));
        let tracks = published.map_or_else(BTreeMap::new, |published| self.uplink.tracks(published));
        self.outputs.push_back(Output::Progress(Progress { state, trouble: self.trouble.clone(), tracks }));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use velella_media::MediaTime;

    use super::*;

    #[test]
    fn a_camera_that_fails_is_opened_again_after_a_wait() {
        let (mut ingest, t0) = (camera(), Instant::now());
        assert!(matches!(outputs(&mut ingest)[..], [Output::OpenSource, Output::Progress(_)]));
        ingest.handle_input(ended("unreachable", true), t0);
        let [Output::CloseSource, Output::Progress(progress)] = &outputs(&mut ingest)[..] else { panic!("told") };
        assert_eq!((progress.state, code(progress)), (IngestState::Retrying, Some("unreachable")));
        let again = ingest.poll_timeout().unwrap();
        assert!(again > t0 && again <= t0 + REOPEN_FIRST);
        ingest.handle_input(Input::Timeout, again);
        assert!(matches!(outputs(&mut ingest)[..], [Output::OpenSource]), "it still counts as retrying");
    }

    #[test]
    fn what_another_attempt_would_not_change_is_not_tried_again() {
        let (mut ingest, t0) = (camera(), Instant::now());
        ingest.handle_input(ended("login_refused", false), t0);
        assert_eq!(told(&mut ingest).unwrap().state, IngestState::Stopped);
        assert_eq!(ingest.poll_timeout(), None);
    }

    #[test]
    fn h265_is_told_to_be_of_no_use() {
        let (mut ingest, t0) = (camera(), Instant::now());
        ingest.handle_input(Input::Described(Published { video: Some(VideoCodec::H265), audio: false }), t0);
        let progress = told(&mut ingest).unwrap();
        assert_eq!((progress.state, code(&progress)), (IngestState::Stopped, Some("codec_unsupported")));
    }

    #[test]
    fn b_frames_are_told_with_what_to_do() {
        let (mut ingest, t0) = (camera(), Instant::now());
        ingest.handle_input(Input::Described(VIDEO), t0);
        ingest.handle_input(picture(0, true), t0);
        let reordered = Picture { reordered: true, ..a_picture(40, false) };
        ingest.handle_input(Input::Frame(Frame::Video(reordered)), t0);
        let progress = told(&mut ingest).unwrap();
        assert_eq!((progress.state, code(&progress)), (IngestState::Retrying, Some("b_frames")));
    }

    #[test]
    fn a_silent_camera_is_opened_anew() {
        let (mut ingest, t0) = (camera(), Instant::now());
        ingest.handle_input(Input::Described(VIDEO), t0);
        ingest.handle_input(picture(0, true), t0 + Duration::from_secs(3));
        ingest.handle_input(Input::Timeout, t0 + SILENCE_MAX);
        assert_eq!(code(&told(&mut ingest).unwrap()), None);
        ingest.handle_input(Input::Timeout, t0 + Duration::from_secs(3) + SILENCE_MAX);
        assert_eq!(code(&told(&mut ingest).unwrap()), Some("stalled"));
    }

    #[test]
    fn a_camera_that_nobody_looks_at_is_closed_until_somebody_does() {
        let (mut ingest, t0) = (camera(), Instant::now());
        outputs(&mut ingest);
        ingest.handle_input(Input::Wanted(false), t0);
        let [Output::CloseSource, Output::Progress(progress)] = &outputs(&mut ingest)[..] else { panic!("told") };
        assert_eq!(progress.state, IngestState::Waiting);
        ingest.handle_input(Input::Wanted(true), t0);
        assert!(matches!(outputs(&mut ingest)[..], [Output::OpenSource, Output::Progress(_)]));
    }

    #[test]
    fn what_was_published_to_us_is_over_when_it_ends() {
        let t0 = Instant::now();
        let mut ingest = Ingest::published(name(), Json::null(), t0);
        assert!(matches!(outputs(&mut ingest)[..], [Output::Progress(_)]));
        ingest.handle_input(ended("publisher_left", true), t0);
        assert!(outputs(&mut ingest).iter().any(|output| matches!(output, Output::Finished)));
    }

    const VIDEO: Published = Published { video: Some(VideoCodec::H264), audio: false };

    fn camera() -> Ingest {
        Ingest::fetched(name(), Json::null(), Duration::from_secs(15), true, Instant::now())
    }

    fn name() -> Name {
        let (gateway, room) = (GatewayId::parse("g").unwrap(), RoomId::parse("r").unwrap());
        Name::new(gateway, Incarnation(1), 1, Generation(5), room, &ComponentId::parse("door").unwrap())
    }

    fn ended(code: &str, retry: bool) -> Input<'static> {
        Input::Ended { trouble: Trouble { code: code.into(), sentence: "It did.".into() }, retry }
    }

    fn picture(ms: i64, keyframe: bool) -> Input<'static> {
        Input::Frame(Frame::Video(a_picture(ms, keyframe)))
    }

    fn a_picture(ms: i64, keyframe: bool) -> Picture {
        let (time, data) = (MediaTime(ms * 1_000_000), Bytes::from_static(&[0, 0, 0, 1, 0x65, 0x88]));
        Picture { codec: VideoCodec::H264, time, keyframe, reordered: false, data }
    }

    fn outputs(ingest: &mut Ingest) -> Vec<Output> {
        std::iter::from_fn(|| ingest.poll_output()).collect()
    }

    /// What was told last.
    fn told(ingest: &mut Ingest) -> Option<Progress> {
        outputs(ingest).into_iter().filter_map(|o| if let Output::Progress(p) = o { Some(p) } else { None }).next_back()
    }

    fn code(progress: &Progress) -> Option<&str> {
        progress.trouble.as_ref().map(|trouble| trouble.code.as_str())
    }
}
