//! Rooms spread more evenly by the deployed policy than by simpler ones. The bounds are generous: `make
//! bench-placement` measures.

use std::time::Duration;

use velella_sim::placement::{Policy, Setting, compare};

const SEEDS: std::ops::Range<u64> = 0..1;

#[test]
fn ours_spreads_rooms_more_evenly_than_raw_policies_however_old_the_reports() {
    for seconds in [1, 5, 15] {
        let setting = Setting { workers: 10, report_every: Duration::from_secs(seconds) };
        let p99 = |policy| compare(setting, policy, SEEDS).p99_permille;
        let ours = p99(Policy::Ours);
        assert!(ours < 1_200, "the busiest worker has {ours} permille of the mean, reports every {seconds} s");
        for raw in [Policy::Random, Policy::LeastLoaded, Policy::TwoChoices] {
            let raw_p99 = p99(raw);
            assert!(ours + 20 < raw_p99, "{ours}, but {}: {raw_p99}, reports every {seconds} s", raw.name());
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let setting = Setting { workers: 10, report_every: Duration::from_secs(1) };
    assert_eq!(compare(setting, Policy::Ours, SEEDS), compare(setting, Policy::Ours, SEEDS));
}
