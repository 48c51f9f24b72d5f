//! The notices of one room that its receiver has not taken yet, oldest first.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use velella_model::RoomId;

use crate::chronicle::Sequence;

use super::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, Call, Event};

/// See above.
#[derive(Debug)]
pub(super) struct Queue<P> {
    events: VecDeque<(Instant, Event<P>)>,
    pub(super) state: State,
    /// Failed calls since the last one that was taken.
    pub(super) failures: u32,
    /// Notices lost since then.
    pub(super) lost: u64,
}

#[derive(Debug)]
pub(super) enum State {
    /// For its time or its turn.
    Waiting,
    /// For the answer to a call with the first so many notices.
    Calling { events: usize, receiver: String },
}

impl<P> Default for Queue<P> {
    fn default() -> Self {
        Self { events: VecDeque::new(), state: State::Waiting, failures: 0, lost: 0 }
    }
}

impl<P: Clone> Queue<P> {
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// When the first notice came.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.events.front().map(|(told_at, _)| *told_at)
    }

    pub(super) fn first_numbered(&self) -> Option<Sequence> {
        self.events.iter().find_map(|(_, event)| event.sequence)
    }

    pub(super) fn push(&mut self, event: Event<P>, now: Instant) {
        self.events.push_back((now, event));
    }

    /// Whom the next call goes to: scheme and host of its URL.
    pub(super) fn receiver(&self) -> Option<String> {
        let (_, event) = self.events.front()?;
        let scheme = event.url.find("://").map_or(0, |at| at + 3);
        let (head, rest) = event.url.split_at(scheme);
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        Some(format!("{head}{host}"))
    }

    /// Begins the next call.
    pub(super) fn call(&mut self, room: &RoomId, receiver: &str) -> Option<Call<P>> {
        // A room whose queue was emptied and filled again may have had two turns.
        if matches!(self.state, State::Calling { .. }) {
            return None;
        }
        let count = self.together();
        let (_, first) = self.events.front()?;
        let call = Call {
            room: room.clone(),
            url: first.url.clone(),
            events: self.events.iter().take(count).map(|(_, e)| (e.sequence, e.payload.clone())).collect(),
            batch: first.batch && first.batchable,
            attempt: self.failures + 1,
        };
        self.state = State::Calling { events: count, receiver: receiver.to_owned() };
        Some(call)
    }

    /// How many notices the next call takes: one, or as many as may go together.
    fn together(&self) -> usize {
        let Some((_, first)) = self.events.front() else { return 0 };
        if !(first.batch && first.batchable) {
            return 1;
        }
        let mut bytes = 0;
        let fits = |event: &Event<P>| {
            bytes += event.bytes;
            event.batch && event.batchable && event.url == first.url && bytes <= BATCH_BYTES_MAX
        };
        let following = self.events.iter().take(BATCH_EVENTS_MAX).map(|(_, event)| event);
        following.map(fits).take_while(|fits| *fits).count().max(1)
    }

    /// Removes the first so many notices; returns their sizes.
    pub(super) fn take_first(&mut self, count: usize) -> Vec<usize> {
        self.events.drain(..count.min(self.events.len())).map(|(_, event)| event.bytes).collect()
    }

    /// Removes what is at least this old; returns the sizes.
    pub(super) fn take_older(&mut self, now: Instant, age: Duration) -> Vec<usize> {
        let old = self.events.iter().take_while(|(told_at, _)| now.saturating_duration_since(*told_at) >= age).count();
        self.take_first(old)
    }

    /// Removes the oldest notice that is not on its way; returns its size.
    pub(super) fn drop_oldest_waiting(&mut self) -> Option<usize> {
        let on_their_way = match &self.state {
            State::Waiting => 0,
            State::Calling { events, .. } => *events,
        };
        let (_, event) = self.events.remove(on_their_way)?;
        self.lost += 1;
        Some(event.bytes)
    }
}
