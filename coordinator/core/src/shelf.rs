//! A versioned cache of one half of the store, fed by the watch and by own writes.
//!
//! The watch is in order and complete, own answers overtake it. So a revision never goes back, and
//! what the watch has already passed cannot return by an old answer.

use std::collections::BTreeMap;
use std::ops::Bound;

use velella_model::Shared;

use crate::input::Revision;

/// Records by key, each with the revision of its last write.
#[derive(Debug)]
pub(crate) struct Shelf<K, V> {
    held: BTreeMap<K, (Shared<V>, Revision)>,
    /// Keys that we deleted ourselves and whose deletion the watch has not shown yet; as many as
    /// deletions are in flight.
    buried: BTreeMap<K, Revision>,
    /// How far the watch has come.
    seen: Revision,
}

impl<K: Ord + Clone, V> Shelf<K, V> {
    pub(crate) fn new() -> Self {
        Self { held: BTreeMap::new(), buried: BTreeMap::new(), seen: Revision(0) }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.held.get(key).map(|(value, _)| &**value)
    }

    /// The value to be kept.
    pub(crate) fn share(&self, key: &K) -> Option<Shared<V>> {
        self.held.get(key).map(|(value, _)| value.clone())
    }

    pub(crate) fn revision(&self, key: &K) -> Option<Revision> {
        self.held.get(key).map(|(_, revision)| *revision)
    }

    /// All whose keys follow `from`, in order.
    pub(crate) fn range<'a>(&'a self, from: Bound<&K>) -> impl Iterator<Item = (&'a K, &'a Shared<V>)> + use<'a, K, V> {
        self.held.range((from, Bound::Unbounded)).map(|(key, (value, _))| (key, value))
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// Takes a step of the watch; whether it told news.
    pub(crate) fn watched(&mut self, key: &K, revision: Revision, value: Option<V>) -> bool {
        let news = self.apply(key, revision, value);
        self.pass(revision);
        news
    }

    /// Takes the outcome of an own write or read; whether it told news.
    pub(crate) fn answered(&mut self, key: &K, revision: Revision, value: Option<V>) -> bool {
        if revision <= self.seen && !self.held.contains_key(key) {
            return false;
        }
        let deleted = value.is_none();
        let news = self.apply(key, revision, value);
        if deleted && revision > self.seen {
            self.buried.insert(key.clone(), revision);
        }
        news
    }

    /// Takes a whole listing; returns the keys that it does not hold any more.
    pub(crate) fn vanished(&self, listed: &[K], revision: Revision) -> Vec<K> {
        let listed: std::collections::BTreeSet<&K> = listed.iter().collect();
        let gone = |(key, (_, at)): (&K, &(Shared<V>, Revision))| {
            (*at <= revision && !listed.contains(key)).then(|| key.clone())
        };
        self.held.iter().filter_map(gone).collect()
    }

    /// Notes that the watch has come this far.
    pub(crate) fn pass(&mut self, revision: Revision) {
        self.seen = self.seen.max(revision);
        let seen = self.seen;
        self.buried.retain(|_, at| *at > seen);
    }

    fn apply(&mut self, key: &K, revision: Revision, value: Option<V>) -> bool {
        let held = self.held.get(key).map(|(_, at)| *at);
        let known = held.max(self.buried.get(key).copied());
        if known.is_some_and(|known| revision <= known) {
            return false;
        }
        match value {
            Some(value) => {
                self.held.insert(key.clone(), (value.into(), revision));
                true
            }
            None => self.held.remove(key).is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> Shelf<&'static str, u8> {
        Shelf::new()
    }

    #[test]
    fn an_older_revision_never_replaces_a_newer_one() {
        let mut s = shelf();
        assert!(s.answered(&"k", Revision(5), Some(5)));
        assert!(!s.watched(&"k", Revision(4), Some(4)));
        assert!(!s.watched(&"k", Revision(5), Some(5)), "the echo of an own write is no news");
        assert_eq!(s.get(&"k"), Some(&5));
    }

    #[test]
    fn a_key_that_the_watch_saw_deleted_does_not_return_by_a_late_answer() {
        let mut s = shelf();
        s.watched(&"k", Revision(5), Some(5));
        s.watched(&"k", Revision(6), None);
        assert!(!s.answered(&"k", Revision(5), Some(5)));
        assert_eq!(s.get(&"k"), None);
    }

    #[test]
    fn a_key_that_we_deleted_does_not_return_by_the_lagging_watch() {
        let mut s = shelf();
        assert!(s.answered(&"k", Revision(5), Some(5)));
        assert!(s.answered(&"k", Revision(6), None));
        assert!(!s.watched(&"k", Revision(5), Some(5)));
        assert!(!s.watched(&"k", Revision(6), None));
        assert!(s.buried.is_empty(), "the grave is closed once the watch has passed it");
        assert!(s.watched(&"k", Revision(7), Some(7)));
    }

    #[test]
    fn a_listing_names_what_vanished_but_spares_what_is_newer() {
        let mut s = shelf();
        s.watched(&"old", Revision(1), Some(1));
        s.answered(&"new", Revision(9), Some(9));
        assert_eq!(s.vanished(&["other"], Revision(8)), ["old"]);
    }
}
