//! Who speaks, by the levels that browsers put on their audio packets (RFC 6464): no decoding.
//!
//! The level decides and not the voice flag beside it, which browsers set on silence as well. Speech
//! begins at a packet and ends with time alone: muting and discontinuous transmission leave no
//! packets that could end it.

use std::time::{Duration, Instant};

use velella_model::wire::signal::Voice;

/// At this level speech may begin. With gain control and noise suppression speech lies between -15
/// and -40 dBov, the room behind it below -60.
const BEGIN_DBOV: i8 = -45;
/// Down to this level speech goes on: ends of words are softer than their beginnings, and one
/// threshold alone would flutter around it.
const GO_ON_DBOV: i8 = -55;
/// So long it has to be loud before it counts: three packets of 20 ms. A key or a click is shorter.
const BEGIN_AFTER: Duration = Duration::from_millis(40);
/// Loud packets further apart than this have nothing to do with each other.
const BEGIN_WITHIN: Duration = Duration::from_millis(200);
/// So long it has to be quiet before speech is over: longer than the pauses between words, short
/// enough that the mark of the next speaker does not compete with this one.
const END_AFTER: Duration = Duration::from_millis(700);

/// Follows one audio track.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Detector {
    Silent {
        /// Since when it has been loud.
        loud_since: Option<Instant>,
    },
    Speaking {
        /// The last packet that was loud enough to go on.
        heard_at: Instant,
    },
}

impl Detector {
    pub(crate) fn new() -> Self {
        Self::Silent { loud_since: None }
    }

    /// A packet of this level came. Returns whether speech begins with it.
    pub(crate) fn hear(&mut self, level_dbov: i8, now: Instant) -> bool {
        match self {
            Self::Speaking { heard_at } => {
                if level_dbov >= GO_ON_DBOV {
                    *heard_at = now;
                }
            }
            Self::Silent { loud_since } if level_dbov < GO_ON_DBOV => *loud_since = None,
            Self::Silent { .. } if level_dbov < BEGIN_DBOV => {}
            Self::Silent { loud_since } => {
                let loud_for = loud_since.map(|since| now.saturating_duration_since(since));
                match loud_for.filter(|d| *d <= BEGIN_WITHIN) {
                    None => *loud_since = Some(now),
                    Some(long) if long >= BEGIN_AFTER => {
                        *self = Self::Speaking { heard_at: now };
                        return true;
                    }
                    Some(_) => {}
                }
            }
        }
        false
    }

    /// Time passed. Returns whether speech is over.
    pub(crate) fn pass(&mut self, now: Instant) -> bool {
        let over = matches!(self, Self::Speaking { heard_at } if now.saturating_duration_since(*heard_at) >= END_AFTER);
        if over {
            *self = Self::new();
        }
        over
    }

    pub(crate) fn voice(&self) -> Voice {
        match self {
            Self::Silent { .. } => Voice::Silence,
            Self::Speaking { .. } => Voice::Speech,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOUD: i8 = -30;
    const SOFT: i8 = -50;
    const QUIET: i8 = -80;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Hears one packet every 20 ms and looks after each; returns the changes and when they came.
    fn listen(levels: &[Option<i8>]) -> Vec<(u64, Voice)> {
        let (mut detector, start, mut changes) = (Detector::new(), Instant::now(), Vec::new());
        for (at, level) in (0..).step_by(20).zip(levels) {
            let now = start + ms(at);
            let begins = level.is_some_and(|level| detector.hear(level, now));
            if begins || detector.pass(now) {
                changes.push((at, detector.voice()));
            }
        }
        changes
    }

    fn times(level: impl Into<Option<i8>>, count: usize) -> Vec<Option<i8>> {
        vec![level.into(); count]
    }

    #[test]
    fn speech_begins_after_three_loud_packets_and_ends_after_a_pause() {
        let heard = [times(QUIET, 5), times(LOUD, 20), times(QUIET, 60)].concat();
        assert_eq!(listen(&heard), [(140, Voice::Speech), (480 + 700, Voice::Silence)]);
    }

    #[test]
    fn a_click_is_no_speech() {
        let heard = [times(LOUD, 2), times(QUIET, 3), times(LOUD, 1), times(QUIET, 50)].concat();
        assert_eq!(listen(&heard), []);
    }

    #[test]
    fn clicks_with_nothing_between_them_are_no_speech() {
        let heard = [times(LOUD, 1), times(None, 30), times(LOUD, 1), times(None, 30), times(LOUD, 2)].concat();
        assert_eq!(listen(&heard), []);
    }

    #[test]
    fn pauses_between_words_and_soft_ends_of_them_are_speech() {
        let word = [times(LOUD, 5), times(SOFT, 20), times(QUIET, 30)].concat();
        assert_eq!(listen(&word.repeat(4)), [(40, Voice::Speech)]);
    }

    #[test]
    fn soft_sounds_alone_begin_nothing() {
        assert_eq!(listen(&times(SOFT, 200)), []);
    }

    #[test]
    fn packets_that_stop_end_speech() {
        let heard = [times(LOUD, 10), times(None, 60)].concat();
        assert_eq!(listen(&heard), [(40, Voice::Speech), (180 + 700, Voice::Silence)]);
    }

    proptest! {
        #[test]
        fn changes_alternate_and_keep_their_distance(levels in prop::collection::vec(prop::option::of(-127i8..=0), 0..500)) {
            let changes = listen(&levels);
            prop_assert!(changes.windows(2).all(|w| w[0].1 != w[1].1));
            let speech = changes.windows(2).filter(|w| w[0].1 == Voice::Speech);
            prop_assert!(speech.clone().all(|w| w[1].0 - w[0].0 >= 700));
        }
    }
}
