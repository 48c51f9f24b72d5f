//! Worker → coordinators: which rooms I hold. The leader compares it with the store, so that nothing
//! that a lost message left behind stays for ever.

use serde::{Deserialize, Serialize};

use super::Message;
use crate::{Generation, Incarnation, RoomId, WorkerId};

/// Interval between tellings.
pub const HOLDING_INTERVAL_MS: u64 = 5_000;

/// Rooms in one message; a worker with more tells them in several.
pub const HOLDING_ROOMS_MAX: usize = 2_048;

/// Some of the rooms of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// Who.
    pub worker: WorkerId,
    /// Its boot.
    pub incarnation: Incarnation,
    /// Each with the generation it was assigned under.
    pub rooms: Vec<(RoomId, Generation)>,
}

impl Message for Holding {}
