//! Objects that are held, and those that somebody fetches at the moment: each once.

use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use equivalent::Equivalent;
use moka::Expiry;
use moka::future::Cache as Moka;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use prometheus::IntCounter;
use velella_hls::{Directives, Skip};

use crate::held::Held;
use crate::wish::Wish;

/// What an entry takes beside its content: keys, headers, the cache's own books.
const ENTRY_BYTES: usize = 1_024;

/// Objects by room, path and directives.
#[derive(Debug)]
pub(crate) struct Cache(Moka<Key, Arc<Held>>);

/// How an object was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It was held.
    Held,
    /// Somebody else had begun to fetch it.
    Joined,
    /// It was fetched.
    Fetched,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    room: Box<str>,
    path: Box<str>,
    directives: Directives,
}

/// A key that nothing was allocated for; hashed as [`Key`] is.
#[derive(Hash)]
struct KeyRef<'a> {
    room: &'a str,
    path: &'a str,
    directives: Directives,
}

impl Cache {
    /// For so many bytes; counts what had to go for others.
    pub(crate) fn new(bytes: u64, evictions: IntCounter) -> Self {
        let moka = Moka::builder()
            .max_capacity(bytes)
            .weigher(|key: &Key, held: &Arc<Held>| weight(key, held))
            // What is new is what everybody wants: it must not have to prove itself first.
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(Lifetime)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    evictions.inc();
                }
            })
            .support_invalidation_closures()
            .build();
        Self(moka)
    }

    /// What is held; allocates nothing.
    pub(crate) async fn held(&self, wish: &Wish<'_>) -> Option<Arc<Held>> {
        self.0.get(&KeyRef { room: wish.room, path: wish.path, directives: wish.directives }).await
    }

    /// What is held, or what comes of `fetch`. Of those who ask at once one fetches and the others wait; when that one
    /// goes away, another goes on.
    pub(crate) async fn held_or(&self, wish: &Wish<'_>, fetch: impl Future<Output = Held>) -> (Arc<Held>, Found) {
        let key = Key { room: wish.room.into(), path: wish.path.into(), directives: wish.directives };
        let entry = self.0.entry(key).or_insert_with(async { Arc::new(fetch.await) }).await;
        if !entry.is_fresh() {
            return (entry.into_value(), Found::Joined);
        }
        if wish.directives.msn.is_some() {
            self.forget_older(wish).await;
        }
        // Else what is too much would only go with one of the next entries.
        self.0.run_pending_tasks().await;
        (entry.into_value(), Found::Fetched)
    }

    /// Whoever got a playlist that was waited for gets no older one of the same rendition here.
    async fn forget_older(&self, wish: &Wish<'_>) {
        for skip in [None, Some(Skip::Segments), Some(Skip::SegmentsAndDates)] {
            let directives = Directives { skip, ..Directives::default() };
            self.0.invalidate(&KeyRef { room: wish.room, path: wish.path, directives }).await;
        }
    }

    /// Lets go of everything of a room.
    pub(crate) fn forget(&self, room: &str) {
        let room: Box<str> = room.into();
        // Refused only where a cache was made without this.
        let _ = self.0.invalidate_entries_if(move |key, _| key.room == room);
    }

    /// Bytes that are held, about. Lets go of what is over.
    pub(crate) async fn bytes(&self) -> u64 {
        self.0.run_pending_tasks().await;
        self.0.weighted_size()
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.directives == key.directives && self.path == &*key.path && self.room == &*key.room
    }
}

fn weight(key: &Key, held: &Held) -> u32 {
    let bytes = key.room.len() + key.path.len() + ENTRY_BYTES + held.length;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

struct Lifetime;

impl Expiry<Key, Arc<Held>> for Lifetime {
    fn expire_after_create(&self, _: &Key, held: &Arc<Held>, _: Instant) -> Option<Duration> {
        Some(held.lifetime)
    }

    /// One that had expired and was fetched again before it was swept out.
    fn expire_after_update(&self, _: &Key, held: &Arc<Held>, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(held.lifetime)
    }
}
