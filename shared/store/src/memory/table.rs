//! Versioned keys in order: no time, no watchers.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::{Expect, Listing, Revision, Versioned};

#[derive(Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<String, Versioned>,
    revision: Revision,
}

impl Table {
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    pub(super) fn get(&self, key: &str) -> Option<&Versioned> {
        self.entries.get(key)
    }

    pub(super) fn list(&self, prefix: &str) -> Listing {
        let from_prefix = self.entries.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let under = from_prefix.take_while(|(key, _)| key.starts_with(prefix));
        Listing { entries: under.map(|(key, v)| (key.clone(), v.clone())).collect(), revision: self.revision }
    }

    /// Whether a write may happen; if not, what stands in its way.
    pub(super) fn check(&self, key: &str, expect: Expect) -> Result<(), Option<Versioned>> {
        let standing = self.entries.get(key);
        let holds = match expect {
            Expect::Any => true,
            Expect::Absent => standing.is_none(),
            Expect::Revision(revision) => standing.is_some_and(|v| v.revision == revision),
        };
        if holds { Ok(()) } else { Err(standing.cloned()) }
    }

    pub(super) fn put(&mut self, key: &str, value: Bytes) -> Versioned {
        let versioned = Versioned { value, revision: self.next_revision() };
        self.entries.insert(key.to_owned(), versioned.clone());
        versioned
    }

    /// The revision of the removal; `None` when there was nothing to remove.
    pub(super) fn remove(&mut self, key: &str) -> Option<Revision> {
        self.entries.remove(key).map(|_| self.next_revision())
    }

    fn next_revision(&mut self) -> Revision {
        self.revision = Revision(self.revision.0 + 1);
        self.revision
    }
}
