//! What a worker says of itself on its admin port: which rooms it holds, and whether it lets people in.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;
use velella_model::wire::announce::WorkerState;
use velella_model::{Generation, Incarnation, RoomId, WorkerId};
use velella_worker_core::Ledger;

/// The state of one moment.
#[derive(Debug, Serialize)]
pub(crate) struct State<'a> {
    worker: &'a WorkerId,
    incarnation: Incarnation,
    state: WorkerState,
    /// Which claim of its key it lets people in under; grows by one with each.
    claim: u64,
    /// It lets people in for so long from now, unless it loses its key before.
    admits_for_ms: u64,
    /// Each with the generation it was assigned under.
    rooms: BTreeMap<&'a RoomId, Generation>,
}

impl<'a> State<'a> {
    pub(crate) fn of(
        worker: &'a WorkerId,
        incarnation: Incarnation,
        claim: u64,
        ledger: &'a Ledger,
        now: Instant,
    ) -> Self {
        let admits_for_ms = u64::try_from(ledger.admits_for(now).as_millis()).unwrap_or(u64::MAX);
        Self { worker, incarnation, state: ledger.state(now), claim, admits_for_ms, rooms: ledger.rooms().collect() }
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("ids and numbers become JSON")
    }
}
