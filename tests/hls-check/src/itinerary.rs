//! What to ask next: polls and blocks at the same time, fetches what is listed and hinted, samples what has left,
//! and now and then asks for what must be refused. Pure, so that a scripted server is checked in virtual time.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use url::Url;

use crate::checker::{Checker, History};
use crate::observation::{Directives, Object, ObjectKind, Observation, Purpose, Range, Request};
use crate::playlist::{HintKind, MediaPlaylist, Part, Progress, Segment};

/// Requests under way for each playlist; beyond them objects wait, and the oldest of them may never be fetched.
const IN_FLIGHT_MAX: usize = 24;

/// Segments and parts that are fetched of what was there at the beginning.
const SEGMENTS_AT_START: u64 = 2;

/// Media playlists that are followed; further ones are not.
const PLAYLISTS_MAX: usize = 32;

/// Renditions may come later.
const MULTIVARIANT_INTERVAL: Duration = Duration::from_secs(10);

/// Before the first playlist: how often it is asked for.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// Each n-th blocking request is one for a whole segment.
const WHOLE_SEGMENT_EACH: u32 = 7;

/// Decides on requests.
#[derive(Debug)]
pub struct Itinerary {
    start: Url,
    slack: Duration,
    /// When the first playlist is asked for again.
    next_start: Duration,
    followed: Vec<Followed>,
}

/// One media playlist.
#[derive(Debug, Default)]
struct Followed {
    in_flight: Vec<Request>,
    polls: u32,
    next_poll: Duration,
    blocks: u32,
    next_block: Duration,
    /// How far it was when the last blocking request was sent.
    blocked_for: Option<Progress>,
    probes: u32,
    next_probe: Duration,
    /// The last objects that were asked for.
    fetched: VecDeque<String>,
    sampled: BTreeSet<(u64, Option<usize>)>,
}

impl Itinerary {
    /// `start` is a multivariant or a media playlist, `slack` as the checker's.
    #[must_use]
    pub fn new(start: Url, slack: Duration) -> Self {
        Self { start, slack, next_start: Duration::ZERO, followed: Vec::new() }
    }

    /// What to send now. To be called after every answer, and several times a second.
    pub fn next(&mut self, checker: &Checker, now: Duration) -> Vec<Request> {
        let known = checker.histories().len().min(PLAYLISTS_MAX);
        self.followed.resize_with(known.max(self.followed.len()), Followed::default);
        let followed = self.followed.iter_mut().zip(checker.histories()).enumerate();
        let mut requests: Vec<_> =
            followed.flat_map(|(index, (followed, history))| followed.next(index, history, now, self.slack)).collect();
        if now >= self.next_start {
            self.next_start = now + if known == 0 { IMPATIENCE } else { MULTIVARIANT_INTERVAL };
            let url = self.start.clone();
            requests.push(Request { url, purpose: Purpose::Multivariant, range: None, sent: now });
        }
        requests
    }

    pub fn answered(&mut self, observation: &Observation) {
        let Observation { request, response } = observation;
        if let (Purpose::Playlist(directives), false) = (request.purpose, response.is_ok()) {
            let asked = self.followed.iter_mut().filter(|followed| followed.in_flight.contains(request));
            for followed in asked.filter(|_| directives.msn.is_some()) {
                followed.next_block = response.received + IMPATIENCE;
            }
        }
        self.over(request);
    }

    /// A request will have no answer.
    pub fn over(&mut self, request: &Request) {
        for followed in &mut self.followed {
            followed.in_flight.retain(|other| other != request);
        }
    }
}

impl Followed {
    fn next(&mut self, rendition: usize, history: &History, now: Duration, slack: Duration) -> Vec<Request> {
        let before = self.in_flight.len();
        self.poll(history, now);
        if let Some(playlist) = history.playlist() {
            if !playlist.end_list {
                self.block(history, playlist, now);
            }
            self.probe(history, playlist, now);
            self.fetch(rendition, history, playlist, now);
            self.sample(rendition, history, playlist, (now, slack));
        }
        self.in_flight.iter().skip(before).cloned().collect()
    }

    fn ask(&mut self, url: Url, purpose: Purpose, range: Option<Range>, sent: Duration) {
        self.in_flight.push(Request { url, purpose, range, sent });
    }

    fn is_asking(&self, wanted: impl Fn(&Directives) -> bool) -> bool {
        let playlist = |request: &Request| match request.purpose {
            Purpose::Playlist(directives) => wanted(&directives),
            Purpose::Multivariant | Purpose::Object(_) | Purpose::Nothing => false,
        };
        self.in_flight.iter().any(playlist)
    }

    /// Plainly and as a delta update by turns, twice in a target duration.
    fn poll(&mut self, history: &History, now: Duration) {
        if now < self.next_poll || self.is_asking(|directives| directives.msn.is_none() && directives.part.is_none()) {
            return;
        }
        let interval = history.playlist().map_or(IMPATIENCE, |playlist| playlist.target_duration / 2);
        self.next_poll = now + interval.max(IMPATIENCE);
        self.polls += 1;
        let offered = history.playlist().is_some_and(|playlist| playlist.can_skip_until().is_some());
        let directives = Directives { skip: offered && self.polls.is_multiple_of(2), ..Directives::default() };
        self.ask(history.url.clone(), Purpose::Playlist(directives), None, now);
    }

    /// For what comes next; the chain never breaks.
    fn block(&mut self, history: &History, playlist: &MediaPlaylist, now: Duration) {
        let progress = playlist.progress();
        let pending = self.blocked_for.is_some_and(|_| {
            self.is_asking(|directives| directives.msn.is_some() && Some(progress) == self.blocked_for)
        });
        if !playlist.can_block_reload() || pending || now < self.next_block {
            return;
        }
        if self.blocked_for == Some(progress) {
            // It was answered and nothing is new: not at once again.
            self.next_block = now + IMPATIENCE;
        }
        self.blocked_for = Some(progress);
        self.blocks += 1;
        let whole = playlist.part_target.is_none() || self.blocks.is_multiple_of(WHOLE_SEGMENT_EACH);
        let part = (!whole).then_some(progress.parts as u64);
        let skip = playlist.can_skip_until().is_some() && self.blocks.is_multiple_of(3);
        let directives = Directives { msn: Some(progress.open_msn), part, skip };
        self.ask(history.url.clone(), Purpose::Playlist(directives), None, now);
    }

    /// What must be refused, or answered at once, or understood in another way; one after another.
    fn probe(&mut self, history: &History, playlist: &MediaPlaylist, now: Duration) {
        if now < self.next_probe {
            return;
        }
        self.next_probe = now + playlist.target_duration;
        self.probes += 1;
        let progress = playlist.progress();
        let last = progress.open_msn.saturating_sub(1);
        let beyond = history.parts_of(last) as u64 + 1;
        let (msn, part) = match self.probes % 6 {
            // Directives are to be ignored then.
            _ if playlist.end_list => (Some(progress.open_msn + 1), None),
            0 => (Some(progress.open_msn + 1000), None),
            1 => (Some(progress.open_msn), Some(progress.parts as u64 + 1000)),
            2 => (None, Some(0)),
            3 => (Some(playlist.media_sequence.saturating_sub(1)), None),
            4 => (Some(last), Some(beyond)),
            _ => {
                if let Ok(url) = history.url.join("there-is-no-such-part.m4s") {
                    self.ask(url, Purpose::Nothing, None, now);
                }
                return;
            }
        };
        if playlist.can_block_reload() && (part.is_none() || playlist.part_target.is_some()) {
            let directives = Directives { msn, part, skip: false };
            self.ask(history.url.clone(), Purpose::Playlist(directives), None, now);
        }
    }

    /// Everything new, once.
    fn fetch(&mut self, rendition: usize, history: &History, playlist: &MediaPlaylist, now: Duration) {
        for wanted in wanted(history, playlist) {
            let name = format!("{:?} {}", wanted.kind, wanted.uri);
            if self.in_flight.len() < IN_FLIGHT_MAX && !self.fetched.contains(&name) {
                self.fetched.push_back(name);
                if self.fetched.len() > FETCHED_MAX {
                    self.fetched.pop_front();
                }
                self.fetch_one(rendition, history, &wanted, now);
            }
        }
    }

    fn fetch_one(&mut self, rendition: usize, history: &History, wanted: &Wanted<'_>, now: Duration) {
        if let Ok(url) = history.url.join(wanted.uri) {
            self.ask(url, Purpose::Object(Object { rendition, kind: wanted.kind }), wanted.range, now);
        }
    }

    /// What has left the playlist, shortly before it may vanish.
    fn sample(
        &mut self,
        rendition: usize,
        history: &History,
        playlist: &MediaPlaylist,
        (now, slack): (Duration, Duration),
    ) {
        self.sampled = self.sampled.split_off(&(playlist.media_sequence.saturating_sub(SAMPLED_MAX as u64), None));
        let target = playlist.target_duration;
        let soon = |until: Duration| now + target >= until && now + slack < until;
        for (msn, known) in history.segments.range(..playlist.media_sequence).rev().take(SAMPLED_MAX) {
            let until = known.seen.not_before.map(|since| since + known.segment.duration + known.longest);
            if !known.segment.gap && until.is_some_and(soon) && self.sampled.insert((*msn, None)) {
                self.fetch_one(rendition, history, &Wanted::segment(*msn, &known.segment), now);
            }
        }
        let removed = history.parts.iter().rev().filter(|(_, known)| known.removed && !known.part.gap);
        for ((msn, index), known) in removed.take(SAMPLED_MAX) {
            if soon(known.listed_last + target * 3) && self.sampled.insert((*msn, Some(*index))) {
                self.fetch_one(rendition, history, &Wanted::part((*msn, *index), &known.part), now);
            }
        }
    }
}

/// An object to fetch.
struct Wanted<'a> {
    kind: ObjectKind,
    uri: &'a str,
    range: Option<Range>,
}

impl<'a> Wanted<'a> {
    fn part((msn, index): (u64, usize), part: &'a Part) -> Self {
        let range = part.byte_range.map(|range| (range.start, Some(range.length)));
        Self { kind: ObjectKind::Part { msn, index }, uri: &part.uri, range }
    }

    fn segment(msn: u64, segment: &'a Segment) -> Self {
        let range = segment.byte_range.map(|range| (range.start, Some(range.length)));
        Self { kind: ObjectKind::Segment { msn }, uri: &segment.uri, range }
    }
}

/// What can be fetched of the newest segments: inits, then what is hinted, parts, segments.
fn wanted<'a>(history: &'a History, playlist: &'a MediaPlaylist) -> Vec<Wanted<'a>> {
    let progress = playlist.progress();
    let first = progress.open_msn.saturating_sub(SEGMENTS_AT_START);
    let maps = playlist.segments.iter().chain([&playlist.open]).filter_map(|segment| segment.map.as_ref());
    let mut wanted: Vec<_> = maps.map(|(_, uri)| Wanted { kind: ObjectKind::Init, uri, range: None }).collect();
    for hint in playlist.hints.iter().filter(|hint| hint.kind == HintKind::Part) {
        let ranged = hint.start.is_some() || hint.length.is_some();
        let range = ranged.then_some((hint.start.unwrap_or(0), hint.length));
        let kind = ObjectKind::Hint { msn: progress.open_msn, index: progress.parts };
        wanted.push(Wanted { kind, uri: &hint.uri, range });
    }
    let parts = history.parts.range((first, 0)..).filter(|(_, known)| !known.part.gap);
    wanted.extend(parts.map(|(place, known)| Wanted::part(*place, &known.part)));
    for (msn, known) in history.segments.range(first..).filter(|(_, known)| !known.segment.gap) {
        // Its parts first, so that they can be compared with it.
        let mut parts = history.parts.range((*msn, 0)..(msn + 1, 0));
        if known.seen.not_before.is_none() || parts.all(|(_, part)| part.part.gap || part.bytes.is_some()) {
            wanted.push(Wanted::segment(*msn, &known.segment));
        }
    }
    wanted
}

/// More than stands in a few segments, which are all that is looked at.
const FETCHED_MAX: usize = 4096;

/// How many of the things that left last are looked at.
const SAMPLED_MAX: usize = 200;
