//! What happens when, in virtual time: earliest first, and in the order of scheduling at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use velella_store::LeaseId;

use crate::bus::Publish;
use crate::faults::Healing;
use crate::mail::{Mail, PeerMail};
use crate::net::{Hub, Node};
use crate::store::Call;

/// Something that happens.
#[derive(Debug)]
pub(crate) enum Event {
    /// A process is reached, over a hub or from within.
    Mail { to: Node, boot: u32, via: Option<Hub>, mail: Mail },
    /// The store is reached.
    AtStore { from: Node, boot: u32, id: u64, call: Box<Call> },
    /// The bus is reached.
    AtBus { from: Node, publish: Box<Publish> },
    /// A lease may have run out.
    LeaseEnds(LeaseId),
    /// A peer is reached.
    Peer(usize, PeerMail),
    /// Users of the management API get an answer, or `None`: it went down with its coordinator.
    Replied(u64, Option<Box<velella_coordinator_core::Reply>>),
    /// Users do something.
    Users,
    /// Something breaks.
    Break,
    /// Something of a gateway breaks.
    BreakGateway,
    /// Something is repaired.
    Heal(Healing),
    /// Everything is repaired; nothing breaks any more.
    Quiet,
    /// Operators leave at most one worker drained.
    Settle,
    /// All must be well.
    Judge,
}

#[derive(Debug)]
pub(crate) struct Queue<E> {
    events: BTreeMap<(Duration, u64), E>,
    next: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { events: BTreeMap::new(), next: 0 }
    }
}

impl<E> Queue<E> {
    pub(crate) fn at(&mut self, at: Duration, event: E) {
        self.next += 1;
        self.events.insert((at, self.next), event);
    }

    pub(crate) fn pop(&mut self) -> Option<(Duration, E)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}
