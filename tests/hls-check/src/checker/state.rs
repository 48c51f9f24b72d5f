//! At which time a server's answer tells how things were.

use std::time::Duration;

use crate::observation::{Directives, Request, Response};

/// When an answer was made, as far as can be told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// It tells how things were then or later.
    pub(crate) not_before: Duration,
    pub(crate) sent: Duration,
    pub(crate) received: Duration,
    /// The server had it wait for something new.
    pub(crate) deferred: bool,
    /// A cache may have kept it, so that it tells about no time at all.
    pub(crate) cached: bool,
}

impl State {
    pub(crate) fn of(request: &Request, response: &Response, directives: Directives, slack: Duration) -> Self {
        let (sent, received) = (request.sent, response.received);
        let deferred = directives.msn.is_some() && received.saturating_sub(sent) > slack;
        // What was awaited came just now, or the server has kept its answer back.
        let not_before = if deferred { received.saturating_sub(slack) } else { sent };
        Self { not_before, sent, received, deferred, cached: response.is_from_cache() }
    }
}
