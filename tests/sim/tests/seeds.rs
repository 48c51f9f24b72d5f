//! Seeds that must pass, and planted bugs that each oracle must find.

use velella_sim::{Bug, Kind, run};

/// A few dozen for every `cargo test`; `make sim` runs some hundred.
#[test]
fn seeds_keep_all_promises() {
    for seed in 0..40 {
        if let Err(violation) = run(seed, None) {
            panic!("seed {seed}: {violation:?}; `cargo run -p velella-sim -- show {seed}` tells how");
        }
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    assert_eq!(velella_sim::trace(3, None).0, velella_sim::trace(3, None).0);
}

#[test]
fn each_oracle_finds_what_it_looks_for() {
    let planted = [
        (Bug::NoFence, Kind::Fence),
        (Bug::NoAudit, Kind::Audit),
        (Bug::NoCompare, Kind::Generation),
        (Bug::Forgetful, Kind::Lost),
        (Bug::Replay, Kind::Lost),
        (Bug::NoCloses, Kind::Orphan),
        (Bug::Unmoved, Kind::Late),
        (Bug::NoLeader, Kind::Placed),
        (Bug::Mute, Kind::Joined),
        (Bug::DeafToCordons, Kind::Drained),
        (Bug::Restless, Kind::Reserved),
        (Bug::Unstopped, Kind::Run),
        (Bug::Shy, Kind::Uprooted),
    ];
    for (bug, kind) in planted {
        let found = (0..300).find(|seed| run(*seed, Some(bug)).is_err_and(|violation| violation.kind == kind));
        assert!(found.is_some(), "{kind:?} does not find {bug:?}");
    }
}
