//! Who watches, and the recent changes that a new watcher may still ask for.
//!
//! Both are bounded: the history forgets its oldest change, and a watcher that is too slow is told
//! so as its last change.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::{Change, Revision, WATCH_CHANGES_MAX};

/// Changes kept for late watchers. Not more than a watch holds, so that a replay always fits.
const HISTORY_CHANGES_MAX: usize = WATCH_CHANGES_MAX;

#[derive(Debug, Default)]
pub(super) struct Feeds {
    history: VecDeque<(Revision, Change)>,
    /// The newest change that the history has forgotten.
    compacted: Revision,
    feeds: Vec<Feed>,
}

impl Feeds {
    pub(super) fn open(&mut self, prefix: &str, after: Revision) -> mpsc::Receiver<Change> {
        self.feeds.retain(|feed| !feed.changes.is_closed());
        // One place more than promised: it is kept for `Lost`.
        let (changes, receiver) = mpsc::channel(WATCH_CHANGES_MAX + 1);
        let feed = Feed { prefix: prefix.to_owned(), after, changes };
        if after < self.compacted {
            feed.end();
        } else if self.history.iter().all(|(revision, change)| feed.offer(*revision, change)) {
            self.feeds.push(feed);
        }
        receiver
    }

    pub(super) fn tell(&mut self, revision: Revision, change: Change) {
        self.feeds.retain(|feed| feed.offer(revision, &change));
        self.history.push_back((revision, change));
        if self.history.len() > HISTORY_CHANGES_MAX
            && let Some((forgotten, _)) = self.history.pop_front()
        {
            self.compacted = forgotten;
        }
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
        match change {
            Change::Put { key, .. } | Change::Deleted { key, .. } => key.starts_with(&self.prefix),
            Change::Lost => false,
        }
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
            feeds.tell(Revision(n), deleted("k", n));
        }

        let mut too_old = feeds.open("", Revision(1));
        assert_eq!(too_old.try_recv(), Ok(Change::Lost));
        assert!(too_old.try_recv().is_err());

        let mut just_in_time = feeds.open("", Revision(2));
        for n in 3..=told {
            assert_eq!(just_in_time.try_recv(), Ok(deleted("k", n)));
        }
    }

    #[test]
    fn a_dropped_watch_is_forgotten_with_the_next_change() {
        let mut feeds = Feeds::default();
        drop(feeds.open("k", Revision(0)));
        feeds.tell(Revision(1), deleted("other", 1));
        assert!(feeds.feeds.is_empty());
    }

    fn deleted(key: &str, n: u64) -> Change {
        Change::Deleted { key: key.to_owned(), revision: Revision(n) }
    }
}
