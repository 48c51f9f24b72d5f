//! Webhooks on their way: per room in order and one at a time, tried again until they are old.
//!
//! A receiver that hangs holds a bounded number of calls, so it delays nobody else's. What waits is
//! in memory; what it is derived from is in the store's history, so [`Outbox::progress`] is all that
//! another coordinator has to know to go on.

mod progress;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use velella_model::RoomId;

use self::queue::{Queue, State};
use crate::chronicle::Sequence;
use crate::input::Revision;

pub use self::progress::{BEHIND_MAX, Progress};

/// Notices that wait for one room's receiver; one more pushes out the oldest that is not on its way.
pub const ROOM_EVENTS_MAX: usize = 1024;

/// Notices, and bytes of them, that wait in all; one more pushes out the oldest of the longest queue.
pub const EVENTS_MAX: usize = 65_536;
/// See [`EVENTS_MAX`].
pub const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Calls that run at once, in all and to one receiver.
pub const CALLS_MAX: usize = 256;
/// See [`CALLS_MAX`].
pub const RECEIVER_CALLS_MAX: usize = 32;

/// Notices of one call, and their bytes, when a room wants them together.
pub const BATCH_EVENTS_MAX: usize = 100;
/// See [`BATCH_EVENTS_MAX`].
pub const BATCH_BYTES_MAX: usize = 256 * 1024;

/// How long the first notice of a batch waits for others.
pub const BATCH_GATHER: Duration = Duration::from_millis(100);

/// Wait after the first failure; it doubles with each, up to the longest, and is shortened by up
/// to half at random, so that receivers which return are not met by everybody at once.
pub const RETRY_MIN: Duration = Duration::from_millis(500);
/// See [`RETRY_MIN`].
pub const RETRY_MAX: Duration = Duration::from_secs(60);

/// A notice this old is given up when another try fails.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(10 * 60);

/// One notice for a receiver; `P` is its encoded form, which this machine does not look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<P> {
    /// Its number, if it has one.
    pub sequence: Option<Sequence>,
    /// Where it goes.
    pub url: String,
    /// Whether the room wants batches.
    pub batch: bool,
    /// Whether this kind of notice may be part of one.
    pub batchable: bool,
    /// Size of the payload.
    pub bytes: usize,
    /// What is sent.
    pub payload: P,
}

/// One call to make; it ends in [`Outbox::called`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<P> {
    /// For the answer.
    pub room: RoomId,
    /// Where.
    pub url: String,
    /// The notices, oldest first, with their numbers.
    pub events: Vec<(Option<Sequence>, P)>,
    /// As a batch, even of one.
    pub batch: bool,
    /// 1 for the first try.
    pub attempt: u32,
}

/// What was counted so far, in notices unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxStats {
    /// Taken by their receivers.
    pub delivered: u64,
    /// Calls that failed.
    pub calls_failed: u64,
    /// Lost because a queue was full.
    pub overflowed: u64,
    /// Lost because they grew too old.
    pub given_up: u64,
    /// Waiting or on their way now.
    pub waiting: u64,
    /// Calls that run now.
    pub calls: u64,
}

impl OutboxStats {
    /// Notices that need nothing any more, whatever became of them.
    pub fn settled(&self) -> u64 {
        self.delivered + self.overflowed + self.given_up
    }
}

/// The machine.
#[derive(Debug)]
pub struct Outbox<P> {
    rooms: BTreeMap<RoomId, Queue<P>>,
    /// Rooms by the number of their notices, for the longest.
    by_len: BTreeSet<(usize, RoomId)>,
    /// Rooms whose next call waits for a time.
    due: BTreeSet<(Instant, RoomId)>,
    /// Rooms whose next call waits for others to end, by receiver.
    ready: BTreeMap<String, VecDeque<RoomId>>,
    /// Calls that run, by receiver.
    calls: BTreeMap<String, usize>,
    /// The receiver that was served last; the next one is served next.
    served: String,
    bytes: usize,
    seed: u64,
    outputs: VecDeque<Call<P>>,
    stats: OutboxStats,
}

impl<P: Clone> Outbox<P> {
    /// An empty outbox; `seed` makes its jitter.
    pub fn new(seed: u64) -> Self {
        Self {
            rooms: BTreeMap::new(),
            by_len: BTreeSet::new(),
            due: BTreeSet::new(),
            ready: BTreeMap::new(),
            calls: BTreeMap::new(),
            served: String::new(),
            bytes: 0,
            seed,
            outputs: VecDeque::new(),
            stats: OutboxStats::default(),
        }
    }

    /// Takes a notice of a room. Drain `poll_output` afterwards.
    pub fn told(&mut self, room: &RoomId, event: Event<P>, now: Instant) {
        if !self.make_space(room, event.bytes) {
            return;
        }
        let wait = if event.batch && event.batchable { BATCH_GATHER } else { Duration::ZERO };
        let is_new = !self.rooms.contains_key(room);
        self.bytes += event.bytes;
        self.stats.waiting += 1;
        self.resize(room, |queue| queue.push(event, now));
        if is_new {
            self.schedule(room, now + wait);
        }
        self.advance(now);
    }

    /// A call ended; `taken` if the receiver said so.
    pub fn called(&mut self, room: &RoomId, taken: bool, now: Instant) {
        let Some(queue) = self.rooms.get_mut(room) else { return };
        let State::Calling { events, receiver } = std::mem::replace(&mut queue.state, State::Waiting) else { return };
        if let Some(calls) = self.calls.get_mut(&receiver) {
            *calls -= 1;
            if *calls == 0 {
                self.calls.remove(&receiver);
            }
        }
        self.stats.calls -= 1;
        if taken {
            self.taken(room, events, now);
        } else {
            self.failed(room, now);
        }
        self.advance(now);
    }

    /// The time of `poll_timeout` came.
    pub fn timed_out(&mut self, now: Instant) {
        self.advance(now);
    }

    /// The next call to make; `None` until something happens again.
    pub fn poll_output(&mut self) -> Option<Call<P>> {
        self.outputs.pop_front()
    }

    /// When to send [`Outbox::timed_out`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What was counted so far.
    pub fn stats(&self) -> OutboxStats {
        self.stats
    }

    /// How long the notice that waits longest has waited.
    pub fn oldest_age(&self, now: Instant) -> Option<Duration> {
        let oldest = self.rooms.values().filter_map(Queue::oldest).min()?;
        Some(now.saturating_duration_since(oldest))
    }

    /// How far everything is delivered or given up, when all up to `seen` was told here.
    pub fn progress(&self, seen: Revision) -> Progress {
        let waiting = self.rooms.iter().filter_map(|(room, queue)| Some((room.clone(), queue.first_numbered()?)));
        Progress::new(seen, waiting)
    }

    /// Forgets what waits and what is under way: somebody else delivers from here on.
    pub fn clear(&mut self) {
        let stats = OutboxStats { waiting: 0, calls: 0, ..self.stats };
        *self = Self { stats, ..Self::new(self.seed) };
    }

    fn taken(&mut self, room: &RoomId, events: usize, now: Instant) {
        let (mut removed, mut lost) = (Vec::new(), 0);
        self.resize(room, |queue| {
            removed = queue.take_first(events);
            queue.failures = 0;
            lost = std::mem::take(&mut queue.lost);
        });
        self.stats.delivered += removed.len() as u64;
        self.forget(&removed);
        if lost > 0 {
            tracing::warn!(%room, lost, "a webhook receiver is back; notifications were lost meanwhile");
        }
        self.go_on(room, now);
    }

    fn failed(&mut self, room: &RoomId, now: Instant) {
        self.stats.calls_failed += 1;
        let (mut removed, mut failures) = (Vec::new(), 0);
        self.resize(room, |queue| {
            queue.failures += 1;
            failures = queue.failures;
            removed = queue.take_older(now, GIVE_UP_AFTER);
            queue.lost += removed.len() as u64;
        });
        self.stats.given_up += removed.len() as u64;
        self.forget(&removed);
        let wait = self.backoff(failures);
        self.go_on(room, now + wait);
    }

    /// Plans a room's next call, or forgets the room when nothing is left for it.
    fn go_on(&mut self, room: &RoomId, at: Instant) {
        let Some(queue) = self.rooms.get(room) else { return };
        if !queue.is_empty() {
            return self.schedule(room, at);
        }
        if queue.lost > 0 {
            tracing::warn!(%room, lost = queue.lost, "a webhook receiver does not answer; notifications were given up");
        }
        self.rooms.remove(room);
        self.by_len.remove(&(0, room.clone()));
    }

    fn schedule(&mut self, room: &RoomId, at: Instant) {
        self.due.insert((at, room.clone()));
    }

    /// Starts the calls that are due and allowed, each receiver in its turn.
    fn advance(&mut self, now: Instant) {
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, room)) = self.due.pop_first() else { break };
            if let Some(receiver) = self.rooms.get(&room).and_then(Queue::receiver) {
                self.ready.entry(receiver).or_default().push_back(room);
            }
        }
        while self.stats.calls < CALLS_MAX as u64
            && let Some(receiver) = self.next_receiver()
        {
            self.call(&receiver);
            self.served = receiver;
        }
    }

    /// The first receiver after the one served last that has a room waiting and a call to spare.
    fn next_receiver(&self) -> Option<String> {
        let after = self.ready.keys().filter(|receiver| **receiver > self.served);
        let mut turns = after.chain(self.ready.keys());
        turns.find(|receiver| self.calls.get(*receiver).is_none_or(|calls| *calls < RECEIVER_CALLS_MAX)).cloned()
    }

    fn call(&mut self, receiver: &str) {
        let Some(waiting) = self.ready.get_mut(receiver) else { return };
        let room = waiting.pop_front();
        if waiting.is_empty() {
            self.ready.remove(receiver);
        }
        let Some((room, queue)) = room.and_then(|room| Some((room.clone(), self.rooms.get_mut(&room)?))) else {
            return;
        };
        let Some(call) = queue.call(&room, receiver) else { return };
        *self.calls.entry(receiver.to_owned()).or_default() += 1;
        self.stats.calls += 1;
        self.outputs.push_back(call);
    }

    /// Whether a notice of this size can be taken, perhaps at the cost of older ones.
    fn make_space(&mut self, room: &RoomId, bytes: usize) -> bool {
        if self.rooms.get(room).is_some_and(|queue| queue.len() >= ROOM_EVENTS_MAX) && !self.drop_oldest(room) {
            return self.refuse(room);
        }
        while self.stats.waiting >= EVENTS_MAX as u64 || self.bytes + bytes > BYTES_MAX {
            let Some((_, longest)) = self.by_len.last().cloned() else { return self.refuse(room) };
            if !self.drop_oldest(&longest) {
                return self.refuse(room);
            }
        }
        true
    }

    fn refuse(&mut self, room: &RoomId) -> bool {
        self.stats.overflowed += 1;
        if let Some(queue) = self.rooms.get_mut(room) {
            queue.lost += 1;
        }
        false
    }

    fn drop_oldest(&mut self, room: &RoomId) -> bool {
        let mut dropped = None;
        self.resize(room, |queue| dropped = queue.drop_oldest_waiting());
        let Some(bytes) = dropped else { return false };
        self.stats.overflowed += 1;
        self.forget(&[bytes]);
        if self.rooms.get(room).is_some_and(Queue::is_empty) {
            self.rooms.remove(room);
            self.by_len.remove(&(0, room.clone()));
        }
        true
    }

    /// Takes note that notices of these sizes are not held any more.
    fn forget(&mut self, sizes: &[usize]) {
        self.bytes -= sizes.iter().sum::<usize>();
        self.stats.waiting -= sizes.len() as u64;
    }

    /// Changes a room's queue and keeps its place among the longest.
    fn resize(&mut self, room: &RoomId, change: impl FnOnce(&mut Queue<P>)) {
        let queue = self.rooms.entry(room.clone()).or_default();
        self.by_len.remove(&(queue.len(), room.clone()));
        change(queue);
        self.by_len.insert((queue.len(), room.clone()));
    }

    fn backoff(&mut self, failures: u32) -> Duration {
        let doubled = RETRY_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16));
        let wait = doubled.min(RETRY_MAX);
        // splitmix64: any spread will do, and the same seed gives the same one.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let permille = u32::try_from((mixed >> 32) % 501).unwrap_or(0);
        wait - wait * permille / 1000
    }
}
