//! How a broadcast goes, for others to see.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use velella_gateway_core::Progress;
use velella_model::component::{IngestState, Trouble};

/// A room that shows nothing but what no player takes for so long is a trouble; it is none any more when nothing of
/// that came for as long.
const PATIENCE: Duration = Duration::from_secs(5);

/// How it goes.
#[derive(Debug)]
pub(crate) struct Standing {
    /// It stays so: a room whose people leave is a stream with gaps.
    pub(crate) playable: bool,
    /// When the first and the last picture came that no player takes, with none between them that can be shown.
    unsupported: Option<(Instant, Instant)>,
    told: Option<(IngestState, Option<Trouble>)>,
}

impl Standing {
    pub(crate) fn new(playable: bool) -> Self {
        Self { playable, unsupported: None, told: None }
    }

    /// A picture came that no player takes.
    pub(crate) fn unsupported(&mut self, now: Instant) {
        let first = self.unsupported.filter(|(_, last)| now.saturating_duration_since(*last) < PATIENCE);
        self.unsupported = Some((first.map_or(now, |(first, _)| first), now));
    }

    /// A picture was shown.
    pub(crate) fn shown(&mut self) {
        self.unsupported = None;
    }

    /// What others do not know yet.
    pub(crate) fn news(&mut self, now: Instant) -> Option<Progress> {
        let trouble = self.trouble(now);
        let state = match (self.playable, &trouble) {
            (true, _) => IngestState::Live,
            (false, Some(_)) => IngestState::Retrying,
            (false, None) => IngestState::Connecting,
        };
        let news = (state, trouble);
        if self.told.as_ref() == Some(&news) {
            return None;
        }
        let (state, trouble) = self.told.insert(news).clone();
        Some(Progress { state, trouble, tracks: BTreeMap::new() })
    }

    fn trouble(&self, now: Instant) -> Option<Trouble> {
        let (first, last) = self.unsupported?;
        let lasts = last.saturating_duration_since(first) >= PATIENCE && now.saturating_duration_since(last) < PATIENCE;
        lasts.then(|| Trouble {
            code: "codec_unsupported".into(),
            sentence: "The room sends VP8 alone, which no player of HLS takes; broadcast a room of H.264.".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_room_that_shows_what_no_player_takes_is_a_trouble_until_it_shows_something_else() {
        let (mut standing, t0) = (Standing::new(false), origin());
        let state = |told: Option<Progress>| told.map(|told| (told.state, told.trouble.map(|trouble| trouble.code)));
        assert_eq!(state(standing.news(t0)), Some((IngestState::Connecting, None)));
        (0..5).for_each(|s| standing.unsupported(t0 + SECOND * s));
        assert_eq!(state(standing.news(t0 + SECOND * 4)), None);
        standing.unsupported(t0 + SECOND * 5);
        let trouble = (IngestState::Retrying, Some("codec_unsupported".to_owned()));
        assert_eq!(state(standing.news(t0 + SECOND * 5)), Some(trouble));
        standing.playable = true;
        assert!(matches!(state(standing.news(t0 + SECOND * 6)), Some((IngestState::Live, Some(_)))), "sound is heard");
        standing.shown();
        assert_eq!(state(standing.news(t0 + SECOND * 7)), Some((IngestState::Live, None)));
    }

    #[test]
    fn a_room_that_shows_nothing_any_more_is_no_trouble() {
        let (mut standing, t0) = (Standing::new(false), origin());
        (0..6).for_each(|s| standing.unsupported(t0 + SECOND * s));
        assert_eq!(standing.news(t0 + SECOND * 6).map(|told| told.state), Some(IngestState::Retrying));
        assert_eq!(standing.news(t0 + SECOND * 10).map(|told| told.state), Some(IngestState::Connecting));
        standing.unsupported(t0 + SECOND * 11);
        assert_eq!(standing.news(t0 + SECOND * 11), None, "it may be an accident");
    }

    #[allow(clippy::disallowed_methods, reason = "tests need a first instant")]
    fn origin() -> Instant {
        Instant::now()
    }
}
