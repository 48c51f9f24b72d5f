//! What requests get: a playlist, media, a reason to wait, or a refusal (6.2.5, 6.2.6, appendix B.1).
//!
//! Waiting is a value: whoever has to wait asks again when an [`Output`](crate::Output) tells of something new in its
//! rendition, and at the deadline.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::address::{self, Address, Folder};
use crate::packager::{Packager, Phase};
use crate::playlist::{self, Form};
use crate::rendition::Rendition;
use crate::segment::{Body, Segment};

/// What is refused before the stream is playable may be asked again soon.
const SOON: Duration = Duration::from_secs(1);
/// Urgency of playlists (RFC 9218), by the draft.
const URGENCY_PLAYLIST: u8 = 1;
/// Urgency of sound: nothing plays without it, and it is small.
const URGENCY_SOUND: u8 = 2;
/// Least urgency of media.
const URGENCY_LEAST: u8 = 6;

/// What a client demands of a playlist in its query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Directives {
    /// `_HLS_msn`: answer when this segment is listed.
    pub msn: Option<u64>,
    /// `_HLS_part`: answer when this part of it is.
    pub part: Option<u64>,
    /// `_HLS_skip`.
    pub skip: Option<Skip>,
}

/// What a client lets be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skip {
    /// Old segments.
    Segments,
    /// Old date ranges as well.
    SegmentsAndDates,
}

/// A query that is no demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("delivery directives are numbers, `_HLS_part` needs `_HLS_msn`, and each stands once")]
pub struct DirectivesError;

impl Directives {
    /// From the query of a request. Parameters that are not for the packager are ignored.
    ///
    /// # Errors
    /// When the answer has to be 400.
    pub fn parse(query: &str) -> Result<Self, DirectivesError> {
        let mut directives = Self::default();
        for (name, value) in query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
            let first = match name {
                "_HLS_msn" => directives.msn.replace(address::number(value).ok_or(DirectivesError)?).is_none(),
                "_HLS_part" => directives.part.replace(address::number(value).ok_or(DirectivesError)?).is_none(),
                // A way of skipping that is not known yet: the whole playlist is always right.
                "_HLS_skip" => Skip::parse(value).is_none_or(|skip| directives.skip.replace(skip).is_none()),
                _ => true,
            };
            if !first {
                return Err(DirectivesError);
            }
        }
        if directives.part.is_some() && directives.msn.is_none() {
            return Err(DirectivesError);
        }
        Ok(directives)
    }
}

impl Skip {
    fn parse(value: &str) -> Option<Self> {
        match value {
            "YES" => Some(Self::Segments),
            "v2" => Some(Self::SegmentsAndDates),
            _ => None,
        }
    }
}

/// What a request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// 200.
    Ready {
        /// What was asked for.
        body: T,
        /// `Cache-Control: max-age`.
        max_age: Duration,
        /// `priority: u=`.
        urgency: u8,
    },
    /// Not yet: ask again with the same question when something is new, and at the latest then.
    Wait {
        /// When waiting ends in a refusal.
        until: Instant,
    },
    /// It exists, and this packager does not hold it: ask who kept it.
    Elsewhere,
    /// No.
    Refused {
        /// Why.
        refusal: Refusal,
        /// `Cache-Control: max-age`; zero: `no-store`.
        max_age: Duration,
    },
}

/// Why a request gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400: too far ahead.
    BadRequest,
    /// 404: not there, or not yet.
    NotFound,
    /// 410: not there any more.
    Gone,
    /// 503: it should have come by now.
    Unavailable,
}

impl Refusal {
    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::Gone => 410,
            Self::Unavailable => 503,
        }
    }
}

/// How far a playlist is from what was demanded of it.
enum Reach {
    There,
    Ahead,
    TooFar,
}

impl Packager {
    /// The multivariant playlist.
    #[must_use]
    pub fn multivariant(&self) -> Answer<String> {
        if !self.can_be_had() {
            return refused(Refusal::NotFound, SOON);
        }
        ready(playlist::multivariant(self), self.stream.settings.target_duration / 2, URGENCY_PLAYLIST)
    }

    /// The playlist of a rendition. `asked_at`: when the request came.
    #[must_use]
    pub fn playlist(&self, name: &str, directives: Directives, asked_at: Instant, now: Instant) -> Answer<String> {
        let target = self.stream.settings.target_duration;
        let Some(rendition) = self.named(name) else {
            return refused(Refusal::NotFound, if directives.msn.is_some() { target * 4 } else { target });
        };
        if !self.can_be_had() || !rendition.is_offered() {
            return refused(Refusal::NotFound, SOON);
        }
        if self.phase == Phase::Ended {
            return ready(playlist::media(self, rendition, Form::Full), target * 6, URGENCY_PLAYLIST);
        }
        let form = match directives.skip {
            Some(skip) => Form::Delta { dates: skip == Skip::SegmentsAndDates },
            None => Form::Full,
        };
        let Some(msn) = directives.msn else {
            return ready(playlist::media(self, rendition, form), target / 2, URGENCY_PLAYLIST);
        };
        let until = asked_at + self.stream.settings.patience();
        match self.reach(rendition, msn, directives.part) {
            Reach::There => ready(playlist::media(self, rendition, form), target * 6, URGENCY_PLAYLIST),
            Reach::TooFar => refused(Refusal::BadRequest, target),
            Reach::Ahead if now >= until => refused(Refusal::Unavailable, Duration::ZERO),
            Reach::Ahead => Answer::Wait { until },
        }
    }

    /// The playlist of a stream that is over, for those who come later: `EXT-X-PLAYLIST-TYPE:VOD`, without anything
    /// that only lasts as long as the stream.
    #[must_use]
    pub fn recorded(&self, name: &str) -> Option<String> {
        let rendition = self.named(name).filter(|rendition| rendition.is_offered())?;
        (self.phase == Phase::Ended).then(|| playlist::media(self, rendition, Form::Recorded))
    }

    /// A segment, a part or an init segment, as pieces to be sent one after the other. `asked_at`: when the request
    /// came.
    #[must_use]
    pub fn media(&self, address: Address<'_>, asked_at: Instant, now: Instant) -> Answer<Vec<Bytes>> {
        match address {
            Address::Multivariant | Address::Playlist(_) => self.nothing(),
            Address::Init(folder, number) => self.init(folder, number).unwrap_or_else(|| self.nothing()),
            Address::Segment(folder, msn) => self.segment(folder, msn),
            Address::Part(folder, msn, part) => self.part(folder, msn, part, asked_at, now),
        }
    }

    /// Those of which there are playlists.
    pub(crate) fn offered(&self) -> impl Iterator<Item = &Rendition> + Clone {
        self.renditions.iter().filter(|rendition| rendition.is_offered())
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Rendition> {
        self.renditions.iter().find(|rendition| rendition.declaration.name.as_str() == name)
    }

    fn can_be_had(&self) -> bool {
        match self.phase {
            Phase::Unborn { .. } => false,
            Phase::Live { playable } => playable,
            Phase::Ended => self.offered().next().is_some(),
        }
    }

    /// Whether a playlist has the segment or part that was demanded (6.2.5.2).
    fn reach(&self, rendition: &Rendition, msn: u64, part: Option<u64>) -> Reach {
        let growing = rendition.segment.msn();
        let settings = &self.stream.settings;
        // The last segment that is listed is the one before that which grows.
        if msn > growing + 1 {
            return Reach::TooFar;
        }
        let Some(part) = part.filter(|_| settings.low_latency) else {
            return if msn < growing { Reach::There } else { Reach::Ahead };
        };
        // A part behind the last one of a segment is the first one of the next.
        let past_end = rendition.history.last().is_some_and(|last| last.msn() == msn && part >= count(last));
        let (msn, part) = if past_end { (msn + 1, 0) } else { (msn, part) };
        if msn < growing {
            return Reach::There;
        }
        let parts = count(&rendition.segment);
        let ahead = if msn == growing { (part + 1).saturating_sub(parts) } else { part + 1 };
        match ahead {
            0 => Reach::There,
            _ if ahead > settings.advance_parts() => Reach::TooFar,
            _ => Reach::Ahead,
        }
    }

    fn init(&self, folder: Folder<'_>, number: u32) -> Option<Answer<Vec<Bytes>>> {
        let rendition = self.named(folder.rendition)?;
        let init = rendition.history.init(number).filter(|init| init.epoch == folder.epoch)?;
        Some(self.media_ready(rendition, vec![init.configuration.init.clone()]))
    }

    fn segment(&self, folder: Folder<'_>, msn: u64) -> Answer<Vec<Bytes>> {
        let Some(rendition) = self.named(folder.rendition) else { return self.nothing() };
        match rendition.history.find(msn) {
            Some(segment) if segment.epoch != folder.epoch || segment.is_gap() => self.nothing(),
            Some(segment) => segment.body().map_or(Answer::Elsewhere, |body| self.media_ready(rendition, body)),
            None => self.unlisted(rendition, msn),
        }
    }

    fn part(&self, folder: Folder<'_>, msn: u64, part: u64, asked_at: Instant, now: Instant) -> Answer<Vec<Bytes>> {
        let Some(rendition) = self.named(folder.rendition) else { return self.nothing() };
        let growing = &rendition.segment;
        let found = rendition.history.find(msn).or_else(|| Some(growing).filter(|growing| growing.msn() == msn));
        let Some(segment) = found else { return self.unlisted(rendition, msn) };
        let index = usize::try_from(part).unwrap_or(usize::MAX);
        match segment.parts.get(index).map(|part| &part.body) {
            _ if segment.epoch != folder.epoch => self.nothing(),
            Some(Body::Here(bytes)) => self.media_ready(rendition, vec![bytes.clone()]),
            Some(Body::Elsewhere) => Answer::Elsewhere,
            Some(Body::Gap) => self.nothing(),
            None if growing.msn() != msn || self.phase == Phase::Ended => self.nothing(),
            // Hinted: it is about to come.
            None if index == segment.parts.len() => {
                let until = asked_at + self.stream.settings.patience();
                if now < until { Answer::Wait { until } } else { refused(Refusal::Unavailable, Duration::ZERO) }
            }
            None => refused(Refusal::NotFound, Duration::ZERO),
        }
    }

    fn media_ready(&self, rendition: &Rendition, body: Vec<Bytes>) -> Answer<Vec<Bytes>> {
        ready(body, self.stream.settings.target_duration * 6, self.urgency(rendition))
    }

    fn nothing<T>(&self) -> Answer<T> {
        refused(Refusal::NotFound, self.stream.settings.target_duration)
    }

    /// A segment that was let go, or does not exist yet. The latter is not to be remembered: it may in a moment.
    fn unlisted<T>(&self, rendition: &Rendition, msn: u64) -> Answer<T> {
        if msn < rendition.oldest_msn() {
            return refused(Refusal::Gone, self.stream.settings.target_duration);
        }
        refused(Refusal::NotFound, Duration::ZERO)
    }

    /// Sound first, then pictures: a higher bitrate is never more urgent than a lower one (appendix B.1).
    fn urgency(&self, rendition: &Rendition) -> u8 {
        if !rendition.is_video() {
            return URGENCY_SOUND;
        }
        let bitrate = rendition.declaration.bitrate_bps_max;
        let videos = self.renditions.iter().filter(|other| other.is_video());
        let lower = videos.filter(|other| other.declaration.bitrate_bps_max < bitrate).count();
        u8::try_from(lower).unwrap_or(u8::MAX).saturating_add(URGENCY_SOUND + 1).min(URGENCY_LEAST)
    }
}

impl Rendition {
    /// Whether there is a playlist of it.
    pub(crate) fn is_offered(&self) -> bool {
        self.configuration().is_some() && self.history.last().is_some()
    }
}

fn count(segment: &Segment) -> u64 {
    u64::try_from(segment.parts.len()).unwrap_or(u64::MAX)
}

fn ready<T>(body: T, max_age: Duration, urgency: u8) -> Answer<T> {
    Answer::Ready { body, max_age, urgency }
}

fn refused<T>(refusal: Refusal, max_age: Duration) -> Answer<T> {
    Answer::Refused { refusal, max_age }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_strictly() {
        let all = Directives { msn: Some(12), part: Some(0), skip: Some(Skip::Segments) };
        assert_eq!(Directives::parse("_HLS_msn=12&_HLS_part=0&_HLS_skip=YES"), Ok(all));
        assert_eq!(Directives::parse("token=x&_HLS_future=1"), Ok(Directives::default()));
        assert_eq!(Directives::parse(""), Ok(Directives::default()));
        for bad in [
            "_HLS_part=1",
            "_HLS_msn=",
            "_HLS_msn=-1",
            "_HLS_msn=1.5",
            "_HLS_msn=1&_HLS_msn=2",
            "_HLS_skip=YES&_HLS_skip=v2",
        ] {
            assert_eq!(Directives::parse(bad), Err(DirectivesError), "{bad}");
        }
        assert_eq!(Directives::parse("_HLS_msn=99999999999999999999"), Err(DirectivesError));
    }
}
