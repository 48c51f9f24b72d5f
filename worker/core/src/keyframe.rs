//! When to ask a publisher for a keyframe: merged over subscribers, throttled with a trailing edge.
//!
//! A request that falls into the pause after the last one is kept and sent when the pause ends. A
//! throttle without that edge loses the request of the last subscriber, which then stays black:
//! browsers send no PLI for a stream of which they have never received a packet.

use std::time::{Duration, Instant};

/// Pause between two requests for one encoding.
pub(crate) const REQUEST_INTERVAL: Duration = Duration::from_millis(300);

/// Requests for one encoding of one track.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    asked_at: Option<Instant>,
    wanted: bool,
}

impl Requests {
    /// Somebody needs a keyframe.
    pub(crate) fn want(&mut self) {
        self.wanted = true;
    }

    /// A keyframe came: whoever waited has it.
    pub(crate) fn satisfied(&mut self) {
        self.wanted = false;
    }

    /// Whether to ask now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.wanted && self.asked_at.is_none_or(|at| now.saturating_duration_since(at) >= REQUEST_INTERVAL)
    }

    /// The publisher was asked.
    pub(crate) fn asked(&mut self, now: Instant) {
        self.asked_at = Some(now);
        self.wanted = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_inside_the_pause_is_sent_when_it_ends() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut requests = Requests::default();
        assert!(!requests.is_due(start));
        requests.want();
        assert!(requests.is_due(start));
        requests.asked(start);

        requests.want();
        assert!(!requests.is_due(at(299)));
        assert!(requests.is_due(at(300)));
    }

    #[test]
    fn a_keyframe_that_came_by_itself_ends_the_wish() {
        let mut requests = Requests::default();
        requests.want();
        requests.satisfied();
        assert!(!requests.is_due(Instant::now()));
    }
}
