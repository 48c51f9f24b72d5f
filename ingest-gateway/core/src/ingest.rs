//! One ingest from its source to its room.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use velella_media::{Frame, Picture, Sound};
use velella_model::component::{IngestState, Trouble};
use velella_model::record::TrackRecord;
use velella_model::wire::command::{OpenSession, Order};
use velella_model::wire::signal::{ToHolder, ToWorker};
use velella_model::{
    ComponentId, GatewayId, Generation, Incarnation, Json, PeerId, RoomId, SessionId, TrackId, WorkerId,
};

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::continuity::Continuity;
use crate::gate::Gate;
use crate::gop::GOP_LONG;
use crate::leg::{Home, Outgoing, Packet, Published, Stream};
use crate::sub_stream::SubStream;
use crate::transcode::{Coded, Encoding, Retry, Transcode, Transcoding, Verdict};
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
    /// The source gave a picture.
    Picture(Picture),
    /// The source gave a packet of Opus.
    Sound {
        /// What.
        sound: Sound,
        /// How loud, where that is known: 0 is the loudest, -127 silence.
        level_dbov: Option<i8>,
    },
    /// So many packets were lost on the way from the source.
    Lost(u64),
    /// The source sends something that no room can take, besides what it described.
    Unsupported(String),
    /// A part of a picture was lost on the way from the source.
    PictureLost,
    /// A picture came that nobody can decode before a key frame with its parameter sets, and was left out.
    Undecodable,
    /// The second stream of the source, which was described, is open.
    SubOpened,
    /// It gave a picture.
    SubPicture(Picture),
    /// A part of a picture of it was lost.
    SubPictureLost,
    /// It is away for a while, or for good.
    SubEnded(Trouble),
    /// The source ended.
    Ended {
        /// Why.
        trouble: Trouble,
        /// Whether another attempt may go better.
        retry: bool,
    },
    /// The transcoder gave a picture.
    Transcoded(Picture),
    /// The transcoder ended, for this reason.
    TranscoderEnded(&'a str),
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
    /// Start a transcoder; answer what goes in with `Transcoded`, and its end with `TranscoderEnded`.
    StartTranscoder(Encoding),
    /// Give it a picture.
    Transcode(Coded),
    /// End it; nothing more is expected of it.
    StopTranscoder,
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
    /// What went wrong last; nothing once it works. While the source works, that of its second stream.
    pub trouble: Option<Trouble>,
    /// What is published in the room.
    pub tracks: BTreeMap<TrackId, TrackRecord>,
}

/// The machine.
pub struct Ingest {
    source: Source,
    /// `None` for what is published to us: nobody can fetch it again.
    backoff: Option<Backoff>,
    transcode: Transcode,
    uplink: Uplink,
    clock: Clock,
    continuity: Continuity,
    gate: Gate,
    sub: SubStream,
    trouble: Option<Trouble>,
    last_trouble: Option<(Trouble, Instant)>,
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
    Open { since: Instant, heard_at: Instant },
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
    /// Packets that were lost on the way from the source.
    pub lost: u64,
    /// Transcoders that failed.
    pub transcoders_failed: u64,
}

impl Ingest {
    /// Of a source that is fetched, with this wait at most between attempts; `metadata` is what others see of it.
    pub fn fetched(
        name: Name,
        metadata: Json,
        wait_max: Duration,
        wanted: bool,
        transcoding: Transcoding,
        now: Instant,
    ) -> Self {
        let backoff = Backoff::new(REOPEN_FIRST.min(wait_max), wait_max, name.job ^ name.incarnation.0);
        let mut ingest = Self::new(name, metadata, Some(backoff), transcoding, now);
        ingest.source = Source::Off;
        ingest.handle_input(Input::Wanted(wanted), now);
        ingest
    }

    /// Of a source that is published to us.
    pub fn published(name: Name, metadata: Json, transcoding: Transcoding, now: Instant) -> Self {
        let mut ingest = Self::new(name, metadata, None, transcoding, now);
        ingest.tell(now);
        ingest
    }

    fn new(name: Name, metadata: Json, backoff: Option<Backoff>, transcoding: Transcoding, now: Instant) -> Self {
        let seed = name.job.rotate_left(32) ^ name.incarnation.0;
        Self {
            source: Source::Opening { since: now },
            backoff,
            transcode: Transcode::new(transcoding, seed),
            uplink: Uplink::new(name, metadata, seed),
            clock: Clock::default(),
            continuity: Continuity::new(now),
            gate: Gate::default(),
            sub: SubStream::new(now),
            trouble: None,
            last_trouble: None,
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
            Input::Picture(picture) => self.picture(picture, now),
            Input::Sound { sound, level_dbov } => self.sound(sound, level_dbov, now),
            Input::Lost(packets) => self.counts.lost += packets,
            Input::Unsupported(what) => {
                let sentence = format!("The source sends what no room can take: {what}.");
                self.last_trouble = Some((Trouble { code: "codec_unsupported".into(), sentence }, now));
            }
            Input::PictureLost => self.picture_lost(),
            Input::Undecodable => self.undecodable(now),
            Input::SubOpened => self.sub.opened(),
            Input::SubPicture(picture) => self.sub_picture(picture, now),
            Input::SubPictureLost => self.sub.lost(),
            Input::SubEnded(trouble) => self.sub.trouble = Some(trouble),
            Input::Ended { trouble, retry } => self.ended(trouble, retry, now),
            Input::Transcoded(picture) => self.transcoded(picture, now),
            Input::TranscoderEnded(why) => self.transcode.ended(why, now, &mut self.outputs),
            Input::Opened { session, done } => self.uplink.opened(&session, done, now, &mut self.outputs),
            Input::Said(message) => self.uplink.said(message, now, &mut self.outputs),
            Input::Datagram { source, contents } => self.uplink.received(source, contents, now, &mut self.outputs),
            Input::Timeout => self.timeout(now),
        }
        self.tell(now);
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
        [source, self.transcode.wakes_at(), self.uplink.wakes_at()].into_iter().flatten().min()
    }

    /// What went through.
    pub fn counts(&self) -> Counts {
        let tally = self.transcode.tally();
        Counts { dropped: self.counts.dropped + tally.lost, transcoders_failed: tally.failures, ..self.counts }
    }

    /// Distance of key frames, as far as it is known.
    pub fn key_frame_interval(&self) -> Option<Duration> {
        self.gate.interval()
    }

    /// What went wrong last, whether or not it goes well since, and when.
    pub fn last_trouble(&self) -> Option<&(Trouble, Instant)> {
        self.last_trouble.as_ref()
    }

    /// Ends everything; what is left is in `poll_output`.
    pub fn close(&mut self, now: Instant) {
        self.source = Source::Off;
        self.transcode.close(&mut self.outputs);
        self.uplink.publish(None, now, &mut self.outputs);
    }

    fn wanted(&mut self, wanted: bool, now: Instant) {
        match (wanted, self.source) {
            (true, Source::Off) => self.open(now),
            (false, Source::Opening { .. } | Source::Open { .. } | Source::Waiting { .. }) => {
                self.source = Source::Off;
                self.close_source();
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
        let opens = match self.source {
            Source::Opening { .. } => true,
            // More than it said at first: a publisher's sound that comes late.
            Source::Open { .. } => false,
            Source::Off | Source::Waiting { .. } | Source::Stopped => return,
        };
        let video = match published.video.map(|codec| self.transcode.shown_as(codec)).transpose() {
            Ok(video) => video,
            Err((trouble, retry)) => return self.fail(trouble, retry, now),
        };
        if opens {
            self.source = Source::Open { since: now, heard_at: now };
            self.clock = Clock::default();
            self.continuity.reopen();
            self.gate.reopen();
            self.sub.trouble = None;
        }
        self.uplink.publish(Some(Published { video, ..published }), now, &mut self.outputs);
    }

    fn picture(&mut self, picture: Picture, now: Instant) {
        if !self.hears(now) {
            return;
        }
        self.counts.pictures += 1;
        self.counts.bytes += picture.data.len() as u64;
        match self.transcode.handle_picture(picture, now, &mut self.outputs) {
            Verdict::Passes(picture) => self.show(picture, now),
            Verdict::Taken => {}
            Verdict::Refused(trouble, retry) => self.fail(trouble, retry, now),
        }
    }

    fn transcoded(&mut self, picture: Picture, now: Instant) {
        if let Some(picture) = self.transcode.came_out(picture, now) {
            self.show(picture, now);
        }
    }

    /// A transcoder makes pictures that stand by themselves of whatever came.
    fn picture_lost(&mut self) {
        if !self.transcode.is_at_work() {
            self.gate.lost();
        }
    }

    /// A picture that browsers can show goes into the room, unless it builds on what is missing there.
    fn show(&mut self, picture: Picture, now: Instant) {
        if !matches!(self.source, Source::Open { .. }) {
            return;
        }
        let passage = self.gate.picture(&picture, now);
        if passage.gop_turned_long {
            tracing::warn!(longer_than = ?GOP_LONG, "key frames are far apart: who joins waits that long for a picture");
        }
        let captured = self.clock.captured(picture.time, now);
        let time = self.continuity.place(picture.time, now);
        let frame = Frame::Video(Picture { time, ..picture });
        self.send(passage.passes, Outgoing { frame, captured, stream: Stream::Main, level_dbov: None }, now);
    }

    fn sound(&mut self, sound: Sound, level_dbov: Option<i8>, now: Instant) {
        if !self.hears(now) {
            return;
        }
        self.counts.sounds += 1;
        self.counts.bytes += sound.data.len() as u64;
        let captured = self.clock.captured(sound.time, now);
        let time = self.continuity.place(sound.time, now);
        let frame = Frame::Audio(Sound { time, ..sound });
        self.send(true, Outgoing { frame, captured, stream: Stream::Main, level_dbov }, now);
    }

    fn sub_picture(&mut self, picture: Picture, now: Instant) {
        if !matches!(self.source, Source::Open { .. }) {
            return;
        }
        self.counts.pictures += 1;
        self.counts.bytes += picture.data.len() as u64;
        match self.sub.picture(picture, now) {
            Some((picture, captured)) => {
                let frame = Frame::Video(picture);
                self.send(true, Outgoing { frame, captured, stream: Stream::Sub, level_dbov: None }, now);
            }
            None => self.counts.dropped += 1,
        }
    }

    fn undecodable(&mut self, now: Instant) {
        if self.hears(now) {
            self.gate.undecodable(now);
        }
    }

    /// The source gives something; whether anything is expected of it.
    fn hears(&mut self, now: Instant) -> bool {
        let Source::Open { since, heard_at } = &mut self.source else { return false };
        *heard_at = now;
        let proven = now.saturating_duration_since(*since) >= PROVEN_AFTER;
        if let Some(backoff) = self.backoff.as_mut().filter(|_| proven) {
            backoff.succeeded();
        }
        true
    }

    fn send(&mut self, passes: bool, outgoing: Outgoing, now: Instant) {
        let sent = passes && self.uplink.send(&outgoing, now, &mut self.outputs);
        self.counts.dropped += u64::from(!sent);
    }

    fn ended(&mut self, trouble: Trouble, retry: bool, now: Instant) {
        if matches!(self.source, Source::Opening { .. } | Source::Open { .. }) {
            self.fail(trouble, retry, now);
        }
    }

    fn fail(&mut self, trouble: Trouble, retry: Retry, now: Instant) {
        tracing::info!(code = trouble.code, reason = trouble.sentence, retry, "the source ended");
        self.last_trouble = Some((trouble.clone(), now));
        self.trouble = Some(trouble);
        self.close_source();
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

    fn close_source(&mut self) {
        self.outputs.push_back(Output::CloseSource);
        self.transcode.close(&mut self.outputs);
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
        self.transcode.woken(now, &mut self.outputs);
        self.uplink.woken(now, &mut self.outputs);
    }

    /// Tells how it goes, if that is news.
    fn tell(&mut self, now: Instant) {
        let lacks_key_frame = self.gate.lacks_key_frame(now);
        let state = match self.source {
            Source::Off => IngestState::Waiting,
            Source::Stopped => IngestState::Stopped,
            Source::Open { .. } if let Some(trouble) = self.transcode.trouble() => {
                self.trouble = Some(trouble.clone());
                IngestState::Retrying
            }
            Source::Open { .. } if lacks_key_frame => {
                self.trouble = Some(no_key_frame());
                IngestState::Connecting
            }
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
        let trouble = self.trouble.as_ref().or(self.sub.trouble.as_ref());
        if self.told.as_ref().is_some_and(|(s, p, t)| (s, p, t.as_ref()) == (&state, &published, trouble)) {
            return;
        }
        let trouble = trouble.cloned();
        self.told = Some((state, published, trouble.clone()));
        let tracks = published.map_or_else(BTreeMap::new, |published| self.uplink.tracks(published));
        self.outputs.push_back(Output::Progress(Progress { state, trouble, tracks }));
    }
}

fn no_key_frame() -> Trouble {
    let sentence = "The source sends pictures, but for a while no key frame with its parameter sets, which everybody \
                    needs to begin with; waiting for a key frame.";
    Trouble { code: "no_key_frame".into(), sentence: sentence.into() }
}

#[cfg(test)]
mod tests;
