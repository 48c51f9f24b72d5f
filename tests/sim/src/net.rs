//! Who reaches whom, and how fast. Everybody talks to two hubs, the bus and the store.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use velella_coordinator_core::Noun;

use crate::dice::Dice;

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    Coordinator(usize),
    Worker(usize),
    Gateway(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hub {
    Bus,
    Store,
}

/// Messages of one lane keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    To(Hub),
    From(Hub),
    Watch(Noun),
}

/// A link that is cut, in one direction or both, since when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) to: bool,
    pub(crate) from: bool,
    pub(crate) since: Duration,
}

/// A bus forgets a client that it does not hear for so long: two pings of 2 s, as deployed.
const INTEREST: Duration = Duration::from_secs(4);

#[derive(Debug, Default)]
pub(crate) struct Net {
    /// Living processes, paused ones among them, with their boots.
    pub(crate) up: BTreeMap<Node, u32>,
    pub(crate) paused: BTreeMap<Node, Duration>,
    pub(crate) cuts: BTreeMap<(Node, Hub), Cut>,
    pub(crate) down: BTreeSet<Hub>,
    /// They live, and nobody reaches them.
    pub(crate) remote: BTreeSet<Hub>,
    /// How long watches lag at most.
    pub(crate) lags: BTreeMap<Node, Duration>,
    /// Longest delay of a message on top of the usual.
    pub(crate) slow: Duration,
    pub(crate) reorders: bool,
    pub(crate) loses_permille: u32,
    /// Of messages of the bus, which are delivered twice.
    pub(crate) repeats_permille: u32,
    last: BTreeMap<(Node, Lane), Duration>,
}

impl Net {
    pub(crate) fn heal(&mut self) {
        *self = Self { up: std::mem::take(&mut self.up), last: std::mem::take(&mut self.last), ..Self::default() };
    }

    pub(crate) fn goes_to(&self, node: Node, hub: Hub) -> bool {
        self.is_there(hub) && self.cuts.get(&(node, hub)).is_none_or(|cut| !cut.to)
    }

    pub(crate) fn comes_from(&self, node: Node, hub: Hub) -> bool {
        self.is_there(hub) && self.cuts.get(&(node, hub)).is_none_or(|cut| !cut.from)
    }

    fn is_there(&self, hub: Hub) -> bool {
        !self.down.contains(&hub) && !self.remote.contains(&hub)
    }

    /// Whether the bus believes that a process listens.
    pub(crate) fn is_subscribed(&self, node: Node, now: Duration) -> bool {
        let heard = self.cuts.get(&(node, Hub::Bus)).is_none_or(|cut| now < cut.since + INTEREST);
        let runs = self.paused.get(&node).is_none_or(|since| now < *since + INTEREST);
        self.up.contains_key(&node) && heard && runs
    }

    /// When a message that is sent now arrives.
    pub(crate) fn arrival(&mut self, node: Node, lane: Lane, now: Duration, dice: &mut Dice) -> Duration {
        let usual = dice.between(Duration::from_micros(300), Duration::from_millis(3));
        let mut at = now + usual + dice.between(Duration::ZERO, self.slow);
        if let (Lane::Watch(_), Some(lag)) = (lane, self.lags.get(&node)) {
            at += dice.between(Duration::ZERO, *lag);
        }
        if self.reorders && lane == Lane::From(Hub::Bus) {
            return at;
        }
        let last = self.last.entry((node, lane)).or_default();
        *last = at.max(*last);
        *last
    }
}
