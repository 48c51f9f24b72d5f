//! Following the store, as the core knows its entries.
//!
//! One watch follows everything, so its changes are in the order in which the store made them.

use velella_coordinator_core::{Entry, Revision};
use velella_model::key;
use velella_store::{Change, Follower, Listing};

use crate::effects::{Effects, fact};

/// What the store shows, in order.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all steps are changes; a box for each would cost more")]
pub(crate) enum Step {
    /// Everything. A second one comes when changes between are lost.
    Listed { entries: Vec<Entry>, revision: Revision },
    /// One change.
    Changed(Entry),
    /// A change that this build does not look at.
    Passed(Revision),
}

/// Follows; dropping it ends that.
pub(crate) struct Watch {
    effects: Effects,
    follower: Follower,
}

impl Watch {
    /// From the store as it was at `start`, or is now.
    pub(crate) fn start(effects: Effects, start: Option<Revision>) -> Self {
        let store = effects.store.clone();
        let follower = match start {
            Some(Revision(at)) => Follower::start_at(store, key::ROOT, velella_store::Revision(at)),
            None => Follower::start(store, key::ROOT),
        };
        Self { effects, follower }
    }

    /// The next step; can be given up and awaited again.
    pub(crate) async fn next(&mut self) -> Option<Step> {
        loop {
            match self.follower.next().await? {
                velella_store::Step::Listed(listing) => return Some(self.listed(listing)),
                velella_store::Step::Changed(Change::Put { key, versioned }) => {
                    let entry = self.effects.entry(&key, &versioned);
                    return Some(changed(entry, versioned.revision));
                }
                velella_store::Step::Changed(Change::Deleted { key, revision }) => {
                    return Some(changed(deleted(&key, Revision(revision.0)), revision));
                }
                // The follower keeps it to itself.
                velella_store::Step::Changed(Change::Lost) => {}
            }
        }
    }

    fn listed(&self, listing: Listing) -> Step {
        let entries = listing.entries.into_iter().filter_map(|(key, versioned)| self.effects.entry(&key, &versioned));
        Step::Listed { entries: entries.collect(), revision: Revision(listing.revision.0) }
    }
}

fn changed(entry: Option<Entry>, revision: velella_store::Revision) -> Step {
    entry.map_or(Step::Passed(Revision(revision.0)), Step::Changed)
}

fn deleted(key: &str, revision: Revision) -> Option<Entry> {
    let fact = fact(key, None).ok().flatten()?;
    Some(Entry { fact, revision })
}
