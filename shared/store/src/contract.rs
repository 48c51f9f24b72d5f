//! What every store promises: one function per rule, run for each kind.
//!
//! Keys lie under a prefix that is fresh for each rule, so that a shared server can be under test
//! too. Revisions are compared, never counted, for the same reason.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use crate::{
    Change, Expect, LeaseId, Listing, Revision, Store, StoreError, VALUE_BYTES_MAX, Versioned, WATCH_CHANGES_MAX,
    Watch, Written,
};

/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The shortest lease that every kind can grant.
const LEASE: Duration = Duration::from_secs(2);

/// Writes at the same time, where it is only their number that matters.
const PARALLEL: usize = 64;

/// Checks every rule, each through a new handle on the same store.
pub(crate) async fn holds<S: Store>(store: impl AsyncFn() -> S) {
    what_was_put_is_there(&store().await).await;
    only_one_of_two_creations_wins(&store().await).await;
    a_write_after_another_one_loses(&store().await).await;
    a_deletion_needs_its_precondition(&store().await).await;
    a_listing_is_ordered_and_ends_at_its_prefix(&store().await).await;
    a_long_listing_is_whole(&store().await).await;
    a_listing_of_the_past_shows_what_stood_there(&store().await).await;
    what_is_too_large_is_refused(&store().await).await;
    a_watch_tells_changes_in_order(&store().await).await;
    a_list_and_a_watch_miss_nothing(&store().await).await;
    a_slow_watcher_is_told_that_it_lost(&store().await).await;
    an_expired_lease_takes_its_keys_along(&store().await).await;
    a_conflict_is_told_before_a_gone_lease(&store().await).await;
    a_renewed_lease_lives_on(&store().await).await;
    a_revoked_lease_takes_its_keys_along(&store().await).await;
    a_key_put_again_without_its_lease_stays(&store().await).await;
}

async fn what_was_put_is_there(store: &dyn Store) {
    let key = fresh("put");
    assert_eq!(store.get(&key).await, Ok(None));
    let first = put(store, &key, "1").await;
    let second = put(store, &key, "2").await;
    assert!(second > first);
    assert_eq!(store.get(&key).await, Ok(Some(versioned("2", second))));
}

async fn only_one_of_two_creations_wins(store: &dyn Store) {
    let key = fresh("create");
    let won = done(store.put(&key, value("mine"), Expect::Absent, None).await);
    let lost = store.put(&key, value("theirs"), Expect::Absent, None).await;
    assert_eq!(lost, Ok(Written::Conflict(Some(versioned("mine", won)))));
}

async fn a_write_after_another_one_loses(store: &dyn Store) {
    let key = fresh("cas");
    let seen = put(store, &key, "1").await;
    let won = done(store.put(&key, value("2"), Expect::Revision(seen), None).await);
    let lost = store.put(&key, value("3"), Expect::Revision(seen), None).await;
    assert_eq!(lost, Ok(Written::Conflict(Some(versioned("2", won)))));
    assert_eq!(store.get(&key).await, Ok(Some(versioned("2", won))));

    let missing = store.put(&fresh("cas"), value("4"), Expect::Revision(seen), None).await;
    assert_eq!(missing, Ok(Written::Conflict(None)));
}

async fn a_deletion_needs_its_precondition(store: &dyn Store) {
    let key = fresh("delete");
    let first = put(store, &key, "1").await;
    let second = put(store, &key, "2").await;
    let stale = store.delete(&key, Expect::Revision(first)).await;
    assert_eq!(stale, Ok(Written::Conflict(Some(versioned("2", second)))));

    done(store.delete(&key, Expect::Revision(second)).await);
    assert_eq!(store.get(&key).await, Ok(None));
    done(store.delete(&key, Expect::Any).await);
    assert_eq!(store.delete(&key, Expect::Revision(second)).await, Ok(Written::Conflict(None)));
}

async fn a_listing_is_ordered_and_ends_at_its_prefix(store: &dyn Store) {
    let root = fresh("list");
    for key in ["b/2", "b/1", "c", "a", "b"] {
        put(store, &format!("{root}/{key}"), key).await;
    }
    let listing = store.list(&format!("{root}/b/")).await.unwrap();
    let keys: Vec<_> = listing.entries.iter().map(|(key, _)| key.strip_prefix(&root).unwrap()).collect();
    assert_eq!(keys, ["/b/1", "/b/2"]);
    assert!(listing.entries.iter().all(|(_, versioned)| versioned.revision <= listing.revision));
}

/// Longer than one answer of a server may be.
async fn a_long_listing_is_whole(store: &dyn Store) {
    const KEYS: usize = 1_203;
    let root = fresh("long");
    let keys: Vec<String> = (0..KEYS).map(|n| format!("{root}/{n:04}")).collect();
    for some in keys.chunks(PARALLEL) {
        join_all(some.iter().map(|key| put(store, key, key))).await;
    }
    let listing = store.list(&root).await.unwrap();
    assert!(listing.entries.iter().map(|(key, _)| key).eq(&keys));
    assert!(listing.entries.iter().all(|(key, versioned)| versioned.value == *key));
}

async fn a_listing_of_the_past_shows_what_stood_there(store: &dyn Store) {
    let root = fresh("past");
    let key = |name: &str| format!("{root}/{name}");
    let (changed, deleted) = (put(store, &key("changed"), "1").await, put(store, &key("deleted"), "1").await);
    put(store, &fresh("elsewhere"), "not ours").await;
    let past = store.list(&root).await.unwrap();
    put(store, &key("changed"), "2").await;
    put(store, &key("changed"), "3").await;
    done(store.delete(&key("deleted"), Expect::Any).await);
    let newest = put(store, &key("new"), "1").await;

    let entries = vec![(key("changed"), versioned("1", changed)), (key("deleted"), versioned("1", deleted))];
    assert_eq!(store.list_at(&root, past.revision).await, Ok(Listing { entries, revision: past.revision }));
    let now = store.list_at(&root, newest).await.unwrap();
    assert_eq!((now.entries.len(), now.revision), (2, newest));
    let future = Revision(u64::MAX / 4);
    assert_eq!(store.list_at(&root, future).await, Err(StoreError::Compacted(future)));
}

async fn what_is_too_large_is_refused(store: &dyn Store) {
    let key = fresh("large");
    let (largest, too_large) = (vec![1; VALUE_BYTES_MAX], vec![1; VALUE_BYTES_MAX + 1]);
    let refused = store.put(&key, Bytes::from(too_large), Expect::Any, None).await;
    assert_eq!(refused, Err(StoreError::TooLarge { bytes: VALUE_BYTES_MAX + 1 }));
    done(store.put(&key, Bytes::from(largest), Expect::Any, None).await);
    assert_eq!(store.get(&key).await.unwrap().unwrap().value.len(), VALUE_BYTES_MAX);
}

async fn a_watch_tells_changes_in_order(store: &dyn Store) {
    let (root, key) = fresh_key("watch");
    let from = store.list(&root).await.unwrap().revision;
    let mut watch = store.watch(&root, from).await.unwrap();
    let first = put(store, &key, "1").await;
    put(store, &fresh("elsewhere"), "not ours").await;
    let second = put(store, &key, "2").await;
    done(store.delete(&key, Expect::Any).await);

    assert_eq!(next(&mut watch).await, put_change(&key, "1", first));
    assert_eq!(next(&mut watch).await, put_change(&key, "2", second));
    let Change::Deleted { key: deleted, revision } = next(&mut watch).await else { panic!("not a deletion") };
    assert_eq!(deleted, key);
    assert!(revision > second);
}

async fn a_list_and_a_watch_miss_nothing(store: &dyn Store) {
    let (root, key) = fresh_key("list-watch");
    put(store, &key, "listed").await;
    let listing = store.list(&root).await.unwrap();
    let between = put(store, &key, "between").await;
    let mut watch = store.watch(&root, listing.revision).await.unwrap();
    let after = put(store, &key, "after").await;

    assert_eq!(listing.entries.len(), 1);
    assert_eq!(next(&mut watch).await, put_change(&key, "between", between));
    assert_eq!(next(&mut watch).await, put_change(&key, "after", after));
}

async fn a_slow_watcher_is_told_that_it_lost(store: &dyn Store) {
    let (root, key) = fresh_key("slow");
    let from = store.list(&root).await.unwrap().revision;
    let mut slow = store.watch(&root, from).await.unwrap();
    for _ in 0..WATCH_CHANGES_MAX / PARALLEL + 2 {
        join_all((0..PARALLEL).map(|_| put(store, &key, "x"))).await;
    }

    let mut seen = 0;
    while next(&mut slow).await != Change::Lost {
        seen += 1;
    }
    assert!((1..=WATCH_CHANGES_MAX).contains(&seen), "{seen}");
    assert_eq!(slow.next().await, None, "a watch ends with what it lost");
}

async fn an_expired_lease_takes_its_keys_along(store: &dyn Store) {
    let (root, key) = fresh_key("expiry");
    let lease = store.grant(LEASE).await.unwrap();
    let (bound, mut watch) = put_and_watch(store, &root, &key, lease).await;

    let Change::Deleted { key: deleted, revision } = next(&mut watch).await else { panic!("not a deletion") };
    assert_eq!(deleted, key);
    assert!(revision > bound);
    assert_eq!(store.get(&key).await, Ok(None));
    assert_eq!(store.renew(lease).await, Err(StoreError::LeaseGone));
    assert_eq!(store.put(&key, value("late"), Expect::Any, Some(lease)).await, Err(StoreError::LeaseGone));
}

async fn a_conflict_is_told_before_a_gone_lease(store: &dyn Store) {
    let key = fresh("gone");
    let standing = put(store, &key, "1").await;
    let lease = store.grant(PATIENCE).await.unwrap();
    store.revoke(lease).await.unwrap();
    let lost = store.put(&key, value("2"), Expect::Absent, Some(lease)).await;
    assert_eq!(lost, Ok(Written::Conflict(Some(versioned("1", standing)))));
    let gone = store.put(&key, value("2"), Expect::Revision(standing), Some(lease)).await;
    assert_eq!(gone, Err(StoreError::LeaseGone));
}

async fn a_renewed_lease_lives_on(store: &dyn Store) {
    let key = fresh("renewal");
    let lease = store.grant(LEASE).await.unwrap();
    done(store.put(&key, value("1"), Expect::Absent, Some(lease)).await);
    for _ in 0..4 {
        tokio::time::sleep(LEASE / 2).await;
        store.renew(lease).await.unwrap();
    }
    assert!(store.get(&key).await.unwrap().is_some());
}

async fn a_revoked_lease_takes_its_keys_along(store: &dyn Store) {
    let (root, key) = fresh_key("revocation");
    let lease = store.grant(PATIENCE).await.unwrap();
    let (_, mut watch) = put_and_watch(store, &root, &key, lease).await;
    store.revoke(lease).await.unwrap();

    assert!(matches!(next(&mut watch).await, Change::Deleted { key: deleted, .. } if deleted == key));
    assert_eq!(store.get(&key).await, Ok(None));
    assert_eq!(store.renew(lease).await, Err(StoreError::LeaseGone));
    assert_eq!(store.revoke(lease).await, Ok(()));
}

async fn a_key_put_again_without_its_lease_stays(store: &dyn Store) {
    let key = fresh("unbound");
    let lease = store.grant(PATIENCE).await.unwrap();
    done(store.put(&key, value("1"), Expect::Any, Some(lease)).await);
    put(store, &key, "2").await;
    store.revoke(lease).await.unwrap();
    assert_eq!(store.get(&key).await.unwrap().unwrap().value, "2");
}

/// Puts `key` under `lease` and watches what happens after that.
async fn put_and_watch(store: &dyn Store, root: &str, key: &str, lease: LeaseId) -> (Revision, Watch) {
    let bound = done(store.put(key, value("1"), Expect::Absent, Some(lease)).await);
    (bound, store.watch(root, bound).await.unwrap())
}

async fn put(store: &dyn Store, key: &str, text: &str) -> Revision {
    done(store.put(key, value(text), Expect::Any, None).await)
}

async fn next(watch: &mut Watch) -> Change {
    tokio::time::timeout(PATIENCE, watch.next()).await.expect("a change in time").expect("the store is open")
}

fn done(written: Result<Written, StoreError>) -> Revision {
    match written.unwrap() {
        Written::Done(revision) => revision,
        Written::Conflict(standing) => panic!("{standing:?} stands in the way"),
    }
}

fn fresh(rule: &str) -> String {
    static USED: AtomicU64 = AtomicU64::new(0);
    format!("contract/{}/{}/{rule}", std::process::id(), USED.fetch_add(1, Ordering::Relaxed))
}

fn fresh_key(rule: &str) -> (String, String) {
    let root = fresh(rule);
    let key = format!("{root}/key");
    (root, key)
}

fn value(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn versioned(text: &str, revision: Revision) -> Versioned {
    Versioned { value: value(text), revision }
}

fn put_change(key: &str, text: &str, revision: Revision) -> Change {
    Change::Put { key: key.to_owned(), versioned: versioned(text, revision) }
}
