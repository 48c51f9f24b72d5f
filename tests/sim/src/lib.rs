//! A Velella cluster in virtual time: the real cores of coordinators and workers, what gateways have to run and the
//! real tenure of leased keys, in shells that are imitated, over a store and a bus that are simulated.
//!
//! A seed decides everything. One idea a file: `queue` (what happens when), `net` (who reaches whom),
//! `store`, `bus`, `coordinator`, `worker`, `gateway`, `keeping` (a leased key), `peer`, `users` (of the
//! management API), `faults`, `oracle` (what must hold), `world` (all of it together), `bugs` (that
//! can be planted).

#![warn(missing_docs)]
#![expect(clippy::indexing_slicing, reason = "indices are made here, and a wrong one shall stop the run")]

mod bugs;
mod bus;
mod coordinator;
mod ctx;
mod dice;
mod faults;
mod gateway;
mod keeping;
mod mail;
mod net;
mod oracle;
mod peer;
pub mod placement;
mod queue;
mod store;
mod users;
mod worker;
mod world;

pub use crate::bugs::Bug;
pub use crate::oracle::{Kind, Violation};
pub use crate::world::Report;

/// Runs one seed.
pub fn run(seed: u64, bug: Option<Bug>) -> Result<Report, Violation> {
    let mut world = world::World::new(seed, bug, false);
    world.run().map_or_else(|| Ok(world.report()), Err)
}

/// Runs one seed and tells what happens, a line a step.
pub fn trace(seed: u64, bug: Option<Bug>) -> (Vec<String>, Option<Violation>) {
    let mut world = world::World::new(seed, bug, true);
    let violation = world.run();
    (world.ctx.trace.unwrap_or_default(), violation)
}
