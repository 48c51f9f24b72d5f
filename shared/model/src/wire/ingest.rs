//! Gateway → coordinators: how much of each ingest comes through, and what went wrong with it last.
//!
//! Told again and again, so a message that is lost does no harm, and nobody has to keep what the next one says
//! again.

use serde::{Deserialize, Serialize};

use super::Message;
use crate::component::Trouble;
use crate::{ComponentId, GatewayId, Incarnation, RoomId};

/// Interval between reports.
pub const INGEST_REPORT_INTERVAL_MS: u64 = 2_000;

/// Components in one message; a gateway with more tells them in several.
pub const INGESTS_PER_REPORT_MAX: usize = 512;

/// Key frames that are further apart are worth a warning: whoever joins waits that long for a picture.
pub const KEY_FRAME_INTERVAL_LONG_MS: u32 = 4_000;

/// Some of the components that a gateway has to do with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestReport {
    /// Who.
    pub gateway: GatewayId,
    /// Its boot.
    pub incarnation: Incarnation,
    /// Each at most once.
    pub ingests: Vec<IngestReading>,
}

/// One component as its gateway sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestReading {
    /// Its room.
    pub room: RoomId,
    /// It.
    pub component: ComponentId,
    /// What comes through; `None` when nobody publishes it, or it has just begun.
    pub flow: Option<Flow>,
    /// What went wrong last, also with a publisher that was sent away.
    pub last_trouble: Option<PastTrouble>,
}

/// What comes through of an ingest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Pictures and sound since the last report.
    pub bitrate_bps: u64,
    /// Pictures in a thousand seconds, since the last report.
    pub pictures_per_1000_s: u32,
    /// Distance of the last two key frames, or since the last one if that is more; `None` before it is known.
    pub key_frame_interval_ms: Option<u32>,
    /// Packets that did not reach the gateway, since the ingest began.
    pub packets_lost: u64,
}

/// Something that went wrong, whether or not it goes well since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastTrouble {
    /// What.
    pub trouble: Trouble,
    /// When, by the gateway's clock, in milliseconds since 1970.
    pub at_ms: u64,
}

impl Flow {
    /// Stable codes of what is worth a warning.
    pub fn warnings(&self) -> impl Iterator<Item = &'static str> {
        let far_apart = self.key_frame_interval_ms.is_some_and(|ms| ms > KEY_FRAME_INTERVAL_LONG_MS);
        far_apart.then_some("key_frames_far_apart").into_iter()
    }
}

impl Message for IngestReport {}
