//! What a media playlist says.

use std::time::Duration;

use super::WallClock;

/// A media playlist, whole or a delta update.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MediaPlaylist {
    /// 1 when it does not say.
    pub version: u64,
    /// The lowest version that allows what stands in it (section 8).
    pub version_needed: u64,
    pub target_duration: Duration,
    pub media_sequence: u64,
    /// `None` when it does not say, which means 0.
    pub discontinuity_sequence: Option<u64>,
    pub kind: Option<Kind>,
    pub independent_segments: bool,
    pub i_frames_only: bool,
    pub part_target: Option<Duration>,
    pub control: Option<ServerControl>,
    pub skip: Option<Skip>,
    /// The whole segments that it lists, oldest first.
    pub segments: Vec<Segment>,
    /// The segment that has no URI yet: its tags and parts, without duration.
    pub open: Segment,
    pub hints: Vec<Hint>,
    pub reports: Vec<RenditionReport>,
    pub end_list: bool,
    /// Tags that this reader does not know, as they stand.
    pub unknown: Vec<String>,
    /// The lines above the first segment or part, for excerpts.
    pub head: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Event,
    Vod,
}

/// `EXT-X-SERVER-CONTROL`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerControl {
    pub can_skip_until: Option<Duration>,
    pub can_skip_date_ranges: bool,
    pub hold_back: Option<Duration>,
    pub part_hold_back: Option<Duration>,
    pub can_block_reload: bool,
}

/// `EXT-X-SKIP`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skip {
    pub segments: u64,
    pub replaces_date_ranges: bool,
}

/// A media segment with the tags that apply to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Segment {
    pub uri: String,
    pub duration: Duration,
    pub byte_range: Option<ByteRange>,
    pub discontinuity: bool,
    pub date: Option<WallClock>,
    /// The `EXT-X-MAP` in effect: its attributes as they stand, and its URI.
    pub map: Option<(String, String)>,
    /// The `EXT-X-KEY` tags in effect, as they stand.
    pub keys: Vec<String>,
    pub gap: bool,
    pub parts: Vec<Part>,
    /// Tags that apply to it and stand behind one of its parts.
    pub late_tags: Vec<String>,
    /// Its lines, for excerpts.
    pub text: String,
}

/// `EXT-X-PART`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub uri: String,
    pub duration: Duration,
    pub independent: bool,
    pub gap: bool,
    pub byte_range: Option<ByteRange>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    pub start: u64,
    pub length: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintKind {
    Part,
    Map,
}

/// `EXT-X-PRELOAD-HINT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub kind: HintKind,
    pub uri: String,
    /// `None` when it does not say, which means 0.
    pub start: Option<u64>,
    pub length: Option<u64>,
}

/// `EXT-X-RENDITION-REPORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenditionReport {
    pub uri: String,
    pub last_msn: Option<u64>,
    pub last_part: Option<u64>,
}

/// How far a playlist has come: the number of its open segment, and how many parts that has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Progress {
    pub open_msn: u64,
    pub parts: usize,
}

impl MediaPlaylist {
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress { open_msn: self.first_listed() + self.segments.len() as u64, parts: self.open.parts.len() }
    }

    /// Number of the first segment that it lists, behind what a delta update skips.
    #[must_use]
    pub fn first_listed(&self) -> u64 {
        self.media_sequence + self.skip.map_or(0, |skip| skip.segments)
    }

    /// What lasts from its first listed segment to its last listed part.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.segments.iter().map(|segment| segment.duration).sum::<Duration>() + self.open.parts_duration()
    }

    /// Segments with their media and discontinuity sequence numbers; the latter are wrong in a delta update.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, u64, &Segment)> {
        let mut discontinuities = self.discontinuity_sequence.unwrap_or(0);
        self.segments.iter().zip(self.first_listed()..).map(move |(segment, msn)| {
            discontinuities += u64::from(segment.discontinuity);
            (msn, discontinuities, segment)
        })
    }

    #[must_use]
    pub fn can_block_reload(&self) -> bool {
        self.control.as_ref().is_some_and(|control| control.can_block_reload)
    }

    #[must_use]
    pub fn can_skip_until(&self) -> Option<Duration> {
        self.control.as_ref()?.can_skip_until
    }

    #[must_use]
    pub fn has_parts(&self) -> bool {
        !self.open.parts.is_empty() || self.segments.iter().any(|segment| !segment.parts.is_empty())
    }
}

impl Segment {
    #[must_use]
    pub fn parts_duration(&self) -> Duration {
        self.parts.iter().map(|part| part.duration).sum()
    }

    /// Which of its properties, its parts aside, is not as in `other`; a server must change none.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        let pairs = [
            ("URI", self.uri == other.uri),
            ("EXTINF", self.duration == other.duration),
            ("EXT-X-BYTERANGE", self.byte_range == other.byte_range),
            ("EXT-X-PROGRAM-DATE-TIME", self.date == other.date),
            ("EXT-X-MAP", self.map == other.map),
            ("EXT-X-KEY", self.keys == other.keys),
            ("EXT-X-GAP", self.gap == other.gap),
        ];
        pairs.into_iter().find(|(_, same)| !same).map(|(name, _)| name)
    }
}
