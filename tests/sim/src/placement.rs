//! How evenly rooms spread over workers: the real scorer and the real reservations beside simpler policies.
//!
//! The model. Three coordinators share the workers. Rooms come at random, half a room a second per worker,
//! by any coordinator, and live for two minutes on average, so a worker holds 55 in the long run. A room costs
//! half to one and a half times what a video room is expected to cost, and reaches that in a straight line
//! within 20 s. A worker reports its load every so often, each at a time of its own; the report is all that
//! the raw policies know. Ours knows also what every coordinator knows of the records, 10 to 50 ms late.
//! After six minutes, in which the cluster fills, the load of the busiest worker is compared with the mean
//! twice a second for five minutes.

mod cluster;
mod figures;
mod policy;

use std::time::Duration;

pub use figures::{Figures, Row};
pub use policy::Policy;

use cluster::Cluster;

/// What is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// How many workers there are.
    pub workers: usize,
    /// Time between two reports of a worker.
    pub report_every: Duration,
}

/// All settings of the comparison.
pub fn settings() -> Vec<Setting> {
    let every = [1, 5, 15].map(Duration::from_secs);
    let of = |workers| every.map(|report_every| Setting { workers, report_every });
    [10, 200].into_iter().flat_map(of).collect()
}

/// Runs one policy with each of the seeds, and pools what was seen.
pub fn compare(setting: Setting, policy: Policy, seeds: impl IntoIterator<Item = u64>) -> Figures {
    seeds.into_iter().flat_map(|seed| Cluster::new(setting, policy, seed).run()).collect()
}
