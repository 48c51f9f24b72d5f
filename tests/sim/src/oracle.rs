//! What must never happen, checked at each step, and what must be so when all is quiet.

use std::collections::BTreeMap;
use std::time::Duration;

use velella_coordinator_core::{Fact, FleetFact, Revision};
use velella_model::{Generation, Incarnation, PeerId, RoomId, WorkerId, key};

use crate::ctx::Ctx;

/// A worker may let people into a room that moved on as long as it cannot know: a coordinator whose watch
/// lags or is broken sends them, and the order to close the room is under way. Longest break of a link
/// here, and the time until a sweep finds what was missed.
const LATE: Duration = Duration::from_secs(30);

/// What was promised and not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A worker admits people though its key does not stand.
    Fence,
    /// A worker serves a room that was elsewhere when it claimed its key again.
    Audit,
    /// Generations of a room do not grow, or two workers serve the same one.
    Generation,
    /// A worker admits people into a room that moved long ago.
    Late,
    /// An acknowledged write is lost, or what was deleted returns.
    Lost,
    /// A room is at no living worker.
    Placed,
    /// A peer that wants to be in is not.
    Joined,
    /// Reservations stay though nothing moves.
    Reserved,
    /// A drained worker holds rooms.
    Drained,
    /// A worker holds a room that the store places elsewhere.
    Orphan,
    /// A component is run by no living gateway, or by more than one.
    Run,
    /// A room has moved though no worker died and nobody asked for it.
    Uprooted,
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub kind: Kind,
    /// What was seen.
    pub text: String,
}

/// One boot of a worker.
type Boot = (WorkerId, Incarnation);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    Stands,
    Gone,
}

#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// Newest placement of each room ever written, deleted ones included.
    newest: BTreeMap<RoomId, (Generation, Boot)>,
    admitted: BTreeMap<(RoomId, Generation), Boot>,
    newest_admitted: BTreeMap<RoomId, (Generation, Duration)>,
    /// Rooms that a worker held, and the store placed elsewhere, when it claimed its key.
    superseded: BTreeMap<(Boot, RoomId), Generation>,
    /// What workers hold now.
    pub(crate) held: BTreeMap<Boot, BTreeMap<RoomId, Generation>>,
    pub(crate) rooms: BTreeMap<RoomId, Promise>,
    pub(crate) peers: BTreeMap<(RoomId, PeerId), Promise>,
    pub(crate) violation: Option<Violation>,
    /// Only the store fails, and operators move nothing: no room has a reason to move.
    pub(crate) nobody_dies: bool,
}

impl Oracle {
    pub(crate) fn found(&mut self, kind: Kind, text: String) {
        self.violation.get_or_insert(Violation { kind, text });
    }
}

/// Something is about to be written.
pub(crate) fn written(fact: &Fact, revision: Revision, ctx: &mut Ctx) {
    match fact {
        Fact::Room(room, record) => {
            promise_kept(ctx.oracle.rooms.get(room).copied(), record.is_some(), &format!("{room}"), ctx);
            let Some(placement) = record.clone().map(|record| record.read_at(revision.0).placement) else { return };
            let (new, boot) = (placement.generation, (placement.worker, placement.incarnation));
            if let Some((old, before)) = ctx.oracle.newest.get(room).cloned()
                && (new < old || (new == old && before != boot))
            {
                let text = format!("{room}: generation {} at {before:?}, then {} at {boot:?}", old.0, new.0);
                ctx.oracle.found(Kind::Generation, text);
            }
            if ctx.oracle.nobody_dies
                && ctx.oracle.rooms.get(room) == Some(&Promise::Stands)
                && let Some((_, before)) = ctx.oracle.newest.get(room).filter(|(_, before)| *before != boot)
            {
                let text = format!("{room} leaves {before:?} for {boot:?}, and nobody died");
                ctx.oracle.found(Kind::Uprooted, text);
            }
            ctx.oracle.newest.insert(room.clone(), (new, boot));
        }
        Fact::Peer(room, peer, record) => {
            let promise = ctx.oracle.peers.get(&(room.clone(), peer.clone())).copied();
            promise_kept(promise, record.is_some(), &format!("{room}/{peer}"), ctx);
        }
        Fact::Fleet(FleetFact::Worker(worker, Some(record))) => claimed(&(worker.clone(), record.incarnation), ctx),
        Fact::Component(..) | Fact::Ingest(..) | Fact::Gateway(..) | Fact::Fleet(_) => {}
    }
}

fn promise_kept(promise: Option<Promise>, stands: bool, what: &str, ctx: &mut Ctx) {
    match (promise, stands) {
        (Some(Promise::Stands), false) => ctx.oracle.found(Kind::Lost, format!("{what} is deleted, nobody asked")),
        (Some(Promise::Gone), true) => ctx.oracle.found(Kind::Lost, format!("{what} was deleted and returns")),
        (Some(Promise::Stands), true) | (Some(Promise::Gone), false) | (None, _) => {}
    }
}

fn claimed(boot: &Boot, ctx: &mut Ctx) {
    let held = ctx.oracle.held.get(boot).cloned().unwrap_or_default();
    for (room, generation) in held {
        let here = ctx.store.room(&room).is_some_and(|record| is_at(record, boot));
        if !here {
            ctx.oracle.superseded.insert((boot.clone(), room), generation);
        }
    }
}

fn is_at(record: &velella_model::record::RoomRecord, (worker, incarnation): &Boot) -> bool {
    record.placement.worker == *worker && record.placement.incarnation == *incarnation
}

/// A worker opens its doors: what it holds must not have been elsewhere when it claimed its key.
pub(crate) fn opens(boot: &Boot, held: &[(RoomId, Generation)], ctx: &mut Ctx) {
    for (room, generation) in held {
        let superseded = ctx.oracle.superseded.get(&(boot.clone(), room.clone()));
        if superseded.is_some_and(|old| generation <= old) {
            let text = format!("{boot:?} serves {room} generation {}, elsewhere since before its claim", generation.0);
            ctx.oracle.found(Kind::Audit, text);
        }
    }
}

/// A worker lets people into a room, or takes it.
pub(crate) fn admitted(boot: &Boot, room: &RoomId, generation: Generation, ctx: &mut Ctx) {
    let stands = match ctx.store.fact(&key::worker(&boot.0)) {
        Some(Fact::Fleet(FleetFact::Worker(_, Some(record)))) => record.incarnation == boot.1,
        Some(_) | None => false,
    };
    if !stands {
        ctx.oracle.found(Kind::Fence, format!("{boot:?} admits to {room} and its key does not stand"));
    }
    opens(boot, &[(room.clone(), generation)], ctx);
    let first = ctx.oracle.admitted.entry((room.clone(), generation)).or_insert_with(|| boot.clone());
    if first != boot {
        let text = format!("{room} generation {}: at {first:?} and at {boot:?}", generation.0);
        ctx.oracle.found(Kind::Generation, text);
    }
    let now = ctx.now;
    let newest = ctx.oracle.newest_admitted.entry(room.clone()).or_insert((generation, now));
    if generation > newest.0 {
        *newest = (generation, now);
    } else if generation < newest.0 && now > newest.1 + LATE {
        let text = format!(
            "{boot:?} admits to {room} generation {}, {} is elsewhere since {:?}",
            generation.0, newest.0.0, newest.1
        );
        ctx.oracle.found(Kind::Late, text);
    }
}

/// What was promised stands.
pub(crate) fn judge_promises(ctx: &mut Ctx) {
    let rooms: Vec<_> = ctx.oracle.rooms.iter().map(|(room, promise)| (key::room(room), *promise)).collect();
    let peers: Vec<_> = ctx.oracle.peers.iter().map(|((r, p), promise)| (key::peer(r, p), *promise)).collect();
    for (key, promise) in rooms.into_iter().chain(peers) {
        if ctx.store.has(&key) != (promise == Promise::Stands) {
            ctx.oracle.found(Kind::Lost, format!("{key} does not keep its promise: {promise:?}"));
        }
    }
}
