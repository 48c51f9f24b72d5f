//! What every part of the simulation acts on: the time, the network, the store, chance.

use std::time::{Duration, Instant};

use crate::bugs::Bug;
use crate::bus::Publish;
use crate::dice::Dice;
use crate::mail::{Mail, Timer};
use crate::net::{Hub, Lane, Net, Node};
use crate::oracle::Oracle;
use crate::queue::{Event, Queue};
use crate::store::{Call, Store};

pub(crate) struct Ctx {
    base: Instant,
    pub(crate) now: Duration,
    pub(crate) queue: Queue<Event>,
    pub(crate) dice: Dice,
    pub(crate) net: Net,
    pub(crate) store: Store,
    pub(crate) oracle: Oracle,
    pub(crate) bug: Option<Bug>,
    pub(crate) trace: Option<Vec<String>>,
    ids: u64,
}

impl Ctx {
    pub(crate) fn new(seed: u64, bug: Option<Bug>, traced: bool) -> Self {
        Self {
            base: Instant::now(),
            now: Duration::ZERO,
            queue: Queue::default(),
            dice: Dice::new(seed),
            net: Net::default(),
            store: Store::default(),
            oracle: Oracle::default(),
            bug,
            trace: traced.then(Vec::new),
            ids: 0,
        }
    }

    pub(crate) fn instant(&self) -> Instant {
        self.base + self.now
    }

    pub(crate) fn since_start(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.base)
    }

    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// A new name for a call, a session or a boot.
    pub(crate) fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>9.3} {}", self.now.as_secs_f64(), line()));
        }
    }

    pub(crate) fn coordinators(&self) -> Vec<Node> {
        self.net.up.keys().copied().filter(|node| matches!(node, Node::Coordinator(_))).collect()
    }

    pub(crate) fn after(&mut self, wait: Duration, event: Event) {
        self.queue.at(self.now + wait, event);
    }

    /// A process reminds itself.
    pub(crate) fn remind(&mut self, node: Node, boot: u32, at: Duration, timer: Timer) {
        let event = Event::Mail { to: node, boot, via: None, mail: Mail::Timer(timer) };
        self.queue.at(at.max(self.now), event);
    }

    pub(crate) fn mail_in(&mut self, node: Node, boot: u32, wait: Duration, mail: Mail) {
        self.after(wait, Event::Mail { to: node, boot, via: None, mail });
    }

    pub(crate) fn publish(&mut self, from: Node, publish: Publish) {
        let at = self.net.arrival(from, Lane::To(Hub::Bus), self.now, &mut self.dice);
        self.queue.at(at, Event::AtBus { from, publish: Box::new(publish) });
    }

    /// Asks the store; the answer, or its absence after `timeout`, comes back under the number returned.
    pub(crate) fn ask(&mut self, from: Node, boot: u32, call: Call, timeout: Duration) -> u64 {
        let id = self.id();
        let at = self.net.arrival(from, Lane::To(Hub::Store), self.now, &mut self.dice);
        self.queue.at(at, Event::AtStore { from, boot, id, call: Box::new(call) });
        self.mail_in(from, boot, timeout, Mail::StoreLate(id));
        id
    }

    pub(crate) fn send(&mut self, to: Node, hub: Hub, mail: Mail) {
        if let Some(boot) = self.net.up.get(&to).copied() {
            self.send_to_boot(to, boot, hub, mail);
        }
    }

    pub(crate) fn send_to_boot(&mut self, to: Node, boot: u32, hub: Hub, mail: Mail) {
        self.answer(to, boot, (hub, Lane::From(hub)), mail);
    }

    pub(crate) fn answer(&mut self, to: Node, boot: u32, (hub, lane): (Hub, Lane), mail: Mail) {
        if hub == Hub::Bus && self.dice.permille(self.net.repeats_permille) {
            self.deliver(to, boot, (hub, lane), mail.clone());
        }
        self.deliver(to, boot, (hub, lane), mail);
    }

    fn deliver(&mut self, to: Node, boot: u32, (hub, lane): (Hub, Lane), mail: Mail) {
        let lost = hub == Hub::Bus && self.dice.permille(self.net.loses_permille);
        if lost || !self.net.comes_from(to, hub) {
            return;
        }
        let at = self.net.arrival(to, lane, self.now, &mut self.dice);
        self.queue.at(at, Event::Mail { to, boot, via: Some(hub), mail });
    }
}
