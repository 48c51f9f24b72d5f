//! A strict reader of the playlists that are expected here. Anything else is a panic.

use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Playlist {
    pub(super) version: u32,
    pub(super) target_secs: u64,
    pub(super) part_target: Option<u64>,
    pub(super) control: String,
    pub(super) kind: Option<String>,
    pub(super) msn: u64,
    pub(super) independent: bool,
    pub(super) skipped: u64,
    /// Complete ones, then perhaps one that grows, without address.
    pub(super) segments: Vec<Segment>,
    pub(super) hints: Vec<(String, String)>,
    pub(super) reports: Vec<(String, u64, u64)>,
    pub(super) ended: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) msn: u64,
    pub(super) dsn: u64,
    pub(super) discontinuity: bool,
    /// The one in effect.
    pub(super) map: Option<String>,
    pub(super) date_ms: i64,
    pub(super) parts: Vec<Part>,
    pub(super) gap: bool,
    pub(super) duration: u64,
    pub(super) uri: Option<String>,
}

/// Durations in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) uri: String,
    pub(super) duration: u64,
    pub(super) independent: bool,
    pub(super) gap: bool,
}

impl Playlist {
    pub(super) fn complete(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.uri.is_some())
    }

    /// Index of the newest part, with its segment.
    pub(super) fn last_part(&self) -> Option<(u64, u64)> {
        let last = self.segments.iter().rev().find(|segment| !segment.parts.is_empty())?;
        Some((last.msn, last.parts.len() as u64 - 1))
    }

    pub(super) fn hint(&self, kind: &str) -> Option<&str> {
        self.hints.iter().find(|hint| hint.0 == kind).map(|hint| hint.1.as_str())
    }
}

pub(super) fn parse(text: &str) -> Playlist {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("#EXTM3U"));
    let mut playlist = Playlist::default();
    let mut segment = Segment::default();
    let (mut next_msn, mut dsn, mut map, mut begun) = (0, 0, None, false);
    for line in lines {
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXT-X-VERSION" => playlist.version = value.parse().unwrap(),
            "#EXT-X-TARGETDURATION" => playlist.target_secs = value.parse().unwrap(),
            "#EXT-X-SERVER-CONTROL" => playlist.control = value.into(),
            "#EXT-X-PART-INF" => playlist.part_target = Some(micros(&attributes(value)["PART-TARGET"])),
            "#EXT-X-PLAYLIST-TYPE" => playlist.kind = Some(value.into()),
            "#EXT-X-MEDIA-SEQUENCE" => (playlist.msn, next_msn) = (value.parse().unwrap(), value.parse().unwrap()),
            "#EXT-X-DISCONTINUITY-SEQUENCE" => dsn = value.parse().unwrap(),
            "#EXT-X-INDEPENDENT-SEGMENTS" => playlist.independent = true,
            "#EXT-X-SKIP" => {
                playlist.skipped = attributes(value)["SKIPPED-SEGMENTS"].parse().unwrap();
                next_msn += playlist.skipped;
            }
            "#EXT-X-DISCONTINUITY" => {
                assert!(segment.parts.is_empty(), "4.4.4.9: before the first part");
                dsn += 1;
                (segment.discontinuity, begun) = (true, true);
            }
            "#EXT-X-MAP" => {
                assert!(segment.parts.is_empty(), "4.4.4.9: before the first part");
                map = Some(unquoted(&attributes(value)["URI"]));
                begun = true;
            }
            "#EXT-X-PROGRAM-DATE-TIME" => {
                assert!(segment.parts.is_empty() && segment.date_ms == 0);
                (segment.date_ms, begun) = (date_ms(value), true);
            }
            "#EXT-X-PART" => {
                let of = attributes(value);
                segment.parts.push(Part {
                    uri: unquoted(&of["URI"]),
                    duration: micros(&of["DURATION"]),
                    independent: of.contains_key("INDEPENDENT"),
                    gap: of.contains_key("GAP"),
                });
            }
            "#EXT-X-GAP" => segment.gap = true,
            "#EXTINF" => segment.duration = micros(value.trim_end_matches(',')),
            "#EXT-X-PRELOAD-HINT" => {
                let of = attributes(value);
                playlist.hints.push((of["TYPE"].clone(), unquoted(&of["URI"])));
            }
            "#EXT-X-RENDITION-REPORT" => {
                let of = attributes(value);
                let (msn, part) = (of["LAST-MSN"].parse().unwrap(), of["LAST-PART"].parse().unwrap());
                playlist.reports.push((unquoted(&of["URI"]), msn, part));
            }
            "#EXT-X-ENDLIST" => playlist.ended = true,
            _ => {
                assert!(!line.starts_with('#'), "unknown: {line}");
                assert!(segment.duration > 0 && playlist.hints.is_empty());
                segment.uri = Some(line.into());
                close(&mut playlist, &mut segment, &mut next_msn, dsn, &map);
                begun = false;
            }
        }
    }
    if begun {
        assert!(!segment.parts.is_empty(), "a segment that grows is told with its first part");
        close(&mut playlist, &mut segment, &mut next_msn, dsn, &map);
    }
    playlist
}

fn close(playlist: &mut Playlist, segment: &mut Segment, msn: &mut u64, dsn: u64, map: &Option<String>) {
    (segment.msn, segment.dsn, segment.map) = (*msn, dsn, map.clone());
    *msn += 1;
    playlist.segments.push(std::mem::take(segment));
}

/// `A=1,B="x,y"`.
pub(super) fn attributes(value: &str) -> BTreeMap<String, String> {
    let mut quoted = false;
    let pieces = value.split(|letter| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    });
    let pairs = pieces.map(|piece| piece.split_once('=').expect(value));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn unquoted(value: &str) -> String {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).expect(value).to_owned()
}

pub(super) fn micros(seconds: &str) -> u64 {
    let (whole, fraction) = seconds.split_once('.').expect(seconds);
    assert_eq!(fraction.len(), 6);
    whole.parse::<u64>().unwrap() * 1_000_000 + fraction.parse::<u64>().unwrap()
}

/// Milliseconds since the day on which the tests take place.
fn date_ms(date: &str) -> i64 {
    let time = date.strip_prefix("2026-11-").and_then(|date| date.strip_suffix('Z')).expect(date);
    let (day, time) = time.split_once('T').unwrap();
    let parts: Vec<i64> = time.split([':', '.']).map(|part| part.parse().unwrap()).collect();
    let day: i64 = day.parse().unwrap();
    (((day * 24 + parts[0]) * 60 + parts[1]) * 60 + parts[2]) * 1_000 + parts[3]
}
