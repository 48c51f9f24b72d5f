//! Who watches, and the recent changes that a new watcher may still ask for.
//!
//! Both are bounded: the history forgets its oldest change, and a watcher that is too slow is told
//! so as its last change.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::mpsc;

use crate::{Change, Listing, Revision, StoreError, Versioned, WATCH_CHANGES_MAX};

/// Changes kept for late watchers and for listings of the past. Not more than a watch holds, so that a replay always fits.
const HISTORY_CHANGES_MAX: usize = WATCH_CHANGES_MAX;

#[derive(Debug, Default)]
pub(super) struct Feeds {
    history: VecDeque<Past>,
    /// The newest change that the history has forgotten.
    compacted: Revision,
    feeds: Vec<Feed>,
}

/// A change, and what stood at its key before.
#[derive(Debug)]
struct Past {
    revision: Revision,
    change: Change,
    before: Option<Versioned>,
}

impl Feeds {
    pub(super) fn open(&mut self, prefix: &str, after: Revision) -> mpsc::Receiver<Change> {
        self.feeds.retain(|feed| !feed.changes.is_closed());
        // One place more than promised: it is kept for `Lost`.
        let (changes, receiver) = mpsc::channel(WATCH_CHANGES_MAX + 1);
        let feed = Feed { prefix: prefix.to_owned(), after, changes };
        if after < self.compacted {
            feed.end();
        } else if self.history.iter().all(|past| feed.offer(past.revision, &past.change)) {
            self.feeds.push(feed);
        }
        receiver
    }

    pub(super) fn tell(&mut self, revision: Revision, change: Change, before: Option<Versioned>) {
        self.feeds.retain(|feed| feed.offer(revision, &change));
        self.history.push_back(Past { revision, change, before });
        if self.history.len() > HISTORY_CHANGES_MAX
            && let Some(forgotten) = self.history.pop_front()
        {
            self.compacted = forgotten.revision;
        }
    }

    /// Takes back what happened to a listing after `at`, newest first.
    pub(super) fn undo(&self, now: Listing, prefix: &str, at: Revision) -> Result<Listing, StoreError> {
        if at < self.compacted {
            return Err(StoreError::Compacted(at));
        }
        let mut entries: BTreeMap<String, Versioned> = now.entries.into_iter().collect();
        for past in self.history.iter().rev().take_while(|past| past.revision > at) {
            match (past.change.key().filter(|key| key.starts_with(prefix)), &past.before) {
                (None, _) => {}
                (Some(key), Some(before)) => drop(entries.insert(key.to_owned(), before.clone())),
                (Some(key), None) => drop(entries.remove(key)),
            }
        }
        Ok(Listing { entries: entries.into_iter().collect(), revision: at })
    }
}

#[derive(Debug)]
struct Feed {
    prefix: String,
    after: Revision,
    changes: mpsc::Sender<Change>,
}

impl Feed {
    /// Whether the watch goes on.
    fn offer(&self, revision: Revision, change: &Change) -> bool {
        if revision <= self.after || !self.wants(change) {
            return !self.changes.is_closed();
        }
        if self.changes.capacity() == 1 {
            self.end();
            return false;
        }
        self.changes.try_send(change.clone()).is_ok()
    }

    fn wants(&self, change: &Change) -> bool {
        change.key().is_some_and(|key| key.starts_with(&self.prefix))
    }

    fn end(&self) {
        if self.changes.try_send(Change::Lost).is_ok() {
            tracing::warn!(prefix = %self.prefix, "a watch has lost changes and must list again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_history_forgot_is_lost_and_the_rest_is_replayed() {
        let mut feeds = Feeds::default();
        let told = HISTORY_CHANGES_MAX as u64 + 2;
        for n in 1..=told {
            feeds.tell(Revision(n), deleted("k", n), None);
        }

        let mut too_old = feeds.open("", Revision(1));
        assert_eq!(too_old.try_recv(), Ok(Change::Lost));
        assert!(too_old.try_recv().is_err());

        assert_eq!(feeds.undo(Listing::default(), "", Revision(1)), Err(StoreError::Compacted(Revision(1))));
        assert!(feeds.undo(Listing::default(), "", Revision(2)).is_ok());

        let mut just_in_time = feeds.open("", Revision(2));
        for n in 3..=told {
            assert_eq!(just_in_time.try_recv(), Ok(deleted("k", n)));
        }
    }

    #[test]
    fn a_dropped_watch_is_forgotten_with_the_next_change() {
        let mut feeds = Feeds::default();
        drop(feeds.open("k", Revision(0)));
        feeds.tell(Revision(1), deleted("other", 1), None);
        assert!(feeds.feeds.is_empty());
    }

    fn deleted(key: &str, n: u64) -> Change {
        Change::Deleted { key: key.to_owned(), revision: Revision(n) }
    }
}
