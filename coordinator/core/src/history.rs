//! The last quarter of an hour: how much was going on, and what each worker said of its load.
//!
//! A sample is taken every few seconds, of what is known then; a worker that is not heard leaves a
//! hole. Rings of samples end at the same tick, so that they need no times of their own.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use velella_model::WorkerId;
use velella_model::wire::announce::Load;

use crate::input::HistoryQuery;
use crate::registry::WORKERS_MAX;

/// Between samples: fine enough to see a burst of joins, coarse enough to hold for every worker.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// Samples that are kept, 15 minutes of them; the oldest gives way to the newest.
pub const SAMPLES_MAX: usize = 180;

/// How much is going on in the whole cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rooms.
    pub rooms: u64,
    /// Peers, connected or not.
    pub peers: u64,
    /// Peers with an open socket, at whichever coordinator.
    pub peers_connected: u64,
    /// Workers that are known.
    pub workers: u64,
    /// Workers that take rooms.
    pub workers_ready: u64,
}

/// One sample of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// How long ago.
    pub age: Duration,
    /// What was going on.
    pub totals: Totals,
}

/// The samples of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerHistory {
    /// Whose.
    pub worker: WorkerId,
    /// One for each tick; `None` where it was not heard.
    pub loads: Vec<Option<Load>>,
}

/// The history, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryView {
    /// Of the whole.
    pub ticks: Vec<Tick>,
    /// Of the workers that were asked for, in the order of their ids.
    pub workers: Vec<WorkerHistory>,
    /// Whether more of them follow.
    pub more: bool,
}

/// All rings.
#[derive(Debug, Default)]
pub(crate) struct History {
    next: Option<Instant>,
    ticks: VecDeque<(Instant, Totals)>,
    /// At most [`WORKERS_MAX`]; who was not heard for the length of a ring makes room.
    workers: BTreeMap<WorkerId, VecDeque<Option<Load>>>,
}

impl History {
    /// Sampling begins with the first announcement, and never ends: silence is worth seeing too.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.next.get_or_insert(now);
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now)
    }

    /// Takes a sample; returns how many workers found no place in it. Missed ticks are not made up for.
    pub(crate) fn sample<'a>(
        &mut self,
        totals: Totals,
        loads: impl Iterator<Item = (&'a WorkerId, Load)>,
        now: Instant,
    ) -> u64 {
        self.next = Some(now + SAMPLE_EVERY);
        push(&mut self.ticks, (now, totals));
        self.workers.values_mut().for_each(|ring| push(ring, None));
        self.workers.retain(|_, ring| ring.iter().any(Option::is_some));
        let mut skipped = 0;
        for (worker, load) in loads {
            if let Some(ring) = self.workers.get_mut(worker) {
                ring.pop_back();
                ring.push_back(Some(load));
            } else if self.workers.len() < WORKERS_MAX {
                self.workers.insert(worker.clone(), VecDeque::from([Some(load)]));
            } else {
                skipped += 1;
            }
        }
        skipped
    }

    pub(crate) fn view(&self, query: &HistoryQuery, now: Instant) -> HistoryView {
        let is_wanted = |worker: &WorkerId| {
            query.worker.as_ref().is_none_or(|wanted| wanted == worker)
                && query.after.as_ref().is_none_or(|after| worker > after)
        };
        let mut wanted = self.workers.iter().filter(|(worker, _)| is_wanted(worker));
        let workers = wanted.by_ref().take(query.limit).map(|(worker, ring)| self.worker(worker, ring)).collect();
        let tick = |(at, totals): &(Instant, Totals)| Tick { age: now.saturating_duration_since(*at), totals: *totals };
        HistoryView { ticks: self.ticks.iter().map(tick).collect(), workers, more: wanted.next().is_some() }
    }

    fn worker(&self, worker: &WorkerId, ring: &VecDeque<Option<Load>>) -> WorkerHistory {
        let before = self.ticks.len().saturating_sub(ring.len());
        let loads = std::iter::repeat_n(None, before).chain(ring.iter().copied()).collect();
        WorkerHistory { worker: worker.clone(), loads }
    }
}

fn push<T>(ring: &mut VecDeque<T>, newest: T) {
    if ring.len() == SAMPLES_MAX {
        ring.pop_front();
    }
    ring.push_back(newest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{start, worker};

    const EVERYBODY: HistoryQuery = HistoryQuery { worker: None, after: None, limit: 100 };

    #[test]
    fn nothing_is_sampled_before_anybody_is_heard() {
        let (mut history, t0) = (History::default(), start());
        assert_eq!((history.next(), history.is_due(t0)), (None, false));
        history.begin(t0);
        history.begin(t0 + Duration::from_secs(1));
        assert_eq!((history.next(), history.is_due(t0)), (Some(t0), true));
    }

    #[test]
    fn a_late_tick_is_not_made_up_for() {
        let (mut history, t0) = (History::default(), start());
        history.begin(t0);
        let late = t0 + 10 * SAMPLE_EVERY;
        sample(&mut history, &[("w1", 1)], late);
        assert_eq!(history.next(), Some(late + SAMPLE_EVERY));
        assert_eq!(history.view(&EVERYBODY, late + Duration::from_secs(2)).ticks[0].age, Duration::from_secs(2));
    }

    #[test]
    fn rings_end_at_the_same_tick_and_show_where_a_worker_was_silent() {
        let (mut history, t0) = (History::default(), start());
        sample(&mut history, &[("w1", 1)], t0);
        sample(&mut history, &[("w1", 2), ("w2", 5)], t0);
        sample(&mut history, &[("w2", 6)], t0);
        assert_eq!(rooms(&history, "w1"), [Some(1), Some(2), None]);
        assert_eq!(rooms(&history, "w2"), [None, Some(5), Some(6)]);
    }

    #[test]
    fn a_quarter_of_an_hour_is_kept_and_the_departed_age_out_with_it() {
        let (mut history, t0) = (History::default(), start());
        sample(&mut history, &[("gone", 1), ("w1", 0)], t0);
        (1..180).for_each(|n| sample(&mut history, &[("w1", n)], t0));
        assert_eq!(rooms(&history, "gone").iter().flatten().count(), 1);
        sample(&mut history, &[("w1", 180)], t0);
        assert_eq!(history.view(&EVERYBODY, t0).ticks.len(), SAMPLES_MAX);
        assert_eq!(history.workers.keys().collect::<Vec<_>>(), [&worker("w1")]);
        let kept = rooms(&history, "w1");
        assert_eq!((kept.len(), kept[0], kept[179]), (180, Some(1), Some(180)));
    }

    #[test]
    fn a_worker_too_many_is_skipped_and_counted() {
        let (mut history, t0) = (History::default(), start());
        let workers: Vec<WorkerId> = (0..=WORKERS_MAX).map(|n| worker(&format!("w{n}"))).collect();
        let loads = workers.iter().map(|worker| (worker, Load::default()));
        assert_eq!(history.sample(Totals::default(), loads, t0), 1);
        assert_eq!(history.workers.len(), WORKERS_MAX);
    }

    #[test]
    fn a_view_is_of_those_that_were_asked_for() {
        let (mut history, t0) = (History::default(), start());
        sample(&mut history, &[("w1", 1), ("w2", 2), ("w3", 3)], t0);
        let view = history.view(&HistoryQuery { limit: 1, after: Some(worker("w1")), worker: None }, t0);
        assert_eq!((view.workers[0].worker.as_str(), view.workers.len(), view.more), ("w2", 1, true));
        let view = history.view(&HistoryQuery { worker: Some(worker("w3")), ..EVERYBODY }, t0);
        assert_eq!((view.workers[0].worker.as_str(), view.workers.len(), view.more), ("w3", 1, false));
    }

    fn sample(history: &mut History, heard: &[(&str, u32)], now: Instant) {
        let heard: Vec<_> = heard.iter().map(|(id, rooms)| (worker(id), *rooms)).collect();
        let loads = heard.iter().map(|(id, rooms)| (id, Load { rooms: *rooms, ..Load::default() }));
        assert_eq!(history.sample(Totals::default(), loads, now), 0);
    }

    fn rooms(history: &History, id: &str) -> Vec<Option<u32>> {
        let query = HistoryQuery { worker: Some(worker(id)), ..EVERYBODY };
        let mut view = history.view(&query, start());
        view.workers.remove(0).loads.iter().map(|load| load.map(|load| load.rooms)).collect()
    }
}
