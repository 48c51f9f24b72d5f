//! A track where it lies, as a playlist of HLS for video on demand (RFC 8216).

use std::fmt::Write as _;

use crate::layout::{FileName, TrackId};
use crate::recovery::Track;
use crate::sidecar::{Fragment, Kind};

/// A segment ends at the first chance after so many seconds.
const SEGMENT_SECONDS: u64 = 6;
/// … and holds at most so many, whether there was a chance or not; also the longest stretch of one gap.
const SEGMENT_SECONDS_MAX: u64 = 12;
/// Missing time that is shorter is left to the player, in parts of a second.
const GAP_PART_MIN: u64 = 10;
/// Most segments of missing time in a row: a day. What is missing beyond is left out.
const GAPS_MAX: usize = 7_200;

/// The playlist of a track, beside its files. All tracks of a recording begin at the same moment: time in which there
/// was nothing is a gap.
#[must_use]
pub fn media_playlist(id: &TrackId, track: &Track) -> String {
    let timescale = u64::from(track.timescale());
    let segments = segments(track, timescale);
    let longest = segments.iter().map(|segment| segment.ticks.div_ceil(timescale)).max().unwrap_or(1);
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n");
    // Writing to a string does not fail.
    let _ = writeln!(text, "#EXT-X-TARGETDURATION:{}", longest.max(1));
    let _ = writeln!(text, "#EXT-X-MEDIA-SEQUENCE:0");
    if segments.iter().all(|segment| segment.independent) {
        let _ = writeln!(text, "#EXT-X-INDEPENDENT-SEGMENTS");
    }
    let mut file = None;
    for segment in &segments {
        if segment.bytes > 0 && file != Some(segment.file) {
            let init = track.files.get(&segment.file).map_or(0, |file| file.init_bytes);
            if file.is_some() {
                let _ = writeln!(text, "#EXT-X-DISCONTINUITY");
            }
            let _ = writeln!(text, "#EXT-X-MAP:URI=\"{}\",BYTERANGE=\"{init}@0\"", name(id, segment.file));
            file = Some(segment.file);
        }
        let _ = writeln!(text, "#EXTINF:{},", seconds(segment.ticks, timescale));
        if segment.bytes == 0 {
            let _ = writeln!(text, "#EXT-X-GAP\n{}", name(id, segment.file));
        } else {
            let _ = writeln!(text, "#EXT-X-BYTERANGE:{}@{}", segment.bytes, segment.from);
            let _ = writeln!(text, "{}", name(id, segment.file));
        }
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

/// Fragments of one file that follow each other; without bytes, time that is missing.
struct Segment {
    file: u32,
    from: u64,
    bytes: u64,
    ticks: u64,
    independent: bool,
}

fn segments(track: &Track, timescale: u64) -> Vec<Segment> {
    let video = track.about.as_ref().is_some_and(|about| about.kind == Kind::Video);
    let (mut segments, mut end): (Vec<Segment>, u64) = (Vec::new(), 0);
    for fragment in &track.fragments {
        let missing = fragment.decode_time.saturating_sub(end);
        let gap = missing > 0 && missing >= timescale / GAP_PART_MIN;
        if gap {
            segments.extend(gaps(fragment.file, missing, timescale));
        }
        let independent = !video || fragment.sync.first() == Some(&0);
        let extended = segments
            .last_mut()
            .filter(|_| !gap)
            .is_some_and(|last| last.take(fragment, missing, independent, timescale));
        if !extended {
            let ticks = fragment.ticks();
            segments.push(Segment {
                file: fragment.file,
                from: fragment.from,
                bytes: fragment.bytes,
                ticks,
                independent,
            });
        }
        end = fragment.decode_time + fragment.ticks();
    }
    segments
}

impl Segment {
    /// Whether the fragment becomes part of this segment.
    fn take(&mut self, fragment: &Fragment, missing: u64, independent: bool, timescale: u64) -> bool {
        let follows = self.bytes > 0 && self.file == fragment.file && self.from + self.bytes == fragment.from;
        let full = self.ticks >= SEGMENT_SECONDS * timescale && independent;
        let ticks = self.ticks.saturating_add(missing).saturating_add(fragment.ticks());
        let taken = follows && !full && ticks <= SEGMENT_SECONDS_MAX * timescale;
        if taken {
            self.bytes += fragment.bytes;
            self.ticks = ticks;
        }
        taken
    }
}

/// Missing time, in pieces.
fn gaps(file: u32, missing: u64, timescale: u64) -> impl Iterator<Item = Segment> {
    let most = SEGMENT_SECONDS_MAX * timescale;
    let mut left = missing;
    let pieces = std::iter::from_fn(move || {
        let ticks = left.min(most);
        left -= ticks;
        (ticks > 0).then_some(Segment { file, from: 0, bytes: 0, ticks, independent: true })
    });
    pieces.take(GAPS_MAX)
}

fn name(id: &TrackId, file: u32) -> FileName {
    FileName::Media(id.clone(), file)
}

/// With as many digits as rounding of a long playlist needs.
fn seconds(ticks: u64, timescale: u64) -> String {
    let micros = u128::from(ticks) * 1_000_000 / u128::from(timescale.max(1));
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
