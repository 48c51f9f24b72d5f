//! NATS subjects: the only place that spells them.
//!
//! Worker and coordinator ids are the operator's names; `.` in them is written `_` so that one id
//! stays one token. Ids of rooms and peers never become part of a subject.

use crate::wire::command::Holder;
use crate::{CoordinatorId, GatewayId, WorkerId};

/// All announcements of workers.
pub const ANNOUNCEMENTS: &str = "velella.v1.announce.worker";

/// All announcements of gateways.
pub const GATEWAY_ANNOUNCEMENTS: &str = "velella.v1.announce.gateway";

/// Who speaks, from all workers.
pub const VOICES: &str = "velella.v1.voice";

/// What each worker holds, for the leader to compare with the store.
pub const HOLDINGS: &str = "velella.v1.holding";

/// What comes through of ingests, from all gateways.
pub const INGEST_REPORTS: &str = "velella.v1.ingest";

/// Commands to a worker (request and reply).
pub fn worker_commands(worker: &WorkerId) -> String {
    format!("velella.v1.worker.{}.command", token(worker.as_str()))
}

/// Signalling of sessions to a worker.
pub fn worker_signals(worker: &WorkerId) -> String {
    format!("velella.v1.worker.{}.signal", token(worker.as_str()))
}

/// Signalling of sessions back to whoever holds them.
pub fn holder_signals(holder: &Holder) -> String {
    format!("velella.v1.{}.signal", holder_tokens(holder))
}

/// What agents say, to the worker that serves them.
pub fn worker_agents(worker: &WorkerId) -> String {
    format!("velella.v1.worker.{}.agent", token(worker.as_str()))
}

/// What agents hear, to whoever holds them.
pub fn holder_agents(holder: &Holder) -> String {
    format!("velella.v1.{}.agent", holder_tokens(holder))
}

/// Answered by a gateway as long as it lives (request and reply).
pub fn gateway_life(gateway: &GatewayId) -> String {
    format!("velella.v1.gateway.{}.life", token(gateway.as_str()))
}

fn holder_tokens(holder: &Holder) -> String {
    match holder {
        Holder::Coordinator { coordinator } => format!("coordinator.{}", token(coordinator.as_str())),
        Holder::Gateway { gateway } => format!("gateway.{}", token(gateway.as_str())),
    }
}

/// What clients want of their WHIP and WHEP resources (request and reply), to the coordinator that holds them.
pub fn coordinator_resources(coordinator: &CoordinatorId) -> String {
    format!("velella.v1.coordinator.{}.resource", token(coordinator.as_str()))
}

fn token(id: &str) -> String {
    id.replace(['.', ':'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_token() {
        let worker = WorkerId::parse("eu.west.1").unwrap();
        assert_eq!(worker_commands(&worker), "velella.v1.worker.eu_west_1.command");
        let holder = Holder::Gateway { gateway: GatewayId::parse("g.1").unwrap() };
        assert_eq!(holder_signals(&holder), "velella.v1.gateway.g_1.signal");
    }
}
