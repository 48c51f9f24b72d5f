//! What is known of one media playlist: everything that it ever listed, and since when. Facts only, no rules.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use url::Url;

use super::state::State;
use crate::fragment::{Run, Tracks};
use crate::playlist::{MediaPlaylist, Part, Progress, Segment, WallClock};

/// Segments that are remembered, oldest forgotten first: hours of a usual stream.
const SEGMENTS_MAX: usize = 20_000;

/// Parts that are hinted are listed soon, or never.
const HINTS_MAX: usize = 64;

#[derive(Debug)]
pub(crate) struct History {
    pub(crate) url: Url,
    pub(crate) segments: BTreeMap<u64, KnownSegment>,
    /// By segment and place in it.
    pub(crate) parts: BTreeMap<(u64, usize), KnownPart>,
    latest: Option<Version>,
    /// Until when it is known that nothing newer than `latest` was published.
    pub(crate) nothing_new_until: Duration,
    /// What another playlist's report said of this one, and when that was received.
    pub(crate) claimed: Option<(Duration, Progress)>,
    /// The last answers to requests for hinted resources.
    pub(crate) hints: VecDeque<HintAnswer>,
    /// Init segments by their URLs.
    pub(crate) inits: BTreeMap<String, Tracks>,
    /// When it was first known to have ended.
    pub(crate) ended: Option<Duration>,
    /// Where a stall was told, so that it is told once.
    pub(crate) stalled_at: Option<Progress>,
}

/// A playlist, whole, with the time it tells about.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) playlist: MediaPlaylist,
    pub(crate) state: State,
}

/// When something was published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Unknown for what the first answer listed.
    pub(crate) not_before: Option<Duration>,
    pub(crate) by: Duration,
}

#[derive(Debug)]
pub(crate) struct KnownSegment {
    pub(crate) segment: Segment,
    pub(crate) dsn: u64,
    /// Its own date, or the one that follows from those before.
    pub(crate) date: Option<WallClock>,
    pub(crate) seen: Seen,
    /// When the last request was sent whose answer listed it.
    pub(crate) listed_last: Duration,
    /// The longest playlist that listed it.
    pub(crate) longest: Duration,
    pub(crate) runs: BTreeMap<u32, Run>,
}

#[derive(Debug)]
pub(crate) struct KnownPart {
    pub(crate) part: Part,
    pub(crate) seen: Seen,
    pub(crate) listed_last: Duration,
    pub(crate) removed: bool,
    /// Length and digest of its bytes, once they were fetched.
    pub(crate) bytes: Option<(usize, u64)>,
    pub(crate) runs: BTreeMap<u32, Run>,
}

/// What came of asking for something that was hinted.
#[derive(Debug)]
pub(crate) struct HintAnswer {
    pub(crate) url: String,
    /// Where the byte range began that was asked for.
    pub(crate) start: u64,
    pub(crate) status: u16,
    pub(crate) digest: u64,
}

/// What an answer told for the first time, in order.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) segments: Vec<u64>,
    pub(crate) parts: Vec<(u64, usize)>,
}

impl History {
    pub(crate) fn new(url: Url) -> Self {
        Self {
            url,
            segments: BTreeMap::new(),
            parts: BTreeMap::new(),
            latest: None,
            nothing_new_until: Duration::ZERO,
            claimed: None,
            hints: VecDeque::new(),
            inits: BTreeMap::new(),
            ended: None,
            stalled_at: None,
        }
    }

    /// The most advanced version.
    pub(crate) fn latest(&self) -> Option<&Version> {
        self.latest.as_ref()
    }

    pub(crate) fn playlist(&self) -> Option<&MediaPlaylist> {
        self.latest.as_ref().map(|version| &version.playlist)
    }

    pub(crate) fn progress(&self) -> Progress {
        self.playlist().map(MediaPlaylist::progress).unwrap_or_default()
    }

    pub(crate) fn segment(&self, msn: u64) -> Option<&Segment> {
        self.segments.get(&msn).map(|known| &known.segment)
    }

    /// How many parts of a segment were ever listed.
    pub(crate) fn parts_of(&self, msn: u64) -> usize {
        self.parts.range((msn, 0)..(msn + 1, 0)).next_back().map_or(0, |((_, index), _)| index + 1)
    }

    /// The place of the first part that a whole segment still lists: its first parts leave first.
    pub(crate) fn first_index(&self, msn: u64, listed: &Segment) -> usize {
        self.parts_of(msn).saturating_sub(listed.parts.len())
    }

    /// Every part with its place and segment.
    pub(crate) fn listed_parts<'a>(
        &'a self,
        playlist: &'a MediaPlaylist,
    ) -> impl Iterator<Item = ((u64, usize), &'a Part)> {
        let whole = playlist.numbered().map(move |(msn, _, segment)| (msn, self.first_index(msn, segment), segment));
        let open = (playlist.progress().open_msn, 0, &playlist.open);
        whole.chain([open]).flat_map(|(msn, first, segment)| {
            segment.parts.iter().zip(first..).map(move |(part, index)| ((msn, index), part))
        })
    }

    /// The latest end of the stream, where it has dates.
    pub(crate) fn end(&self, playlist: &MediaPlaylist) -> Option<WallClock> {
        let (_, last) = self.segments.range(..playlist.progress().open_msn).next_back()?;
        Some(last.date?.plus(last.segment.duration).plus(playlist.open.parts_duration()))
    }

    pub(crate) fn hint(&self, url: &str, start: u64) -> Option<&HintAnswer> {
        self.hints.iter().rev().find(|answer| answer.url == url && answer.start == start)
    }

    pub(crate) fn remember_hint(&mut self, answer: HintAnswer) {
        self.hints.push_back(answer);
        if self.hints.len() > HINTS_MAX {
            self.hints.pop_front();
        }
    }

    pub(crate) fn claim(&mut self, at: Duration, progress: Progress) {
        if self.claimed.is_none_or(|(_, before)| before < progress) {
            self.claimed = Some((at, progress));
        }
    }

    /// Takes in an answer and tells what is new in it.
    pub(crate) fn learn(&mut self, version: Version) -> News {
        let news = News { segments: self.learn_segments(&version), parts: self.learn_parts(&version) };
        let state = &version.state;
        if !state.cached {
            let is_newest = version.playlist.progress() >= self.progress();
            let until = if is_newest { state.not_before } else { Duration::ZERO };
            self.nothing_new_until = self.nothing_new_until.max(until);
        }
        if version.playlist.end_list {
            self.ended.get_or_insert(state.received);
        }
        let is_newer = |old: &Version| {
            (version.playlist.progress(), version.playlist.media_sequence, version.playlist.end_list)
                >= (old.playlist.progress(), old.playlist.media_sequence, old.playlist.end_list)
        };
        if self.latest.as_ref().is_none_or(is_newer) {
            self.mark_removed(&version);
            self.latest = Some(version);
        }
        while self.segments.len() > SEGMENTS_MAX {
            self.segments.pop_first();
        }
        let oldest = self.segments.first_key_value().map_or(0, |(msn, _)| *msn);
        self.parts = self.parts.split_off(&(oldest, 0));
        news
    }

    fn learn_segments(&mut self, version: &Version) -> Vec<u64> {
        let (playlist, state) = (&version.playlist, &version.state);
        let duration = playlist.duration();
        let newest = playlist.progress().open_msn.checked_sub(1);
        let mut news = Vec::new();
        for (msn, dsn, segment) in playlist.numbered() {
            if let Some(known) = self.segments.get_mut(&msn) {
                known.listed_last = known.listed_last.max(state.sent);
                known.longest = known.longest.max(duration);
                continue;
            }
            let before = msn.checked_sub(1).and_then(|before| self.segments.get(&before));
            let follows = before.and_then(|before| Some(before.date?.plus(before.segment.duration)));
            let date = segment.date.or(follows);
            let awaited = Some(msn) == newest && playlist.open.parts.is_empty();
            let seen = self.seen(state, awaited);
            let known = KnownSegment {
                segment: segment.clone(),
                dsn,
                date,
                seen,
                listed_last: state.sent,
                longest: duration,
                runs: BTreeMap::new(),
            };
            self.segments.insert(msn, known);
            news.push(msn);
        }
        news
    }

    fn learn_parts(&mut self, version: &Version) -> Vec<(u64, usize)> {
        let listed: Vec<_> = self.listed_parts(&version.playlist).map(|(place, part)| (place, part.clone())).collect();
        let newest = listed.last().map(|(place, _)| *place);
        let mut news = Vec::new();
        for (place, part) in listed {
            if let Some(known) = self.parts.get_mut(&place) {
                known.listed_last = known.listed_last.max(version.state.sent);
                continue;
            }
            let seen = self.seen(&version.state, Some(place) == newest);
            let (listed_last, runs) = (version.state.sent, BTreeMap::new());
            self.parts.insert(place, KnownPart { part, seen, listed_last, removed: false, bytes: None, runs });
            news.push(place);
        }
        news
    }

    /// When something was published that an answer tells first; what made a deferred answer come, came with it.
    fn seen(&self, state: &State, awaited: bool) -> Seen {
        let since = if awaited && state.deferred { state.not_before } else { self.nothing_new_until };
        Seen { not_before: self.latest.as_ref().map(|_| since), by: state.received }
    }

    fn mark_removed(&mut self, version: &Version) {
        let listed: Vec<_> = self.listed_parts(&version.playlist).map(|(place, _)| place).collect();
        let first = listed.first().copied().unwrap_or_else(|| (version.playlist.progress().open_msn, 0));
        // They leave in order: what is older than one that has left was marked before.
        for (_, known) in self.parts.range_mut(..first).rev().take_while(|(_, known)| !known.removed) {
            known.removed = true;
        }
    }
}
