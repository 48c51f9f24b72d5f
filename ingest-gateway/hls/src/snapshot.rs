//! What another gateway needs to go on with a stream whose gateway died: everything that playlists say, nothing of the
//! media.
//!
//! What the dead gateway published after its last snapshot is not known here. So media of the successor lies in a folder
//! of its own, and begins behind a discontinuity; up to there, time is a gap.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::boundary::{Boundaries, Boundary};
use crate::history::{History, SEGMENTS_MAX};
use crate::packager::{Packager, Phase};
use crate::rendition::Rendition;
use crate::sample::{Configuration, Declaration, Picture, WriteFragment};
use crate::segment::{Body, Init, Part, Segment};
use crate::settings::{Settings, SettingsError};
use crate::time::{StreamTime, WallTime};

/// A stream that nobody packaged for so long is over; who brings it back begins a new one.
const HOLE_MAX: Duration = Duration::from_secs(600);

/// The state of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    settings: Settings,
    epoch: u32,
    origin: WallTime,
    playable: bool,
    boundaries: Vec<Boundary>,
    renditions: Vec<RenditionState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RenditionState {
    declaration: Declaration,
    inits: Vec<InitState>,
    /// Oldest first; the last one grows.
    segments: Vec<SegmentState>,
    /// Number of the next fragment.
    fragments: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct InitState {
    number: u32,
    epoch: u32,
    bytes: Vec<u8>,
    codecs: String,
    picture: Option<Picture>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SegmentState {
    boundary: Boundary,
    epoch: u32,
    start: StreamTime,
    init: Option<u32>,
    parts: Vec<PartState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PartState {
    end: StreamTime,
    independent: bool,
    gap: bool,
}

impl Snapshot {
    /// The folder that media lay in. A successor takes a higher one.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }
}

impl Packager {
    /// The state by now; `None` before the stream began and when it is over. It changes with every part.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        let (Phase::Live { playable }, Some(origin)) = (self.phase, self.stream.origin) else { return None };
        Some(Snapshot {
            settings: self.stream.settings,
            epoch: self.stream.epoch,
            origin,
            playable,
            boundaries: self.stream.boundaries.iter().copied().collect(),
            renditions: self.renditions.iter().map(|rendition| rendition.state(&self.stream.settings)).collect(),
        })
    }

    /// Goes on with a stream. It is `wall` now; renditions have to be anchored again, on the same wall clock as before
    /// as far as two machines share one, and configured, if they are decoded in another way than before.
    ///
    /// # Errors
    /// When a new stream has to begin instead.
    pub fn resume(
        snapshot: Snapshot,
        epoch: u32,
        write: WriteFragment,
        wall: WallTime,
        now: Instant,
    ) -> Result<Self, ResumeError> {
        if epoch <= snapshot.epoch {
            return Err(ResumeError::Epoch);
        }
        let mut packager = Self::new(snapshot.settings, epoch, write)?;
        packager.stream.boundaries = Boundaries::from_parts(snapshot.boundaries).ok_or(ResumeError::Broken)?;
        packager.stream.origin = Some(snapshot.origin);
        packager.phase = Phase::Live { playable: snapshot.playable };
        for state in snapshot.renditions {
            packager.restore(state, now)?;
        }
        let reached = packager.renditions.iter().map(|rendition| rendition.open.start).max().unwrap_or_default();
        let until = StreamTime(wall.0.saturating_sub(snapshot.origin.0));
        if until.since(reached) > HOLE_MAX {
            return Err(ResumeError::Late);
        }
        for rendition in &mut packager.renditions {
            rendition.catch_up(until, &mut packager.stream, now);
        }
        Ok(packager)
    }

    fn restore(&mut self, state: RenditionState, now: Instant) -> Result<(), ResumeError> {
        let rendition = self.declared(state.declaration, now).map_err(|_| ResumeError::Broken)?;
        let mut segments = follow_each_other(state.segments)?;
        let growing =
            segments.pop().filter(|segment| self.stream.boundaries.get(segment.msn()) == Some(segment.boundary));
        let mut history = History::default();
        for init in state.inits {
            let configuration = Configuration { init: init.bytes.into(), codecs: init.codecs, picture: init.picture };
            history.add_init(Init { number: init.number, epoch: init.epoch, configuration });
        }
        segments.into_iter().for_each(|segment| history.push(segment, &self.stream.settings));
        let growing = growing.ok_or(ResumeError::Broken)?;
        self.renditions.push(rendition.resumed(history, growing, state.fragments));
        Ok(())
    }
}

impl Rendition {
    fn state(&self, settings: &Settings) -> RenditionState {
        let edge = self.open.start.earlier(settings.live_edge());
        let segments = self.history.listed().chain([&self.segment]);
        RenditionState {
            declaration: self.declaration.clone(),
            inits: self.history.inits().iter().map(InitState::of).collect(),
            segments: segments.map(|segment| SegmentState::of(segment, segment.end() > edge)).collect(),
            fragments: self.fragments(),
        }
    }
}

impl InitState {
    fn of(init: &Init) -> Self {
        let Configuration { init: bytes, codecs, picture } = init.configuration.clone();
        Self { number: init.number, epoch: init.epoch, bytes: Bytes::into(bytes), codecs, picture }
    }
}

impl SegmentState {
    /// `live`: its parts are listed. Of others, it is enough to know the sum of them.
    fn of(segment: &Segment, live: bool) -> Self {
        let state = |part: &Part| PartState { end: part.end, independent: part.independent, gap: part.is_gap() };
        let whole = PartState { end: segment.end(), independent: true, gap: segment.is_gap() };
        let parts = if live { segment.parts.iter().map(state).collect() } else { vec![whole] };
        Self { boundary: segment.boundary, epoch: segment.epoch, start: segment.start, init: segment.init, parts }
    }

    fn restored(self) -> Segment {
        let body = |gap| if gap { Body::Gap } else { Body::Elsewhere };
        let part = |part: PartState| Part { end: part.end, independent: part.independent, body: body(part.gap) };
        let parts = self.parts.into_iter().map(part).collect();
        Segment { boundary: self.boundary, epoch: self.epoch, start: self.start, init: self.init, parts }
    }
}

/// Segments without a hole between them, in numbers and in time.
fn follow_each_other(states: Vec<SegmentState>) -> Result<Vec<Segment>, ResumeError> {
    let segments: Vec<Segment> = states.into_iter().map(SegmentState::restored).collect();
    let mut pairs = segments.iter().zip(segments.iter().skip(1));
    let whole = segments.iter().all(|segment| segment.timed_parts().all(|(start, part)| start < part.end));
    if segments.len() > SEGMENTS_MAX + 1 || !whole || !pairs.all(|(before, after)| before.is_followed_by(after)) {
        return Err(ResumeError::Broken);
    }
    Ok(segments)
}

impl Segment {
    fn is_followed_by(&self, next: &Self) -> bool {
        self.msn().checked_add(1) == Some(next.msn()) && self.end() == next.start
    }
}

/// Why a stream does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// Its folder was used before: what is in caches would be taken for what comes.
    #[error("whoever goes on with a stream needs a higher epoch")]
    Epoch,
    /// Nobody packaged it for too long.
    #[error("nobody packaged the stream for more than ten minutes")]
    Late,
    /// It says what cannot be.
    #[error("the snapshot contradicts itself")]
    Broken,
    /// It has settings that cannot be.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}
