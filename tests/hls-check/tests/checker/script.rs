//! A stream as it was decided beforehand: which parts of which segments are published when, and the playlist that a
//! server shows of it at any time. It is written apart from any packager, and legal unless a test spoils it.

use std::fmt::Write;
use std::time::Duration;

use crate::fmp4;

/// Date of the first segment, in seconds since 1970: 2024-05-01T10:00:00Z.
const BIRTH: &str = "2024-05-01T";

/// Number of the first segment.
pub(crate) const FIRST_MSN: usize = 5;

#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) target_s: u64,
    pub(crate) part_target_ms: u64,
    /// Whole segments that are kept.
    pub(crate) window_ms: u64,
    /// How far before the end parts are listed.
    pub(crate) parts_ms: u64,
    pub(crate) skip_until_ms: u64,
    /// Whether parts are byte ranges of their segment.
    pub(crate) ranges: bool,
    /// Whether the last segment is followed by `EXT-X-ENDLIST`.
    pub(crate) ends: bool,
    pub(crate) tracks: Vec<Track>,
}

#[derive(Debug, Clone)]
pub(crate) struct Track {
    pub(crate) name: &'static str,
    pub(crate) segments: Vec<Segment>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Segment {
    pub(crate) parts: Vec<Part>,
    pub(crate) discontinuity: bool,
    pub(crate) map: usize,
    pub(crate) gap: bool,
    /// What the clock jumps ahead of it.
    pub(crate) jump_ms: i64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) duration_ms: u64,
    pub(crate) independent: bool,
    /// How long after its end it is published.
    pub(crate) delay_ms: u64,
}

/// What a track has at some time: whole segments, and parts of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Extent {
    pub(crate) segments: usize,
    pub(crate) parts: usize,
}

impl Segment {
    pub(crate) fn duration_ms(&self) -> u64 {
        self.parts.iter().map(|part| part.duration_ms).sum()
    }
}

impl Track {
    /// Media time at which a part begins.
    pub(crate) fn start_ms(&self, segment: usize, part: usize) -> u64 {
        let before: u64 = self.segments.iter().take(segment).map(Segment::duration_ms).sum();
        before + self.segments[segment].parts.iter().take(part).map(|part| part.duration_ms).sum::<u64>()
    }

    /// When a part is published, if the script has it.
    pub(crate) fn published(&self, segment: usize, part: usize) -> Option<Duration> {
        let scripted = self.segments.get(segment)?.parts.get(part)?;
        Some(Duration::from_millis(self.start_ms(segment, part) + scripted.duration_ms + scripted.delay_ms))
    }

    pub(crate) fn bytes(&self, segment: usize, part: usize) -> Vec<u8> {
        let Part { duration_ms, independent, .. } = self.segments[segment].parts[part];
        let what = format!("{} {segment} {part}", self.name);
        fmp4::part(self.start_ms(segment, part), duration_ms, independent, &what)
    }

    /// Where a part begins among the bytes of its segment.
    fn offset(&self, segment: usize, part: usize) -> usize {
        (0..part).map(|part| self.bytes(segment, part).len()).sum()
    }

    pub(crate) fn part_that_ends(&self, segment: usize, end: u64) -> usize {
        let parts = 0..self.segments[segment].parts.len();
        parts.into_iter().find(|part| self.offset(segment, part + 1) as u64 == end).unwrap()
    }

    /// When its last part is published.
    pub(crate) fn end(&self) -> Option<Duration> {
        let last = self.segments.len().checked_sub(1)?;
        self.published(last, self.segments[last].parts.len() - 1)
    }

    pub(crate) fn extent(&self, at: Duration) -> Extent {
        let mut extent = Extent { segments: 0, parts: 0 };
        for (index, segment) in self.segments.iter().enumerate() {
            let published = |part: &usize| self.published(index, *part).is_some_and(|time| time <= at);
            let parts = (0..segment.parts.len()).take_while(published).count();
            if parts < segment.parts.len() {
                return Extent { parts, ..extent };
            }
            extent.segments += 1;
        }
        extent
    }
}

impl Script {
    /// First listed segment of a track.
    pub(crate) fn first(&self, track: &Track, extent: Extent) -> usize {
        let mut kept = 0;
        let durations = track.segments.iter().take(extent.segments).map(Segment::duration_ms).enumerate().rev();
        for (index, duration) in durations {
            kept += duration;
            if kept >= self.window_ms {
                return index;
            }
        }
        0
    }

    /// What the server shows; `None` before the first segment is whole.
    pub(crate) fn playlist(&self, track: &Track, at: Duration, skip: bool) -> Option<String> {
        let extent = track.extent(at);
        let (first, ended) = (self.first(track, extent), self.ends && extent.segments == track.segments.len());
        if extent.segments == 0 {
            return None;
        }
        let end = track.start_ms(extent.segments - 1, 0) + track.segments[extent.segments - 1].duration_ms();
        let open_ms: u64 = match track.segments.get(extent.segments) {
            Some(open) => open.parts.iter().take(extent.parts).map(|part| part.duration_ms).sum(),
            None => 0,
        };
        let skipped = (first..extent.segments)
            .take_while(|index| {
                skip && !ended
                    && track.start_ms(*index, 0) + track.segments[*index].duration_ms() + self.skip_until_ms < end
            })
            .count();
        let mut text = self.head(track, first, skipped > 0);
        if skipped > 0 {
            let _ = writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}");
        }
        for index in first + skipped..extent.segments {
            self.segment(&mut text, track, index, first, end + open_ms);
        }
        if ended {
            text.push_str("#EXT-X-ENDLIST\n");
            return Some(text);
        }
        self.open(&mut text, track, extent);
        for other in self.tracks.iter().filter(|other| other.name != track.name) {
            let Some((msn, part)) = last(other, other.extent(at)) else { continue };
            let _ = writeln!(
                text,
                "#EXT-X-RENDITION-REPORT:URI=\"../{}/live.m3u8\",LAST-MSN={msn},LAST-PART={part}",
                other.name
            );
        }
        Some(text)
    }

    fn head(&self, track: &Track, first: usize, delta: bool) -> String {
        // The first listed segment keeps its own tag, which is not counted here.
        let discontinuities = track.segments.iter().take(first).filter(|segment| segment.discontinuity).count();
        let part_target = seconds(self.part_target_ms);
        format!(
            "#EXTM3U\n#EXT-X-VERSION:{}\n#EXT-X-TARGETDURATION:{}\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,\
             CAN-SKIP-UNTIL={},PART-HOLD-BACK={}\n#EXT-X-PART-INF:PART-TARGET={part_target}\n\
             #EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}\n",
            if delta { 9 } else { 6 },
            self.target_s,
            seconds(self.skip_until_ms),
            seconds(self.part_target_ms * 3),
            FIRST_MSN + first,
        )
    }

    fn segment(&self, text: &mut String, track: &Track, index: usize, first: usize, end_ms: u64) {
        let segment = &track.segments[index];
        tags(text, track, index, index == first || changes(track, index));
        for part in 0..segment.parts.len() {
            let part_end = track.start_ms(index, part) + segment.parts[part].duration_ms;
            if end_ms - part_end <= self.parts_ms {
                self.part_tag(text, track, index, part);
            }
        }
        let _ = writeln!(text, "#EXTINF:{},\n{}.m4s", seconds(segment.duration_ms()), FIRST_MSN + index);
    }

    fn open(&self, text: &mut String, track: &Track, extent: Extent) {
        let Some(open) = track.segments.get(extent.segments) else { return };
        if extent.parts > 0 {
            tags(text, track, extent.segments, changes(track, extent.segments));
        }
        for part in 0..extent.parts {
            self.part_tag(text, track, extent.segments, part);
        }
        assert!(extent.parts < open.parts.len());
        self.hint(text, track, extent);
    }

    fn part_tag(&self, text: &mut String, track: &Track, index: usize, part: usize) {
        let segment = &track.segments[index];
        let Part { duration_ms, independent, .. } = segment.parts[part];
        let independent = if independent { ",INDEPENDENT=YES" } else { "" };
        let gap = if segment.gap { ",GAP=YES" } else { "" };
        let (msn, duration) = (FIRST_MSN + index, seconds(duration_ms));
        let place = if self.ranges {
            format!("URI=\"{msn}.m4s\",BYTERANGE=\"{}@{}\"", track.bytes(index, part).len(), track.offset(index, part))
        } else {
            format!("URI=\"{msn}.{part}.m4s\"")
        };
        let _ = writeln!(text, "#EXT-X-PART:DURATION={duration},{place}{independent}{gap}");
    }

    fn hint(&self, text: &mut String, track: &Track, extent: Extent) {
        let (msn, part) = (FIRST_MSN + extent.segments, extent.parts);
        let place = if self.ranges {
            format!("URI=\"{msn}.m4s\",BYTERANGE-START={}", track.offset(extent.segments, part))
        } else {
            format!("URI=\"{msn}.{part}.m4s\"")
        };
        let _ = writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,{place}");
    }
}

/// Number and part index of the newest part.
fn last(track: &Track, extent: Extent) -> Option<(usize, usize)> {
    if extent.parts > 0 {
        return Some((FIRST_MSN + extent.segments, extent.parts - 1));
    }
    let segment = extent.segments.checked_sub(1)?;
    Some((FIRST_MSN + segment, track.segments[segment].parts.len() - 1))
}

fn changes(track: &Track, index: usize) -> bool {
    index > 0 && track.segments[index].map != track.segments[index - 1].map
}

fn tags(text: &mut String, track: &Track, index: usize, with_map: bool) {
    let segment = &track.segments[index];
    if segment.discontinuity {
        text.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if with_map {
        let _ = writeln!(text, "#EXT-X-MAP:URI=\"init{}.mp4\"", segment.map);
    }
    let jumps: i64 = track.segments.iter().take(index + 1).map(|segment| segment.jump_ms).sum();
    let clock = track.start_ms(index, 0).checked_add_signed(jumps).unwrap();
    let (minutes, rest) = (clock / 60_000, clock % 60_000);
    let _ = writeln!(
        text,
        "#EXT-X-PROGRAM-DATE-TIME:{BIRTH}{:02}:{:02}:{:02}.{:03}Z",
        10 + minutes / 60,
        minutes % 60,
        rest / 1000,
        rest % 1000
    );
    if segment.gap {
        text.push_str("#EXT-X-GAP\n");
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// A stream of two renditions with segments of four parts of half a second, and nothing special.
pub(crate) fn plain(segments: usize) -> Script {
    let part = |index: usize| Part { duration_ms: 500, independent: index == 0, delay_ms: 0 };
    let segment = Segment { parts: (0..4).map(part).collect(), ..Segment::default() };
    let track = |name| Track { name, segments: vec![segment.clone(); segments] };
    Script {
        target_s: 2,
        part_target_ms: 500,
        window_ms: 20_000,
        parts_ms: 6_000,
        skip_until_ms: 12_000,
        ranges: false,
        ends: false,
        tracks: vec![track("video"), track("audio")],
    }
}
