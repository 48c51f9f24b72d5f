//! Announcements of workers.

use std::collections::BTreeMap;

use velella_model::wire::announce::{Announce, Capacity, Load, WorkerState};
use velella_model::{Generation, Incarnation, WorkerId};

#[test]
fn announcements_keep_their_form() {
    let states =
        [WorkerState::Starting, WorkerState::Ready, WorkerState::Cordoned, WorkerState::Draining, WorkerState::Fenced];
    let examples = states.map(|state| (name(state), announce(state)));
    crate::holds("announce", &examples);
}

/// A new state fails to compile here: it needs an example too.
fn name(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Starting => "starting",
        WorkerState::Ready => "ready",
        WorkerState::Cordoned => "cordoned",
        WorkerState::Draining => "draining",
        WorkerState::Fenced => "fenced",
    }
}

fn announce(state: WorkerState) -> Announce {
    Announce {
        worker: WorkerId::parse("eu.west.1").unwrap(),
        incarnation: Incarnation(u64::MAX),
        seq: 300,
        state,
        region: "eu".into(),
        labels: BTreeMap::from([("zone".into(), "a".into())]),
        version: "0.1.0".into(),
        endpoints: vec!["192.0.2.1:10000".parse().unwrap(), "[2001:db8::1]:10000".parse().unwrap()],
        probe: Some("192.0.2.1:9568".parse().unwrap()),
        capacity: Capacity { load_permille_max: 800, rooms_max: 2_000, sessions_max: 4_000 },
        load: Load {
            cpu_permille: 250,
            packets_in_per_s: 70_000,
            packets_out_per_s: 5_000_000_000,
            bits_in_per_s: 1,
            bits_out_per_s: 2,
            rooms: 3,
            sessions: 4,
            tracks: 5,
        },
        assigned_total: 6,
        generation: Generation(7),
    }
}
