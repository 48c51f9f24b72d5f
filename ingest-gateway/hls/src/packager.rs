//! A stream as a whole: when it begins and ends, who leads, and what each input does to all renditions.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::boundary::Boundaries;
use crate::rendition::Rendition;
use crate::sample::{Configuration, Declaration, RenditionId, Sample, WriteFragment};
use crate::settings::{Settings, SettingsError, Window};
use crate::stats::Stats;
use crate::stream::{Output, Stream};
use crate::time::WallTime;

/// Most renditions of one stream.
pub const RENDITIONS_MAX: usize = 32;
/// Finest clock of samples: no tick may vanish between two microseconds.
const TIMESCALE_MAX: u32 = 1_000_000;
/// How long a stream waits for the first picture of its first video, once anything else came.
const BIRTH_PATIENCE: Duration = Duration::from_secs(5);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The samples of a rendition that follow are decoded like this.
    Configured(RenditionId, Configuration),
    /// Decode time 0 of a rendition is at this moment. Another moment than before is a discontinuity.
    Anchored(RenditionId, WallTime),
    /// The next sample of a rendition came.
    Sampled(RenditionId, Sample),
    /// Time passed: as [`Packager::poll_timeout`] asked for.
    Timeout,
    /// Nothing more comes.
    Ended,
}

/// Makes a stream of samples.
#[derive(Debug)]
pub struct Packager {
    pub(crate) stream: Stream,
    pub(crate) renditions: Vec<Rendition>,
    pub(crate) phase: Phase,
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits for the first picture; since when, if anything came.
    Unborn { since: Option<Instant> },
    /// It goes on; whether playlists can be had.
    Live { playable: bool },
    /// Nothing changes any more.
    Ended,
}

impl Packager {
    /// A stream that is to begin. `epoch` names the folder of its media: another one for each gateway and each attempt.
    ///
    /// # Errors
    /// When playlists could not be legal.
    pub fn new(settings: Settings, epoch: u32, write: WriteFragment) -> Result<Self, SettingsError> {
        settings.check()?;
        let stream = Stream {
            settings,
            write,
            epoch,
            origin: None,
            boundaries: Boundaries::new(),
            stats: Stats::default(),
            outputs: VecDeque::new(),
        };
        Ok(Self { stream, renditions: Vec::new(), phase: Phase::Unborn { since: None } })
    }

    /// Adds a rendition. Videos are declared best first; the first one that is alive leads. One that is added to a
    /// stream that goes on has gaps in the place of its past.
    ///
    /// # Errors
    /// When there are too many, or another one has its name.
    pub fn declare(&mut self, declaration: Declaration, now: Instant) -> Result<RenditionId, DeclarationError> {
        let mut rendition = self.declared(declaration, now)?;
        let id = rendition.id;
        if let Some(other) = self.renditions.first() {
            rendition.catch_up(other.open.start, &mut self.stream, now);
        }
        self.renditions.push(rendition);
        Ok(id)
    }

    /// A rendition that begins with the oldest segment that is listed.
    pub(crate) fn declared(&self, declaration: Declaration, now: Instant) -> Result<Rendition, DeclarationError> {
        if self.renditions.len() >= RENDITIONS_MAX {
            return Err(DeclarationError::TooMany);
        }
        if declaration.timescale == 0 || declaration.timescale > TIMESCALE_MAX {
            return Err(DeclarationError::Timescale(declaration.timescale));
        }
        if self.renditions.iter().any(|rendition| rendition.declaration.name == declaration.name) {
            return Err(DeclarationError::NameTaken);
        }
        let first = self.stream.boundaries.oldest();
        Ok(Rendition::new(RenditionId(self.renditions.len()), declaration, first, self.stream.epoch, now))
    }

    /// The rendition of this name: of a stream that is gone on with, whoever packaged it before has declared it.
    #[must_use]
    pub fn rendition(&self, name: &str) -> Option<RenditionId> {
        self.named(name).map(|rendition| rendition.id)
    }

    /// Tells what happened.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        if self.phase == Phase::Ended {
            return;
        }
        let newest = self.stream.boundaries.head().msn;
        match input {
            Input::Configured(id, configuration) => {
                if let Some(rendition) = self.renditions.get_mut(id.0) {
                    rendition.configure(configuration, &self.stream);
                }
            }
            Input::Anchored(id, zero) => {
                if let Some(rendition) = self.renditions.get_mut(id.0) {
                    rendition.anchor(zero);
                }
            }
            Input::Sampled(id, sample) => self.handle_sample(id, sample, now),
            Input::Timeout => self.handle_timeout(now),
            Input::Ended => return self.end(now),
        }
        self.settle(newest, now);
    }

    /// What is to be done; to be asked until there is nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.stream.outputs.pop_front()
    }

    /// When to call with [`Input::Timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Unborn { .. } | Phase::Ended => None,
            Phase::Live { .. } => self.renditions.iter().map(|rendition| rendition.stalls_at(&self.stream)).min(),
        }
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stream.stats
    }

    fn handle_sample(&mut self, id: RenditionId, sample: Sample, now: Instant) {
        if let Phase::Unborn { since } = self.phase {
            let since = since.unwrap_or(now);
            self.phase = Phase::Unborn { since: Some(since) };
            if !self.is_born_by(id, &sample, since, now) {
                self.stream.stats.early += 1;
                return;
            }
        }
        let leads = self.leader(now) == Some(id);
        if let Some(rendition) = self.renditions.get_mut(id.0) {
            rendition.handle_sample(sample, leads, &mut self.stream, now);
        }
    }

    /// Whether the stream begins with this sample.
    fn is_born_by(&mut self, id: RenditionId, sample: &Sample, since: Instant, now: Instant) -> bool {
        let first_video = self.renditions.iter().find(|rendition| rendition.is_video()).map(|rendition| rendition.id);
        let awaited = first_video.is_none_or(|first| first == id);
        let waited = now.saturating_duration_since(since) >= BIRTH_PATIENCE;
        let Some(rendition) = self.renditions.get(id.0) else { return false };
        let Some(moment) = rendition.moment(sample) else { return false };
        if rendition.configuration().is_none() || !sample.sync || !(awaited || waited) {
            return false;
        }
        self.stream.origin = Some(moment);
        self.phase = Phase::Live { playable: false };
        self.renditions.iter_mut().for_each(|rendition| rendition.begin(now));
        true
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Phase::Live { .. } = self.phase {
            self.renditions.iter_mut().for_each(|rendition| rendition.stall(&mut self.stream, now));
        }
    }

    /// Whose key frames end segments: the first video of which something came lately; without any, the first sound.
    fn leader(&self, now: Instant) -> Option<RenditionId> {
        let within = self.stream.settings.part_target * 2;
        let alive = |rendition: &&Rendition| rendition.is_alive(within, now);
        let videos = self.renditions.iter().filter(|rendition| rendition.is_video());
        let sounds = self.renditions.iter().filter(|rendition| !rendition.is_video());
        let leader = videos.clone().find(alive).or_else(|| sounds.clone().find(alive));
        leader.or_else(|| videos.chain(sounds).next()).map(|rendition| rendition.id)
    }

    /// What follows from an input for all renditions: boundaries that were made, room, playability.
    fn settle(&mut self, newest: u64, now: Instant) {
        if self.stream.boundaries.head().msn > newest {
            self.renditions.iter_mut().for_each(|rendition| rendition.follow(&mut self.stream, now));
            let oldest = self.renditions.iter().map(Rendition::oldest_msn).min();
            self.stream.boundaries.forget_before(oldest.unwrap_or(0));
        }
        self.make_room();
        if self.phase == (Phase::Live { playable: false }) && self.is_playable() {
            self.phase = Phase::Live { playable: true };
            self.stream.outputs.push_back(Output::BecomePlayable);
        }
        if self.renditions.iter().any(|rendition| rendition.history.is_full())
            && self.stream.settings.window == Window::Event
        {
            self.end(now);
        }
    }

    /// There is a whole segment to begin with, and every rendition has a playlist.
    fn is_playable(&self) -> bool {
        let mut offered = self.renditions.iter().filter(|rendition| rendition.configuration().is_some()).peekable();
        let whole = self.renditions.iter().any(|rendition| rendition.history.listed().any(|segment| !segment.is_gap()));
        whole && offered.peek().is_some() && offered.all(|rendition| rendition.history.last().is_some())
    }

    fn make_room(&mut self) {
        let limit = self.stream.settings.bytes_max;
        while self.stream.stats.held_bytes > limit / 8 * 7 {
            let renditions = self.renditions.iter_mut();
            let oldest = renditions
                .filter(|rendition| rendition.history.has_removed())
                .min_by_key(|rendition| rendition.history.oldest_msn());
            let released = match oldest {
                Some(rendition) => rendition.history.drop_removed(),
                None => self.release_listed(),
            };
            if released == 0 {
                break;
            }
            self.stream.stats.evicted += 1;
            self.stream.released(released);
        }
    }

    /// Of an event, only what is old may go: it stays in the playlist, and others keep it.
    fn release_listed(&mut self) -> usize {
        if self.stream.settings.window != Window::Event {
            return 0;
        }
        self.renditions.iter_mut().map(|rendition| rendition.history.release_oldest(&self.stream.settings)).sum()
    }

    fn end(&mut self, now: Instant) {
        if let Phase::Live { .. } = self.phase {
            self.renditions.iter_mut().for_each(|rendition| rendition.finish(&mut self.stream, now));
        }
        self.phase = Phase::Ended;
        self.stream.outputs.push_back(Output::End);
    }
}

/// Why a rendition cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    /// There are as many as there may be.
    #[error("a stream has at most {RENDITIONS_MAX} renditions")]
    TooMany,
    /// Another one has its name.
    #[error("another rendition of the stream has this name")]
    NameTaken,
    /// No such clock.
    #[error("a timescale has 1 to {TIMESCALE_MAX} ticks per second, not {0}")]
    Timescale(u32),
}
