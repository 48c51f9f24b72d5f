//! Notifications on their way out of the core: encoded once, then to the log for sockets and to the
//! post for webhooks.

mod codec;
pub(crate) mod log;
pub(crate) mod post;
pub(crate) mod report;
pub(crate) mod ring;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use velella_coordinator_core::{Notice, Told};

use crate::metrics::Metrics;
use crate::notices::log::Log;
use crate::notices::post::{Letterbox, Mail};

/// Where the driver brings notices.
pub(crate) struct Notices {
    pub(crate) log: Log,
    pub(crate) letterbox: Letterbox,
    pub(crate) metrics: Arc<Metrics>,
}

impl Notices {
    /// Takes a notice, in order.
    pub(crate) async fn tell(&self, notice: Notice) {
        let Notice { room, told, hook } = notice;
        let last = told == Told::RoomDeleted;
        let (position, body) = self.log.append(&room, last, |place| codec::encode(&room, &told, place, now_ms()));
        self.metrics.notices.inc();
        let batchable = !matches!(told, Told::VoiceChanged(..));
        self.letterbox.send(Mail { room, hook, position, body, batchable }).await;
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
