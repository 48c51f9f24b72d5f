//! The store: linearizable, with revisions, preconditions, leases and watches that lag.

use std::collections::BTreeMap;
use std::time::Duration;

use velella_coordinator_core::{Entry, Expect, Fact, FleetFact, Noun, Revision, WriteOutcome};
use velella_model::component::ComponentRecord;
use velella_model::record::RoomRecord;
use velella_model::{ComponentId, RoomId, key};
use velella_store::LeaseId;
use velella_store::tenure::{self, Ask, TTL};

use crate::bugs::Bug;
use crate::ctx::Ctx;
use crate::mail::Mail;
use crate::net::{Hub, Lane, Node};
use crate::oracle;
use crate::queue::Event;

/// What is asked of the store.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Write(Box<Fact>, Expect),
    /// A room and its peers.
    Load(RoomId),
    Room(RoomId),
    /// What the keeper of a leased key asks, in one step. No fact: the leader's key.
    Keep(Box<Leased>, Ask),
    /// List and watch from there on.
    Follow(Noun),
    Revoke(LeaseId),
}

/// A key that is held under a lease.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leased {
    pub(crate) key: String,
    pub(crate) fact: Option<Fact>,
}

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Written(WriteOutcome),
    Loaded(Vec<Entry>),
    Room(Option<RoomRecord>),
    Kept(tenure::Answer),
    Listed { noun: Noun, watch: u64, entries: Vec<Entry>, revision: Revision },
    Revoked,
}

#[derive(Clone, Debug)]
struct Stored {
    fact: Option<Fact>,
    revision: Revision,
    lease: Option<LeaseId>,
}

#[derive(Debug)]
struct Watcher {
    node: Node,
    boot: u32,
    noun: Noun,
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    revision: u64,
    entries: BTreeMap<String, Stored>,
    /// With the times at which they end.
    leases: BTreeMap<i64, Duration>,
    watchers: BTreeMap<u64, Watcher>,
}

impl Store {
    /// As it was written: the generation may be that of the write.
    pub(crate) fn room(&self, room: &RoomId) -> Option<&RoomRecord> {
        match &self.entries.get(&key::room(room))?.fact {
            Some(Fact::Room(_, record)) => record.as_ref(),
            Some(_) | None => None,
        }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    pub(crate) fn fact(&self, key: &str) -> Option<&Fact> {
        self.entries.get(key)?.fact.as_ref()
    }

    pub(crate) fn rooms(&self) -> impl Iterator<Item = (&RoomId, &RoomRecord)> {
        self.entries.values().filter_map(|stored| match &stored.fact {
            Some(Fact::Room(room, Some(record))) => Some((room, record)),
            Some(_) | None => None,
        })
    }

    pub(crate) fn components(&self) -> impl Iterator<Item = (&RoomId, &ComponentId, &ComponentRecord)> {
        self.entries.values().filter_map(|stored| match &stored.fact {
            Some(Fact::Component(room, id, Some(record))) => Some((room, id, record)),
            Some(_) | None => None,
        })
    }

    fn under(&self, prefix: &str) -> Vec<Entry> {
        let under = self.entries.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        under.filter_map(|(_, stored)| stored.entry()).collect()
    }

    fn next(&mut self) -> Revision {
        self.revision += 1;
        Revision(self.revision)
    }
}

impl Stored {
    fn entry(&self) -> Option<Entry> {
        Some(Entry { fact: self.fact.clone()?, revision: self.revision })
    }
}

/// The store was reached: does what is asked, and answers.
pub(crate) fn serve(from: Node, boot: u32, id: u64, call: Call, ctx: &mut Ctx) {
    if !ctx.net.goes_to(from, Hub::Store) {
        return;
    }
    let answer = match call {
        Call::Write(fact, expect) => Answer::Written(write(from, *fact, expect, ctx)),
        Call::Load(room) => {
            let found = ctx.store.entries.get(&key::room(&room)).and_then(Stored::entry);
            Answer::Loaded(found.into_iter().chain(ctx.store.under(&key::peers_of(&room))).collect())
        }
        Call::Room(room) => Answer::Room(ctx.store.room(&room).cloned()),
        Call::Keep(leased, ask) => Answer::Kept(keep(&leased, ask, ctx)),
        Call::Follow(noun) => {
            let watch = ctx.id();
            ctx.store.watchers.insert(watch, Watcher { node: from, boot, noun });
            let revision = Revision(ctx.store.revision);
            Answer::Listed { noun, watch, entries: ctx.store.under(prefix(noun)), revision }
        }
        Call::Revoke(lease) => {
            end_lease(lease, ctx);
            Answer::Revoked
        }
    };
    // Changes follow their listing.
    let lane = if let Answer::Listed { noun, .. } = &answer { Lane::Watch(*noun) } else { Lane::From(Hub::Store) };
    ctx.answer(from, boot, (Hub::Store, lane), Mail::Stored(id, Box::new(answer)));
}

fn write(from: Node, fact: Fact, expect: Expect, ctx: &mut Ctx) -> WriteOutcome {
    let key = key_of(&fact);
    let standing = ctx.store.entries.get(&key).and_then(Stored::entry);
    let holds = match expect {
        Expect::Any => true,
        Expect::Absent => standing.is_none(),
        Expect::Revision(revision) => standing.as_ref().is_some_and(|entry| entry.revision == revision),
    };
    if !holds && !ctx.has(Bug::NoCompare) {
        return WriteOutcome::Conflict(standing);
    }
    ctx.tell(|| format!("store: {from:?} writes {}", shown(&fact)));
    if is_deletion(&fact) {
        if standing.is_none() {
            return WriteOutcome::Done(Revision(ctx.store.revision));
        }
        let gone = fact.clone();
        let revision = delete(&key, fact, ctx);
        if let (Fact::Room(room, _), true) = (gone, ctx.has(Bug::Replay))
            && let Some(Entry { fact, .. }) = standing
        {
            ctx.tell(|| format!("BUG: {room} is written once more"));
            put(fact, None, ctx);
        }
        return WriteOutcome::Done(revision);
    }
    if ctx.has(Bug::Forgetful) && matches!(fact, Fact::Room(..)) && ctx.dice.permille(30) {
        return WriteOutcome::Done(ctx.store.next());
    }
    WriteOutcome::Done(put(fact, None, ctx))
}

fn put(fact: Fact, lease: Option<LeaseId>, ctx: &mut Ctx) -> Revision {
    let revision = ctx.store.next();
    oracle::written(&fact, revision, ctx);
    let stored = Stored { fact: Some(fact.clone()), revision, lease };
    let stood = ctx.store.entries.insert(key_of(&fact), stored).is_some();
    if !(stood && matches!(fact, Fact::Room(..)) && ctx.has(Bug::Unmoved)) {
        notify(&Entry { fact, revision }, ctx);
    }
    revision
}

fn delete(key: &str, gone: Fact, ctx: &mut Ctx) -> Revision {
    let revision = ctx.store.next();
    oracle::written(&gone, revision, ctx);
    ctx.store.entries.remove(key);
    notify(&Entry { fact: gone, revision }, ctx);
    revision
}

fn notify(entry: &Entry, ctx: &mut Ctx) {
    let noun = noun_of(&entry.fact);
    if noun == Noun::Cordons && ctx.has(Bug::DeafToCordons) {
        return;
    }
    let watchers = ctx.store.watchers.iter().filter(|(_, watcher)| watcher.noun == noun);
    let watchers: Vec<(u64, Node, u32)> = watchers.map(|(id, w)| (*id, w.node, w.boot)).collect();
    for (id, node, boot) in watchers {
        let at = ctx.net.arrival(node, Lane::Watch(noun), ctx.now, &mut ctx.dice);
        let mail = Mail::Changed(id, Box::new(entry.clone()));
        ctx.queue.at(at, Event::Mail { to: node, boot, via: Some(Hub::Store), mail });
    }
}

/// A change did not reach its watcher: the stream is broken, which is noticed a while later.
pub(crate) fn watch_breaks(watch: u64, ctx: &mut Ctx) {
    let Some(Watcher { node, boot, noun }) = ctx.store.watchers.remove(&watch) else { return };
    let notices = ctx.dice.between(Duration::from_millis(200), Duration::from_secs(3));
    ctx.mail_in(node, boot, notices, Mail::WatchLost(noun, watch));
}

/// The process is gone, and its watches with it.
pub(crate) fn forget_watches(node: Node, ctx: &mut Ctx) {
    ctx.store.watchers.retain(|_, watcher| watcher.node != node);
}

fn keep(leased: &Leased, ask: Ask, ctx: &mut Ctx) -> tenure::Answer {
    match ask {
        Ask::Look if ctx.store.has(&leased.key) => tenure::Answer::Taken,
        Ask::Look => tenure::Answer::Free,
        Ask::Grant => {
            let lease = LeaseId(i64::try_from(ctx.id()).unwrap_or(i64::MAX));
            extend(lease, ctx);
            tenure::Answer::Granted(lease)
        }
        Ask::Claim(lease) if !ctx.store.leases.contains_key(&lease.0) => tenure::Answer::Gone,
        Ask::Claim(lease) if ctx.store.has(&leased.key) => {
            end_lease(lease, ctx);
            tenure::Answer::Taken
        }
        Ask::Claim(lease) => tenure::Answer::Claimed(velella_store::Revision(claim(leased, lease, ctx).0)),
        Ask::Renew(lease, revision) => {
            if !ctx.store.leases.contains_key(&lease.0) {
                return tenure::Answer::Gone;
            }
            extend(lease, ctx);
            let stands = ctx.store.entries.get(&leased.key).is_some_and(|stored| stored.revision.0 == revision.0);
            if !stands {
                end_lease(lease, ctx);
                return tenure::Answer::Gone;
            }
            tenure::Answer::Renewed
        }
    }
}

fn claim(leased: &Leased, lease: LeaseId, ctx: &mut Ctx) -> Revision {
    ctx.tell(|| format!("store: {} is claimed", leased.key));
    if let Some(fact) = leased.fact.clone() {
        return put(fact, Some(lease), ctx);
    }
    let revision = ctx.store.next();
    ctx.store.entries.insert(leased.key.clone(), Stored { fact: None, revision, lease: Some(lease) });
    revision
}

fn extend(lease: LeaseId, ctx: &mut Ctx) {
    let ends = ctx.now + TTL;
    ctx.store.leases.insert(lease.0, ends);
    ctx.queue.at(ends, Event::LeaseEnds(lease));
}

/// A lease runs out, unless it was renewed. A store that is away lets none run out: its next leader
/// starts them anew.
pub(crate) fn lease_ends(lease: LeaseId, ctx: &mut Ctx) {
    let Some(ends) = ctx.store.leases.get(&lease.0).copied() else { return };
    if ends > ctx.now {
        return;
    }
    if ctx.net.down.contains(&Hub::Store) {
        return extend(lease, ctx);
    }
    end_lease(lease, ctx);
}

fn end_lease(lease: LeaseId, ctx: &mut Ctx) {
    ctx.store.leases.remove(&lease.0);
    let bound = ctx.store.entries.iter().filter(|(_, stored)| stored.lease == Some(lease));
    let bound: Vec<(String, Option<Fact>)> = bound.map(|(key, s)| (key.clone(), s.fact.clone())).collect();
    for (key, fact) in bound {
        ctx.tell(|| format!("store: the lease of {key} is over"));
        match fact.and_then(deletion) {
            Some(gone) => {
                delete(&key, gone, ctx);
            }
            None => {
                ctx.store.next();
                ctx.store.entries.remove(&key);
            }
        }
    }
}

fn deletion(fact: Fact) -> Option<Fact> {
    Some(match fact {
        Fact::Fleet(FleetFact::Worker(id, _)) => Fact::Fleet(FleetFact::Worker(id, None)),
        Fact::Fleet(FleetFact::Coordinator(id, _)) => Fact::Fleet(FleetFact::Coordinator(id, None)),
        Fact::Gateway(id, _) => Fact::Gateway(id, None),
        Fact::Ingest(room, id, _) => Fact::Ingest(room, id, None),
        Fact::Fleet(FleetFact::Cordon(..)) | Fact::Room(..) | Fact::Peer(..) | Fact::Component(..) => return None,
    })
}

fn is_deletion(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Room(_, None)
            | Fact::Peer(_, _, None)
            | Fact::Component(_, _, None)
            | Fact::Ingest(_, _, None)
            | Fact::Gateway(_, None)
            | Fact::Fleet(FleetFact::Worker(_, None) | FleetFact::Cordon(_, None) | FleetFact::Coordinator(_, None))
    )
}

fn key_of(fact: &Fact) -> String {
    match fact {
        Fact::Room(room, _) => key::room(room),
        Fact::Peer(room, peer, _) => key::peer(room, peer),
        Fact::Component(room, id, _) => key::component(room, id),
        Fact::Ingest(room, id, _) => key::ingest(room, id),
        Fact::Gateway(gateway, _) => key::gateway(gateway),
        Fact::Fleet(FleetFact::Worker(worker, _)) => key::worker(worker),
        Fact::Fleet(FleetFact::Cordon(worker, _)) => key::cordon(worker),
        Fact::Fleet(FleetFact::Coordinator(id, _)) => key::coordinator(id),
    }
}

fn noun_of(fact: &Fact) -> Noun {
    match fact {
        Fact::Room(..) => Noun::Rooms,
        Fact::Peer(..) => Noun::Peers,
        Fact::Component(..) => Noun::Components,
        Fact::Ingest(..) => Noun::Ingests,
        Fact::Gateway(..) => Noun::Gateways,
        Fact::Fleet(FleetFact::Worker(..)) => Noun::Workers,
        Fact::Fleet(FleetFact::Cordon(..)) => Noun::Cordons,
        Fact::Fleet(FleetFact::Coordinator(..)) => Noun::Coordinators,
    }
}

fn prefix(noun: Noun) -> &'static str {
    match noun {
        Noun::Rooms => key::ROOMS,
        Noun::Peers => key::PEERS,
        Noun::Components => key::COMPONENTS,
        Noun::Ingests => key::INGESTS,
        Noun::Gateways => key::GATEWAYS,
        Noun::Workers => key::WORKERS,
        Noun::Cordons => key::CORDONS,
        Noun::Coordinators => key::COORDINATORS,
    }
}

fn shown(fact: &Fact) -> String {
    match fact {
        Fact::Room(room, Some(record)) => {
            let placement = &record.placement;
            let (worker, generation) = (&placement.worker, placement.generation.0);
            format!("{room} at {worker}.{} generation {generation}", placement.incarnation.0)
        }
        Fact::Peer(room, peer, Some(record)) => {
            let session = record.connection.as_ref().map(|c| c.session.as_str());
            format!("{room}/{peer} session {session:?}")
        }
        Fact::Room(..)
        | Fact::Peer(..)
        | Fact::Component(..)
        | Fact::Ingest(..)
        | Fact::Gateway(..)
        | Fact::Fleet(_) => {
            format!("{fact:?}")
        }
    }
}
