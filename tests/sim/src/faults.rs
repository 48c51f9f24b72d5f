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
    /// A drained worker or gateway ends, and gives its key back.
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
            65..73 => lag(node, &mut self.ctx),
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

    /// Breaks something of a gateway, and soon something else.
    pub(crate) fn break_a_gateway(&mut self) {
        if self.ctx.oracle.nobody_dies {
            return;
        }
        let wait = self.ctx.dice.between(Duration::from_secs(1), Duration::from_secs(8));
        self.ctx.after(wait, Event::BreakGateway);
        let node = Node::Gateway(self.ctx.dice.below(self.gateways.len()));
        let hub = if self.ctx.dice.permille(500) { Hub::Bus } else { Hub::Store };
        let lasts = self.lasts();
        let healing = match self.ctx.dice.below(100) {
            0..25 => self.crash(node),
            25..45 => self.pause(node),
            45..80 => cut(node, hub, &mut self.ctx),
            80..88 => lag(node, &mut self.ctx),
            _ => self.retire(node),
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
            Node::Gateway(n) => self.gateways[n].stop(false, &mut self.ctx),
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

    /// As on SIGTERM: it gives its rooms or jobs away first.
    fn retire(&mut self, node: Node) -> Healing {
        match node {
            Node::Worker(n) => self.workers[n].drain(),
            Node::Gateway(n) => self.gateways[n].drain(),
            Node::Coordinator(_) => {}
        }
        Healing::Retire(node)
    }

    /// It ends as well as it can, if it was told to.
    fn end(&mut self, node: Node) {
        match node {
            Node::Worker(n) => self.workers[n].stop(true, &mut self.ctx),
            Node::Gateway(n) => self.gateways[n].stop(true, &mut self.ctx),
            Node::Coordinator(_) => return,
        }
        self.mailboxes.remove(&node);
        self.start(node);
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
            Healing::Retire(node) => self.end(node),
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
        for node in self.all_nodes() {
            self.resume(node);
            let drains = match node {
                Node::Worker(n) => self.workers[n].is_draining(),
                Node::Gateway(n) => self.gateways[n].is_draining(),
                Node::Coordinator(_) => false,
            };
            if drains {
                self.end(node);
            }
            self.start(node);
        }
    }

    fn start(&mut self, node: Node) {
        match node {
            Node::Coordinator(n) => self.coordinators[n].start(&mut self.ctx),
            Node::Worker(n) => self.workers[n].start(&mut self.ctx),
            Node::Gateway(n) => self.gateways[n].start(&mut self.ctx),
        }
    }

    fn resume(&mut self, node: Node) {
        self.ctx.net.paused.remove(&node);
        for event in self.mailboxes.remove(&node).unwrap_or_default() {
            self.happen(event);
        }
    }
}

fn lag(node: Node, ctx: &mut Ctx) -> Healing {
    let lag = ctx.dice.between(SHORT, Duration::from_secs(4));
    ctx.net.lags.insert(node, lag);
    Healing::Lag(node)
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
