//! What has to hold, whatever happens: of one playlist, from one reload to the next, and between renditions.

use std::time::{Duration, Instant};

use super::parse::{Part, Playlist, Segment, parse};
use super::world::read;
use crate::address::Address;
use crate::boundary::FIRST;
use crate::*;

/// Somebody who reloads one playlist and remembers what it was.
pub(super) struct Viewer {
    name: &'static str,
    pub(super) last: Option<Playlist>,
    /// When the last part and the last segment came.
    part_at: Option<Instant>,
    segment_at: Option<Instant>,
    /// What left the playlist, and until when it has to be there.
    removed: Vec<(String, Instant)>,
    longest: Duration,
    epoch: u64,
    /// A gateway died: nothing came until now, whatever the rules say.
    excused: bool,
    /// Hints whose part came, and those whose segment ended before.
    pub(super) hints: (u64, u64),
}

impl Viewer {
    pub(super) fn new(name: &'static str, epoch: u64) -> Self {
        Self {
            name,
            last: None,
            part_at: None,
            segment_at: None,
            removed: Vec::new(),
            longest: Duration::ZERO,
            epoch,
            excused: false,
            hints: (0, 0),
        }
    }

    pub(super) fn lose_media(&mut self) {
        self.epoch += 1;
        self.excused = true;
    }

    pub(super) fn reload(&mut self, text: &str, packager: &Packager, now: Instant) {
        let playlist = parse(text);
        check_alone(&playlist, text);
        if let Some(last) = self.last.take() {
            check_edit(&last, &playlist, text);
            self.check_hint(&last, &playlist);
            self.note_removed(&last, &playlist, now);
            self.check_pace(&last, &playlist, now);
        } else {
            self.part_at = Some(now);
            self.segment_at = Some(now);
        }
        self.check_media(&playlist, packager, now);
        self.check_delta(&playlist, packager, now);
        let length = playlist.segments.iter().map(length).sum();
        self.longest = self.longest.max(Duration::from_micros(length));
        self.last = Some(playlist);
        self.excused = false;
    }

    /// 6.2.6: what was hinted comes next, unless its segment was over before.
    fn check_hint(&mut self, last: &Playlist, playlist: &Playlist) {
        let Some(hint) = last.hint("PART") else { return };
        let (msn, part) = (last.segments.last().map_or(0, |growing| growing.msn), hint);
        let parts = |playlist: &Playlist| playlist.segments.iter().map(|segment| segment.parts.len()).sum::<usize>();
        if parts(last) == parts(playlist) && last.last_part() == playlist.last_part() {
            return;
        }
        let came = playlist.segments.iter().flat_map(|segment| &segment.parts).any(|listed| listed.uri == part);
        let over = playlist.complete().any(|segment| segment.msn == msn);
        assert!(came || over || playlist.ended, "{}: the hint {part} came to nothing", self.name);
        if came {
            self.hints.0 += 1;
        } else {
            self.hints.1 += 1;
        }
    }

    /// 6.2.2: what was removed is there for its duration and that of the longest playlist.
    fn note_removed(&mut self, last: &Playlist, playlist: &Playlist, now: Instant) {
        for segment in last.complete().filter(|segment| segment.msn < playlist.msn && !segment.gap) {
            let until = now + Duration::from_micros(segment.duration) + self.longest;
            self.removed.extend(segment.uri.clone().map(|uri| (uri, until)));
        }
        self.removed.retain(|removed| removed.1 > now);
    }

    /// 6.2.1: a part within a part target of the one before, a segment within 1.5 target durations. One part target
    /// more is left to what is late, which is our exception.
    fn check_pace(&mut self, last: &Playlist, playlist: &Playlist, now: Instant) {
        let newest = |playlist: &Playlist| playlist.complete().next_back().map(|segment| segment.msn);
        if last.last_part() != playlist.last_part() {
            let pause = now - self.part_at.replace(now).unwrap();
            let most = Duration::from_micros(playlist.part_target.unwrap_or(0) * 2 + 100_000);
            assert!(
                pause <= most || self.excused || playlist.part_target.is_none(),
                "{}: no part for {pause:?}",
                self.name
            );
        }
        if newest(last) != newest(playlist) {
            let pause = now - self.segment_at.replace(now).unwrap();
            let most = Duration::from_millis(playlist.target_secs * 1_500 + 500);
            assert!(pause <= most || self.excused, "{}: no segment for {pause:?}", self.name);
        }
    }

    /// 6.2.1: what is listed can be had; a segment is its parts; init segments are there; key frames are where they
    /// are said to be; decode times go on.
    fn check_media(&self, playlist: &Playlist, packager: &Packager, now: Instant) {
        for segment in playlist.segments.iter().rev().take(3) {
            let mut joined = Vec::new();
            for part in &segment.parts {
                let body = self.fetch(&part.uri, packager, now);
                assert_eq!(body.is_none(), part.gap || self.is_lost(&part.uri), "{}", part.uri);
                let samples = read(body.as_deref().unwrap_or_default());
                assert_eq!(part.independent && body.is_some(), samples.iter().any(|sample| sample.2), "{}", part.uri);
                joined.extend(body.unwrap_or_default());
            }
            let samples = read(&joined);
            let map = segment.map.as_ref().and_then(|map| self.fetch(map, packager, now));
            if let Some(first) = samples.first() {
                assert!(map.is_some(), "{}: no init segment", segment.msn);
                assert!(
                    !playlist.independent || first.2,
                    "{}: {} does not begin with a key frame",
                    self.name,
                    segment.msn
                );
            }
            for pair in samples.windows(2) {
                assert!(pair[0].0 + u64::from(pair[0].1) <= pair[1].0, "decode times overlap: {pair:?}");
            }
            if let Some(uri) = segment.uri.as_ref().filter(|uri| !segment.gap && !self.is_lost(uri)) {
                let whole = self.fetch(uri, packager, now).expect(uri);
                assert!(segment.parts.is_empty() || whole == joined, "{uri} is not its parts");
            }
        }
        for (uri, _) in &self.removed {
            assert!(self.is_lost(uri) || self.fetch(uri, packager, now).is_some(), "{uri} was removed and is gone");
        }
    }

    /// A delta says what the whole says, with what was known before.
    fn check_delta(&self, playlist: &Playlist, packager: &Packager, now: Instant) {
        let directives = Directives { skip: Some(Skip::Segments), ..Directives::default() };
        let Answer::Ready { body, .. } = packager.playlist(self.name, directives, now, now) else {
            panic!("no delta of {}", self.name)
        };
        let delta = parse(&body);
        let skipped = usize::try_from(delta.skipped).unwrap();
        let map = skipped.checked_sub(1).and_then(|last| playlist.segments[last].map.clone());
        let mut merged = playlist.segments[..skipped].to_vec();
        let mut dsn = merged.last().map(|segment| segment.dsn);
        merged.extend(delta.segments.into_iter().map(|mut segment| {
            if let Some(before) = dsn {
                let dsn_now = before + u64::from(segment.discontinuity);
                segment.dsn = dsn_now;
                dsn = Some(dsn_now);
            }
            segment.map = segment.map.or_else(|| map.clone());
            segment
        }));
        assert_eq!(merged, playlist.segments);
        assert_eq!(delta.version, if skipped > 0 { 9 } else { 6 });
        let rest: u64 = playlist.complete().skip(skipped).map(|segment| segment.duration).sum();
        assert!(skipped == 0 || rest >= playlist.target_secs * 6_000_000, "beyond the skip boundary");
    }

    fn is_lost(&self, uri: &str) -> bool {
        uri.split('/').next().and_then(|epoch| epoch.parse::<u64>().ok()).unwrap() < self.epoch
    }

    fn fetch(&self, uri: &str, packager: &Packager, now: Instant) -> Option<Vec<u8>> {
        match packager.media(Address::parse(uri).expect(uri), now, now) {
            Answer::Ready { body, .. } => Some(body.concat()),
            Answer::Elsewhere => {
                assert!(self.is_lost(uri), "{uri} is elsewhere");
                None
            }
            Answer::Refused { refusal: Refusal::NotFound, .. } => None,
            other @ (Answer::Wait { .. } | Answer::Refused { .. }) => panic!("{uri}: {other:?}"),
        }
    }
}

fn length(segment: &Segment) -> u64 {
    let parts = segment.parts.iter().map(|part| part.duration).sum();
    if segment.uri.is_some() { segment.duration } else { parts }
}

fn check_alone(playlist: &Playlist, text: &str) {
    let target = playlist.target_secs * 1_000_000;
    assert_eq!(playlist.version, 6, "section 8");
    for segment in playlist.complete() {
        assert!(
            (segment.duration + 500_000) / 1_000_000 <= playlist.target_secs,
            "4.4.3.1: {}\n{text}",
            segment.duration
        );
        let parts: u64 = segment.parts.iter().map(|part| part.duration).sum();
        assert!(segment.parts.is_empty() || parts == segment.duration, "parts of {} are not its sum", segment.msn);
        assert!(segment.parts.is_empty() || segment.gap == segment.parts.iter().all(|part| part.gap));
    }
    for segment in &playlist.segments {
        check_parts(playlist, segment, text);
        assert!(segment.date_ms > 0, "appendix B: every segment has a date");
    }
    for pair in playlist.segments.windows(2) {
        let between = pair[1].date_ms - pair[0].date_ms - i64::try_from(pair[0].duration / 1_000).unwrap();
        assert!(between.abs() <= 1, "dates jump by {between} ms at {}", pair[1].msn);
    }
    assert_eq!(
        playlist.hints.iter().filter(|hint| hint.0 == "PART").count(),
        usize::from(playlist.part_target.is_some() && !playlist.ended)
    );
    assert!(playlist.hints.iter().filter(|hint| hint.0 == "MAP").count() <= 1);
    assert!(
        playlist.kind.is_some()
            || playlist.ended
            || playlist.part_target.is_none()
            || playlist.msn == FIRST
            || length_of(playlist) >= target * 3,
        "6.2.2"
    );
}

fn length_of(playlist: &Playlist) -> u64 {
    playlist.segments.iter().map(length).sum()
}

/// 4.4.4.9.
fn check_parts(playlist: &Playlist, segment: &Segment, text: &str) {
    let Some(target) = playlist.part_target else {
        return assert!(segment.parts.is_empty());
    };
    for (index, part) in segment.parts.iter().enumerate() {
        assert!(part.duration <= target && part.duration > 0, "a part of {} µs\n{text}", part.duration);
        let next: Option<&Part> = segment.parts.get(index + 1);
        let excused = part.independent || part.gap || next.is_some_and(|next| next.gap);
        let last = next.is_none() && segment.uri.is_some();
        // The last part of a segment that grows may turn out to be its last one, or to be followed by a gap.
        let open = next.is_none() && segment.uri.is_none();
        assert!(part.duration * 100 >= target * 85 || excused || last || open, "{} is too short\n{text}", part.uri);
    }
}

/// 6.2.1: a playlist is changed in these ways only.
fn check_edit(last: &Playlist, playlist: &Playlist, text: &str) {
    assert_eq!((last.target_secs, last.part_target), (playlist.target_secs, playlist.part_target));
    assert_eq!(
        (&last.control, &last.kind, last.independent),
        (&playlist.control, &playlist.kind, playlist.independent)
    );
    assert!(playlist.msn >= last.msn && !last.ended);
    let end = length_of(playlist);
    for before in last.segments.iter().filter(|segment| segment.msn >= playlist.msn) {
        let index = usize::try_from(before.msn - playlist.msn).unwrap();
        let after = playlist.segments.get(index).unwrap_or_else(|| panic!("{} vanished\n{text}", before.msn));
        assert_eq!((before.msn, before.dsn, before.discontinuity), (after.msn, after.dsn, after.discontinuity));
        assert_eq!((&before.map, before.date_ms), (&after.map, after.date_ms), "{text}");
        if before.uri.is_some() {
            assert_eq!((&before.uri, before.duration, before.gap), (&after.uri, after.duration, after.gap));
        }
        if after.parts.is_empty() {
            let behind: u64 = playlist.segments[..=index].iter().map(length).sum();
            let old = end - behind >= playlist.target_secs * 3_000_000;
            assert!(old || before.parts.is_empty(), "parts of {} went too early\n{text}", before.msn);
        } else {
            assert!(after.parts.starts_with(&before.parts), "parts of {} changed\n{text}", before.msn);
            assert!(before.uri.is_none() || before.parts == after.parts);
        }
    }
}

/// 6.2.4: numbers of discontinuities, and what is constant, are the same in all renditions.
pub(super) fn across<'a>(viewers: impl Iterator<Item = &'a Viewer> + Clone) {
    let playlists: Vec<&Playlist> = viewers.filter_map(|viewer| viewer.last.as_ref()).collect();
    for (index, one) in playlists.iter().enumerate() {
        for other in &playlists[..index] {
            assert_eq!((one.target_secs, &one.control), (other.target_secs, &other.control));
            let from = one.msn.max(other.msn);
            let after = |playlist: &&Playlist| usize::try_from(from - playlist.msn).unwrap();
            let pairs = one.segments.iter().skip(after(one)).zip(other.segments.iter().skip(after(other)));
            for (a, b) in pairs {
                assert_eq!(a.dsn, b.dsn, "segment {} of two renditions", a.msn);
                let apart = (a.date_ms - b.date_ms).unsigned_abs();
                // One that is ahead by as much as is believed begins a segment; another one ends its own when it has to.
                let most = one.target_secs * 1_000 + 500 + 2_000;
                assert!(apart <= most, "segment {} begins {apart} ms apart", a.msn);
            }
        }
    }
}
