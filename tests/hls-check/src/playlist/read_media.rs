//! Reading a media playlist, strictly: every line that breaks a rule is told, not only the first.

use std::collections::BTreeSet;

use super::attributes::{Attributes, required};
use super::lines::{Line, lines};
use super::media::{
    ByteRange, Hint, HintKind, Kind, MediaPlaylist, Part, RenditionReport, Segment, ServerControl, Skip,
};
use super::{Flaw, WallClock, value, version};

/// Section and sentence of what is wrong with one tag.
type Refusal = (&'static str, String);

/// Tags that belong into a multivariant playlist, which no playlist may mix.
const MULTIVARIANT: [&str; 6] = [
    "EXT-X-MEDIA",
    "EXT-X-STREAM-INF",
    "EXT-X-I-FRAME-STREAM-INF",
    "EXT-X-SESSION-DATA",
    "EXT-X-SESSION-KEY",
    "EXT-X-CONTENT-STEERING",
];

/// Tags that stand once at most (sections 4.4.1, 4.4.2, 4.4.3 and 4.4.5.2).
const ONCE: [&str; 12] = [
    "EXT-X-VERSION",
    "EXT-X-INDEPENDENT-SEGMENTS",
    "EXT-X-START",
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-ENDLIST",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-I-FRAMES-ONLY",
    "EXT-X-PART-INF",
    "EXT-X-SERVER-CONTROL",
    "EXT-X-SKIP",
];

impl MediaPlaylist {
    /// Reads a media playlist or a delta update of one.
    ///
    /// # Errors
    /// Everything in it that breaks the grammar, or a rule of section 4.4 that shows in this text alone.
    pub fn parse(text: &str) -> Result<Self, Vec<Flaw>> {
        let lines = lines(text).map_err(|flaw| vec![flaw])?;
        let mut reader = Reader::new(text);
        reader.playlist.i_frames_only = lines.iter().any(|(_, line)| *line == Line::Tag("EXT-X-I-FRAMES-ONLY", None));
        for (number, line) in lines {
            let outcome = match line {
                Line::Uri(uri) => reader.uri(number, uri),
                Line::Tag(name, value) => reader.tag(number, name, value),
            };
            if let Err((section, sentence)) = outcome {
                reader.flaws.push(Flaw { line: number, section, sentence });
            }
        }
        reader.finish(text.lines().count())
    }
}

struct Reader<'a> {
    text: &'a str,
    playlist: MediaPlaylist,
    /// The segment that the next URI completes.
    draft: Segment,
    extinf: bool,
    /// Where the draft's lines begin, once a line of it was seen.
    draft_from: Option<usize>,
    map: Option<(String, String)>,
    keys: Vec<String>,
    /// Whether the last `EXT-X-KEY` belongs to a group that the next one extends.
    key_group: bool,
    /// Where the last byte range of a resource ended.
    ranges: Vec<(String, u64)>,
    draft_range: Option<(u64, Option<u64>)>,
    seen: BTreeSet<String>,
    flaws: Vec<Flaw>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            playlist: MediaPlaylist { version: 1, version_needed: 1, ..MediaPlaylist::default() },
            draft: Segment::default(),
            extinf: false,
            draft_from: None,
            map: None,
            keys: Vec::new(),
            key_group: false,
            ranges: Vec::new(),
            draft_range: None,
            seen: BTreeSet::new(),
            flaws: Vec::new(),
        }
    }

    fn tag(&mut self, line: usize, name: &str, value: Option<&str>) -> Result<(), Refusal> {
        if MULTIVARIANT.contains(&name) {
            return Err(("4.4.6", format!("{name} stands in a media playlist")));
        }
        if ONCE.contains(&name) && !self.seen.insert(name.to_owned()) {
            return Err(("4.4", format!("{name} stands twice")));
        }
        let needed = version::needed(name, value.unwrap_or(""), self.playlist.i_frames_only);
        self.playlist.version_needed = self.playlist.version_needed.max(needed);
        if !matches!(name, "EXT-X-KEY") {
            self.key_group = false;
        }
        let outcome = match value {
            None => self.plain_tag(line, name),
            Some(value) => self.header_tag(name, value).or_else(|| self.segment_tag(line, name, value)),
        };
        outcome.or_else(|| self.live_tag(name, value.unwrap_or(""))).unwrap_or_else(|| {
            self.playlist.unknown.push(value.map_or_else(|| name.to_owned(), |value| format!("{name}:{value}")));
            Ok(())
        })
    }

    /// Tags without a value.
    fn plain_tag(&mut self, line: usize, name: &str) -> Option<Result<(), Refusal>> {
        match name {
            "EXTM3U" => return Some(Err(("4.4.1.1", "EXTM3U stands twice".to_owned()))),
            "EXT-X-INDEPENDENT-SEGMENTS" => self.playlist.independent_segments = true,
            "EXT-X-I-FRAMES-ONLY" => {}
            "EXT-X-ENDLIST" => self.playlist.end_list = true,
            "EXT-X-DISCONTINUITY" => {
                self.applies(line, name);
                self.draft.discontinuity = true;
            }
            "EXT-X-GAP" => {
                self.applies(line, "");
                self.draft.gap = true;
            }
            _ => return None,
        }
        Some(Ok(()))
    }

    /// Tags about the whole playlist that have a plain value.
    fn header_tag(&mut self, name: &str, value: &str) -> Option<Result<(), Refusal>> {
        let begun = !self.playlist.segments.is_empty() || self.draft_from.is_some();
        let outcome = match name {
            "EXT-X-VERSION" => number("4.4.1.2", value).map(|version| self.playlist.version = version),
            "EXT-X-TARGETDURATION" => number("4.4.3.1", value)
                .map(|seconds| self.playlist.target_duration = std::time::Duration::from_secs(seconds)),
            "EXT-X-MEDIA-SEQUENCE" | "EXT-X-DISCONTINUITY-SEQUENCE" if begun => {
                Err(("4.4.3", format!("{name} must stand before the first segment")))
            }
            "EXT-X-MEDIA-SEQUENCE" => number("4.4.3.2", value).map(|msn| self.playlist.media_sequence = msn),
            "EXT-X-DISCONTINUITY-SEQUENCE" => {
                number("4.4.3.3", value).map(|dsn| self.playlist.discontinuity_sequence = Some(dsn))
            }
            "EXT-X-PLAYLIST-TYPE" => at("4.4.3.5", kind(value)).map(|kind| self.playlist.kind = Some(kind)),
            _ => return None,
        };
        Some(outcome)
    }

    /// Tags that apply to the segment that follows.
    fn segment_tag(&mut self, line: usize, name: &str, value: &str) -> Option<Result<(), Refusal>> {
        match name {
            "EXTINF" | "EXT-X-BYTERANGE" | "EXT-X-BITRATE" | "EXT-X-PART" => self.applies(line, ""),
            "EXT-X-KEY" | "EXT-X-MAP" | "EXT-X-PROGRAM-DATE-TIME" => self.applies(line, name),
            _ => return None,
        }
        Some(match name {
            "EXTINF" => at("4.4.4.1", self.extinf(value)),
            "EXT-X-BYTERANGE" => at("4.4.4.2", range(value).map(|range| self.draft_range = Some(range))),
            "EXT-X-BITRATE" => number("4.4.4.8", value).map(drop),
            "EXT-X-PART" => at("4.4.4.9", self.part(value)),
            "EXT-X-KEY" => at("4.4.4.4", self.key(value)),
            "EXT-X-MAP" => at("4.4.4.5", self.map(value)),
            _ => at("4.4.4.6", WallClock::parse(value).map(|date| self.draft.date = Some(date))),
        })
    }

    /// Tags with attributes that apply to no segment.
    fn live_tag(&mut self, name: &str, value: &str) -> Option<Result<(), Refusal>> {
        let section = match name {
            "EXT-X-PART-INF" => "4.4.3.7",
            "EXT-X-SERVER-CONTROL" => "4.4.3.8",
            "EXT-X-SKIP" => "4.4.5.2",
            "EXT-X-PRELOAD-HINT" => "4.4.5.3",
            "EXT-X-RENDITION-REPORT" => "4.4.5.4",
            "EXT-X-DATERANGE" => "4.4.5.1",
            "EXT-X-START" => "4.4.2.2",
            "EXT-X-DEFINE" => "4.4.2.3",
            _ => return None,
        };
        Some(at(section, Attributes::parse(value).and_then(|list| self.attributes(name, &list))))
    }

    fn attributes(&mut self, name: &str, list: &Attributes) -> Result<(), String> {
        match name {
            "EXT-X-PART-INF" => {
                self.playlist.part_target = Some(required("PART-TARGET", list.seconds("PART-TARGET")?)?);
            }
            "EXT-X-SERVER-CONTROL" => self.playlist.control = Some(server_control(list)?),
            "EXT-X-SKIP" => {
                let segments = required("SKIPPED-SEGMENTS", list.integer("SKIPPED-SEGMENTS")?)?;
                if !self.playlist.segments.is_empty() || self.draft_from.is_some() {
                    return Err("EXT-X-SKIP must stand before the first segment".to_owned());
                }
                let replaces_date_ranges = list.quoted("RECENTLY-REMOVED-DATERANGES")?.is_some();
                self.playlist.skip = Some(Skip { segments, replaces_date_ranges });
            }
            "EXT-X-PRELOAD-HINT" => self.playlist.hints.push(hint(list)?),
            "EXT-X-RENDITION-REPORT" => self.playlist.reports.push(RenditionReport {
                uri: required("URI", list.quoted("URI")?)?,
                last_msn: list.integer("LAST-MSN")?,
                last_part: list.integer("LAST-PART")?,
            }),
            "EXT-X-DATERANGE" => {
                required("ID", list.quoted("ID")?)?;
                list.quoted("START-DATE")?.map(|date| WallClock::parse(&date)).transpose()?;
                list.quoted("END-DATE")?.map(|date| WallClock::parse(&date)).transpose()?;
                list.seconds("DURATION")?;
            }
            "EXT-X-START" => drop(required("TIME-OFFSET", list.bare("TIME-OFFSET")?)?),
            _ => {}
        }
        Ok(())
    }

    fn extinf(&mut self, value: &str) -> Result<(), String> {
        let (duration, _title) = value.split_once(',').ok_or("the duration must be followed by a comma")?;
        if std::mem::replace(&mut self.extinf, true) {
            return Err("two EXTINF before one URI".to_owned());
        }
        self.draft.duration = value::seconds(duration)?;
        Ok(())
    }

    fn part(&mut self, value: &str) -> Result<(), String> {
        let list = Attributes::parse(value)?;
        let uri = required("URI", list.quoted("URI")?)?;
        let asked = list.quoted("BYTERANGE")?.map(|text| range(&text)).transpose()?;
        let part = Part {
            byte_range: asked.map(|asked| self.place(&uri, asked)).transpose()?,
            duration: required("DURATION", list.seconds("DURATION")?)?,
            independent: list.yes("INDEPENDENT")?,
            gap: list.yes("GAP")?,
            uri,
        };
        self.draft.parts.push(part);
        Ok(())
    }

    fn key(&mut self, value: &str) -> Result<(), String> {
        let list = Attributes::parse(value)?;
        let method = required("METHOD", list.bare("METHOD")?)?;
        if (method == "NONE") == list.has("URI") {
            return Err("URI is required, unless METHOD is NONE".to_owned());
        }
        if !std::mem::replace(&mut self.key_group, true) {
            self.keys.clear();
        }
        if method != "NONE" {
            self.keys.push(value.to_owned());
        }
        Ok(())
    }

    fn map(&mut self, value: &str) -> Result<(), String> {
        let list = Attributes::parse(value)?;
        let uri = required("URI", list.quoted("URI")?)?;
        list.quoted("BYTERANGE")?.map(|text| range(&text)).transpose()?;
        self.map = Some((value.to_owned(), uri));
        Ok(())
    }

    /// Notes that a line belongs to the segment that comes, by name if it must stand before its parts.
    fn applies(&mut self, line: usize, before_parts: &str) {
        self.draft_from.get_or_insert(line);
        if !before_parts.is_empty() && !self.draft.parts.is_empty() {
            self.draft.late_tags.push(before_parts.to_owned());
        }
    }

    /// Where a byte range is: one without offset follows the last range of the same resource.
    fn place(&mut self, uri: &str, (length, start): (u64, Option<u64>)) -> Result<ByteRange, String> {
        let before = self.ranges.iter().rev().find(|(known, _)| known == uri).map(|(_, end)| *end);
        let start = start.or(before).ok_or("a byte range without offset follows no other of its resource")?;
        self.ranges.push((uri.to_owned(), start + length));
        Ok(ByteRange { start, length })
    }

    fn uri(&mut self, line: usize, uri: &str) -> Result<(), Refusal> {
        let from = self.draft_from.take().unwrap_or(line);
        let mut segment = self.settled(from, line);
        uri.clone_into(&mut segment.uri);
        if let Some(asked) = self.draft_range.take() {
            segment.byte_range = Some(at("4.4.4.2", self.place(uri, asked))?);
        }
        self.playlist.segments.push(segment);
        if std::mem::replace(&mut self.extinf, false) {
            Ok(())
        } else {
            Err(("4.4.4.1", "a segment has no EXTINF".to_owned()))
        }
    }

    /// The draft with the map and keys in effect and its lines; the next draft is empty.
    fn settled(&mut self, from: usize, to: usize) -> Segment {
        let mut segment = std::mem::take(&mut self.draft);
        segment.map.clone_from(&self.map);
        segment.keys.clone_from(&self.keys);
        segment.text = excerpt(self.text, from, to);
        if self.playlist.segments.is_empty() {
            self.playlist.head = excerpt(self.text, 1, from - 1);
        }
        segment
    }

    fn finish(mut self, lines: usize) -> Result<MediaPlaylist, Vec<Flaw>> {
        if self.extinf {
            self.flaws.push(end("4.4.4.1", "the last EXTINF has no URI"));
        }
        if !self.seen.contains("EXT-X-TARGETDURATION") {
            self.flaws.push(end("4.4.3.1", "EXT-X-TARGETDURATION is missing"));
        }
        let from = self.draft_from.unwrap_or(lines + 1);
        self.playlist.open = self.settled(from, lines);
        if self.playlist.has_parts() && self.playlist.part_target.is_none() {
            self.flaws.push(end("4.4.3.7", "EXT-X-PART needs EXT-X-PART-INF"));
        }
        if self.flaws.is_empty() { Ok(self.playlist) } else { Err(self.flaws) }
    }
}

fn kind(value: &str) -> Result<Kind, String> {
    match value {
        "EVENT" => Ok(Kind::Event),
        "VOD" => Ok(Kind::Vod),
        other => Err(format!("\"{other}\" is no playlist type")),
    }
}

fn server_control(list: &Attributes) -> Result<ServerControl, String> {
    Ok(ServerControl {
        can_skip_until: list.seconds("CAN-SKIP-UNTIL")?,
        can_skip_date_ranges: list.yes("CAN-SKIP-DATERANGES")?,
        hold_back: list.seconds("HOLD-BACK")?,
        part_hold_back: list.seconds("PART-HOLD-BACK")?,
        can_block_reload: list.yes("CAN-BLOCK-RELOAD")?,
    })
}

fn hint(list: &Attributes) -> Result<Hint, String> {
    let kind = match required("TYPE", list.bare("TYPE")?)? {
        "PART" => HintKind::Part,
        "MAP" => HintKind::Map,
        other => return Err(format!("{other} is no type of hint")),
    };
    Ok(Hint {
        kind,
        uri: required("URI", list.quoted("URI")?)?,
        start: list.integer("BYTERANGE-START")?,
        length: list.integer("BYTERANGE-LENGTH")?,
    })
}

/// `<n>[@<o>]`: a length and an offset.
fn range(text: &str) -> Result<(u64, Option<u64>), String> {
    let (length, start) = text.split_once('@').map_or((text, None), |(length, start)| (length, Some(start)));
    Ok((value::integer(length)?, start.map(value::integer).transpose()?))
}

fn number(section: &'static str, text: &str) -> Result<u64, Refusal> {
    at(section, value::integer(text))
}

fn at<T>(section: &'static str, result: Result<T, String>) -> Result<T, Refusal> {
    result.map_err(|sentence| (section, sentence))
}

/// A flaw of the whole, told at its first line.
fn end(section: &'static str, sentence: &str) -> Flaw {
    Flaw { line: 1, section, sentence: sentence.to_owned() }
}

/// The lines from one number to another, both included.
fn excerpt(text: &str, from: usize, to: usize) -> String {
    let lines = text.lines().skip(from.saturating_sub(1)).take((to + 1).saturating_sub(from));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
