//! What breaks at random, and for how long.

use std::time::Duration;

use crate::ctx::Ctx;
use crate::net::{Cut, Hub, Node};
use crate::queue::Event;
use crate::world::World;

/// What is repaired.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Healing {
    Link(Node, Hub),
    Resume(Node),
    Start(Node),
    /// A drained worker ends, and gives its key back.
    Retire(Node),
    Lag(Node),
    Slow,
    Loss,
    Order,
    Once,
    Up(Hub),
    /// It lived all the time.
    Near(Hub),
}

/// Longest trouble: several lives of a lease.
const LONG: Duration = Duration::from_secs(15);
const SHORT: Duration = Duration::from_millis(200);

/// Between two troubles of a store that is all that ever fails: until everybody has claimed its key again.
const RESPITE: Duration = Duration::from_secs(10);

impl World {
    /// Breaks something, and soon something else.
    pub(crate) fn break_something(&mut self) {
        if self.ctx.oracle.nobody_dies {
            return self.lose_the_store();
        }
        let ctx = &mut self.ctx;
        let wait = ctx.dice.between(Duration::from_millis(300), Duration::from_secs(5));
        ctx.after(wait, Event::Break);
        let node = self.nodes[self.ctx.dice.below(self.nodes.len())];
        let hub = if self.ctx.dice.permille(500) { Hub::Bus } else { Hub::Store };
        let lasts = self.lasts();
        let healing = match self.ctx.dice.below(100) {
            0..20 => self.crash(node),
            20..35 => self.pause(node),
            35..65 => cut(node, hub, &mut self.ctx),
            65..73 => {
                let lag = self.ctx.dice.between(SHORT, Duration::from_secs(4));
                self.ctx.net.lags.insert(node, lag);
                Healing::Lag(node)
            }
            73..80 => {
                self.ctx.net.slow = self.ctx.dice.between(Duration::from_millis(5), Duration::from_millis(700));
                Healing::Slow
            }
            80..85 => {
                self.ctx.net.loses_permille = 100;
                Healing::Loss
            }
            85..90 => {
                self.ctx.net.reorders = true;
                Healing::Order
            }
            90..94 => self.retire(node),
            94..97 => {
                self.ctx.net.repeats_permille = 200;
                Healing::Once
            }
            97..99 => {
                self.ctx.net.down.insert(hub);
                Healing::Up(hub)
            }
            _ => {
                self.ctx.net.remote.insert(hub);
                Healing::Near(hub)
            }
        };
        self.ctx.tell(|| format!("FAULT until {healing:?} in {lasts:?}"));
        self.ctx.after(lasts, Event::Heal(healing));
    }

    /// It lives, so that leases end, but nobody reaches it.
    fn lose_the_store(&mut self) {
        let lasts = self.lasts();
        self.ctx.tell(|| format!("nobody reaches the store for {lasts:?}"));
        self.ctx.net.remote.insert(Hub::Store);
        self.ctx.after(lasts, Event::Heal(Healing::Near(Hub::Store)));
        self.ctx.after(lasts + RESPITE, Event::Break);
    }

    /// Short as often as long.
    fn lasts(&mut self) -> Duration {
        let most = if self.ctx.dice.permille(500) { Duration::from_secs(2) } else { LONG };
        self.ctx.dice.between(SHORT, most)
    }

    fn crash(&mut self, node: Node) -> Healing {
        match node {
            Node::Coordinator(n) => self.coordinators[n].stop(&mut self.ctx),
            Node::Worker(n) => self.workers[n].stop(false, &mut self.ctx),
        }
        self.mailboxes.remove(&node);
        Healing::Start(node)
    }

    fn pause(&mut self, node: Node) -> Healing {
        if self.ctx.net.up.contains_key(&node) {
            self.ctx.net.paused.entry(node).or_insert(self.ctx.now);
        }
        Healing::Resume(node)
    }

    /// As on SIGTERM: it gives its rooms away first.
    fn retire(&mut self, node: Node) -> Healing {
        if let Node::Worker(n) = node {
            self.workers[n].drain();
        }
        Healing::Retire(node)
    }

    pub(crate) fn heal(&mut self, healing: Healing) {
        self.ctx.tell(|| format!("healed: {healing:?}"));
        let net = &mut self.ctx.net;
        match healing {
            Healing::Link(node, hub) => {
                net.cuts.remove(&(node, hub));
            }
            Healing::Resume(node) => self.resume(node),
            Healing::Start(node) => self.start(node),
            Healing::Retire(node) => {
                if let Node::Worker(n) = node {
                    self.workers[n].stop(true, &mut self.ctx);
                    self.mailboxes.remove(&node);
                    self.start(node);
                }
            }
            Healing::Lag(node) => {
                net.lags.remove(&node);
            }
            Healing::Slow => net.slow = Duration::ZERO,
            Healing::Loss => net.loses_permille = 0,
            Healing::Order => net.reorders = false,
            Healing::Once => net.repeats_permille = 0,
            Healing::Up(hub) => {
                net.down.remove(&hub);
            }
            Healing::Near(hub) => {
                net.remote.remove(&hub);
            }
        }
    }

    /// Everything works again.
    pub(crate) fn heal_all(&mut self) {
        self.ctx.net.heal();
        for node in self.nodes.clone() {
            self.resume(node);
            if let Node::Worker(n) = node
                && self.workers[n].is_draining()
            {
                self.workers[n].stop(true, &mut self.ctx);
            }
            self.start(node);
        }
    }

    fn start(&mut self, node: Node) {
        match node {
            Node::Coordinator(n) => self.coordinators[n].start(&mut self.ctx),
            Node::Worker(n) => self.workers[n].start(&mut self.ctx),
        }
    }

    fn resume(&mut self, node: Node) {
        self.ctx.net.paused.remove(&node);
        for event in self.mailboxes.remove(&node).unwrap_or_default() {
            self.happen(event);
        }
    }
}

fn cut(node: Node, hub: Hub, ctx: &mut Ctx) -> Healing {
    let (to, from) = match ctx.dice.below(4) {
        0 => (true, false),
        1 => (false, true),
        _ => (true, true),
    };
    ctx.net.cuts.insert((node, hub), Cut { to, from, since: ctx.now });
    Healing::Link(node, hub)
}
