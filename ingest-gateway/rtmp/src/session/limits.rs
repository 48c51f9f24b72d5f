//! How much a peer may ask, and after how much it is told that it arrived.

use std::time::{Duration, Instant};

/// Commands and pings, or else metadata, that a peer may send at once; a publisher sends some ten.
pub(super) const REQUESTS_BURST: u32 = 64;
/// And how many more with each second.
const REQUESTS_PER_S: u32 = 8;

/// How many requests a peer may still send.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u32,
    filled_at: Instant,
}

impl Allowance {
    pub(super) fn full(now: Instant) -> Self {
        Self { left: REQUESTS_BURST, filled_at: now }
    }

    /// Whether there was one left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.filled_at).as_secs();
        if seconds > 0 {
            let more = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(REQUESTS_PER_S);
            self.left = self.left.saturating_add(more).min(REQUESTS_BURST);
            self.filled_at += Duration::from_secs(seconds);
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

/// What the peer was told of how much arrived.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    window: Option<u32>,
    bytes: u64,
}

impl Acknowledged {
    /// Takes what the peer says after how many bytes it wants to hear.
    pub(super) fn set_window(&mut self, payload: &[u8]) {
        self.window = payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    }

    /// The number to tell, which begins again after 4 GiB.
    pub(super) fn due(&mut self, received_bytes: u64) -> Option<u32> {
        let window = self.window.filter(|window| *window > 0)?;
        if received_bytes - self.bytes < u64::from(window) {
            return None;
        }
        self.bytes = received_bytes;
        u32::try_from(received_bytes & u64::from(u32::MAX)).ok()
    }
}
