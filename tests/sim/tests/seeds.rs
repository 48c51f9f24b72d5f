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
        (Bug::NoLeader, Kind::Placed),
        (Bug::Mute, Kind::Joined),
        (Bug::DeafToCordons, Kind::Drained),
        (Bug::Restless, Kind::Reserved),
    ];
    for (bug, kind) in planted {
        let found = (0..100).find(|seed| run(*seed, Some(bug)).is_err_and(|violation| violation.kind == kind));
        assert!(found.is_some(), "{kind:?} does not find {bug:?}");
    }
}

#[test]
#[ignore = "known: nobody notices that the last signal of a session, `Closed`, was lost"]
fn a_peer_whose_session_ended_unheard_comes_back() {
    assert!(run(532, None).is_ok());
}

#[test]
#[ignore = "known: generations start above the newest revision that *this* coordinator knows, and its watch lags"]
fn a_room_that_is_made_again_by_a_lagging_coordinator_gets_a_newer_generation() {
    assert!(run(661, None).is_ok());
}
