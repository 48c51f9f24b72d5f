//! What an edge may take up.

use std::time::Duration;

/// What an edge may take up. Each bound has a counter in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of objects that are kept; for more, what was not asked for the longest goes.
    pub cache_bytes: u64,
    /// Connections at once; for one more, the oldest is closed.
    pub connections: usize,
    /// Requests that wait for an answer at once; one more is told to come back.
    pub waiting: usize,
    /// The same, of one viewer's connection. Other edges ask for many viewers on one.
    pub waiting_per_connection: usize,
    /// Viewers wait so long for a gateway that answers, while theirs does not. Less than what players wait for anything.
    pub move_patience: Duration,
    /// A connection that takes nothing of its answers for so long is cut.
    pub slow_patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cache_bytes: 256 << 20,
            connections: 16_384,
            waiting: 16_384,
            waiting_per_connection: 64,
            move_patience: Duration::from_secs(5),
            slow_patience: Duration::from_secs(20),
        }
    }
}
