//! NATS subjects: the only place that spells them.
//!
//! Worker and coordinator ids are the operator's names; `.` in them is written `_` so that one id
//! stays one token. Ids of rooms and peers never become part of a subject.

use crate::{CoordinatorId, WorkerId};

/// All announcements of workers.
pub const ANNOUNCEMENTS: &str = "velella.v1.announce.worker";

/// Who speaks, from all workers.
pub const VOICES: &str = "velella.v1.voice";

/// What each worker holds, for the leader to compare with the store.
pub const HOLDINGS: &str = "velella.v1.holding";

/// Commands to a worker (request and reply).
pub fn worker_commands(worker: &WorkerId) -> String {
    format!("velella.v1.worker.{}.command", token(worker.as_str()))
}

/// Signalling of sessions to a worker.
pub fn worker_signals(worker: &WorkerId) -> String {
    format!("velella.v1.worker.{}.signal", token(worker.as_str()))
}

/// Signalling of sessions back to the coordinator that holds their sockets.
pub fn coordinator_signals(coordinator: &CoordinatorId) -> String {
    format!("velella.v1.coordinator.{}.signal", token(coordinator.as_str()))
}

/// What agents say, to the worker that serves them.
pub fn worker_agents(worker: &WorkerId) -> String {
    format!("velella.v1.worker.{}.agent", token(worker.as_str()))
}

/// What agents hear, to the coordinator that holds their sockets.
pub fn coordinator_agents(coordinator: &CoordinatorId) -> String {
    format!("velella.v1.coordinator.{}.agent", token(coordinator.as_str()))
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
    }
}
