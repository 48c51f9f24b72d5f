//! Notifications on their way out of the chronicle, encoded once: to the log for sockets, to the post
//! for webhooks.

mod codec;
pub(crate) mod log;
pub(crate) mod post;
pub(crate) mod report;
pub(crate) mod ring;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use velella_coordinator_core::chronicle::Sequence;
use velella_coordinator_core::{Notice, Revision};

use crate::metrics::Metrics;
use crate::notices::log::Log;

/// Where the driver brings notices.
pub(crate) struct Notices {
    pub(crate) log: Log,
    pub(crate) metrics: Arc<Metrics>,
}

impl Notices {
    /// What follows is of changes after this revision; what is between is not known.
    pub(crate) fn begin(&self, revision: Revision) {
        self.log.begin(Sequence::last_of(revision));
    }

    /// Takes a notice, in order.
    pub(crate) fn tell(&self, notice: Notice) {
        let bytes = codec::encode(&notice, now_ms());
        self.metrics.notices.inc();
        self.log.append(notice.room, notice.sequence, bytes);
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
