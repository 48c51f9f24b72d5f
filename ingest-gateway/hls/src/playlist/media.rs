//! The playlist of one rendition.

use std::fmt::{self, Write};

use crate::address;
use crate::packager::{Packager, Phase};
use crate::rendition::Rendition;
use crate::segment::Segment;
use crate::settings::{KeyFrames, Window};
use crate::time::{Seconds, StreamTime, WallTime};

/// `EXT-X-MAP` demands it (section 8 of the draft).
const VERSION: u32 = 6;
/// `EXT-X-SKIP` demands it.
const VERSION_DELTA: u32 = 9;

/// Which version of a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// All of it.
    Full,
    /// Without the segments that are older than the skip boundary (6.2.5.1). `dates`: the client also asked to leave
    /// out date ranges, of which there are none.
    Delta { dates: bool },
    /// Of a stream that is over, for those who come later.
    Recorded,
}

/// The playlist of a rendition.
pub(crate) fn media(packager: &Packager, rendition: &Rendition, form: Form) -> String {
    let mut text = String::with_capacity(4_096);
    // Writing to a string cannot fail.
    let _ = Media { packager, rendition, form }.write(&mut text);
    text
}

struct Media<'a> {
    packager: &'a Packager,
    rendition: &'a Rendition,
    form: Form,
}

impl Media<'_> {
    fn write(&self, text: &mut String) -> fmt::Result {
        let skipped = self.skipped();
        self.write_head(text, skipped)?;
        // What was skipped says which init segment is known already.
        let mut init =
            skipped.checked_sub(1).and_then(|last| self.rendition.history.listed().nth(last)).and_then(|s| s.init);
        for segment in self.rendition.history.listed().skip(skipped) {
            self.write_segment(text, segment, init)?;
            self.write_end(text, segment)?;
            init = segment.init;
        }
        if self.is_over() {
            return writeln!(text, "#EXT-X-ENDLIST");
        }
        self.write_edge(text, init)
    }

    fn write_head(&self, text: &mut String, skipped: usize) -> fmt::Result {
        let settings = &self.packager.stream.settings;
        let version = if skipped > 0 { VERSION_DELTA } else { VERSION };
        writeln!(text, "#EXTM3U\n#EXT-X-VERSION:{version}")?;
        writeln!(text, "#EXT-X-TARGETDURATION:{}", settings.target_duration.as_secs())?;
        self.write_control(text)?;
        if self.form == Form::Recorded {
            writeln!(text, "#EXT-X-PLAYLIST-TYPE:VOD")?;
        } else if settings.window == Window::Event {
            writeln!(text, "#EXT-X-PLAYLIST-TYPE:EVENT")?;
        }
        let first = self.rendition.history.listed().next().unwrap_or(&self.rendition.segment);
        let removed = first.boundary.dsn - u64::from(first.boundary.discontinuity);
        writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-DISCONTINUITY-SEQUENCE:{removed}", first.msn())?;
        if settings.key_frames == KeyFrames::OnRequest {
            writeln!(text, "#EXT-X-INDEPENDENT-SEGMENTS")?;
        }
        match self.form {
            Form::Delta { dates: true } if skipped > 0 => {
                writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped},RECENTLY-REMOVED-DATERANGES=\"\"")
            }
            Form::Delta { .. } if skipped > 0 => writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}"),
            Form::Delta { .. } | Form::Full | Form::Recorded => Ok(()),
        }
    }

    fn write_control(&self, text: &mut String) -> fmt::Result {
        let settings = &self.packager.stream.settings;
        if self.form == Form::Recorded {
            return Ok(());
        }
        let skip = Seconds(settings.skip_boundary());
        let hold_back = Seconds(settings.hold_back());
        write!(text, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={skip},HOLD-BACK={hold_back}")?;
        if settings.low_latency {
            writeln!(text, ",PART-HOLD-BACK={}", Seconds(settings.part_hold_back()))?;
            return writeln!(text, "#EXT-X-PART-INF:PART-TARGET={}", Seconds(settings.part_target));
        }
        writeln!(text)
    }

    /// What stands before the first part of a segment (4.4.4.9), and its parts.
    fn write_segment(&self, text: &mut String, segment: &Segment, init_before: Option<u32>) -> fmt::Result {
        let name = self.rendition.declaration.name.as_str();
        if segment.boundary.discontinuity {
            writeln!(text, "#EXT-X-DISCONTINUITY")?;
        }
        if segment.init != init_before
            && let Some(init) = segment.init.and_then(|number| self.rendition.history.init(number))
        {
            writeln!(text, "#EXT-X-MAP:URI=\"{}\"", address::init(name, init))?;
        }
        writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", self.date(segment.start))?;
        if !self.shows_parts() || self.end().since(segment.end()) >= self.packager.stream.settings.live_edge() {
            return Ok(());
        }
        for (index, (start, part)) in segment.timed_parts().enumerate() {
            let duration = Seconds(part.end.since(start));
            write!(text, "#EXT-X-PART:DURATION={duration},URI=\"{}\"", address::part(name, segment, index))?;
            let flags = if part.is_gap() { ",GAP=YES" } else { "" };
            writeln!(text, "{}{flags}", if part.independent { ",INDEPENDENT=YES" } else { "" })?;
        }
        Ok(())
    }

    fn write_end(&self, text: &mut String, segment: &Segment) -> fmt::Result {
        if segment.is_gap() {
            writeln!(text, "#EXT-X-GAP")?;
        }
        let name = self.rendition.declaration.name.as_str();
        writeln!(text, "#EXTINF:{},\n{}", Seconds(segment.duration()), address::segment(name, segment))
    }

    /// The segment that grows, what comes next, and where the other renditions are.
    fn write_edge(&self, text: &mut String, init: Option<u32>) -> fmt::Result {
        if !self.shows_parts() {
            return Ok(());
        }
        let segment = &self.rendition.segment;
        let name = self.rendition.declaration.name.as_str();
        if !segment.parts.is_empty() {
            self.write_segment(text, segment, init)?;
        } else if segment.init != init
            && let Some(init) = segment.init.and_then(|number| self.rendition.history.init(number))
        {
            writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"{}\"", address::init(name, init))?;
        }
        let next = address::part(name, segment, segment.parts.len());
        writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{next}\"")?;
        let offered = self.packager.offered();
        for other in offered.filter(|other| other.id != self.rendition.id) {
            let uri = address::playlist(other.declaration.name.as_str());
            let Some((msn, part)) = other.last_part() else { continue };
            writeln!(text, "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={msn},LAST-PART={part}")?;
        }
        Ok(())
    }

    /// How many segments a delta leaves out: those that end before the skip boundary, counted from the last segment.
    fn skipped(&self) -> usize {
        let Form::Delta { .. } = self.form else { return 0 };
        let end = self.rendition.history.last().map_or_else(StreamTime::default, Segment::end);
        let boundary = self.packager.stream.settings.skip_boundary();
        let old = |segment: &&Segment| end.since(segment.end()) > boundary;
        self.rendition.history.listed().take_while(old).count()
    }

    fn is_over(&self) -> bool {
        self.packager.phase == Phase::Ended
    }

    fn shows_parts(&self) -> bool {
        self.packager.stream.settings.low_latency && self.form != Form::Recorded
    }

    /// Where the playlist ends.
    fn end(&self) -> StreamTime {
        self.rendition.open.start
    }

    fn date(&self, time: StreamTime) -> WallTime {
        self.packager.stream.origin.unwrap_or_default().at(time)
    }
}

impl Rendition {
    /// The segment and the index of the newest part.
    pub(crate) fn last_part(&self) -> Option<(u64, usize)> {
        let grown = Some(&self.segment).filter(|segment| !segment.parts.is_empty());
        let segment = grown.or_else(|| self.history.last())?;
        Some((segment.msn(), segment.parts.len().checked_sub(1)?))
    }
}
