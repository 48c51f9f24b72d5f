//! Against real servers: the contract, and what only a connection can suffer.

use std::path::PathBuf;
use std::time::Instant;

use etcd_client::{Client, ConnectOptions, Permission, PermissionType};
use velella_servers::{Ca, EtcdCluster, EtcdServer, Identity};

use super::*;
use crate::{Change, contract};

/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn etcd_holds_the_contract() {
    let server = EtcdServer::start().await;
    contract::holds(async || connect(&server).await).await;
}

#[tokio::test]
async fn a_watch_misses_nothing_while_the_server_is_away() {
    let mut server = EtcdServer::start().await;
    let store = connect(&server).await;
    let from = store.list("a/").await.unwrap().revision;
    let mut watch = store.watch("a/", from).await.unwrap();
    let before = put(&store, "a/1").await;
    assert_eq!(next(&mut watch).await, put_of("a/1", before));

    server.kill();
    becomes(&store, false).await;
    server.restart().await;
    // Through another client, so that the change may come before the watch is back.
    let between = put(&connect(&server).await, "a/2").await;
    assert_eq!(next(&mut watch).await, put_of("a/2", between));
    assert_eq!(store.stats().watches_resumed, 1);
    assert_eq!(store.get("a/1").await.unwrap().unwrap().revision, before, "kept on disk");
}

#[tokio::test]
async fn calls_end_in_time_while_the_server_hangs_and_work_once_it_goes_on() {
    let server = EtcdServer::start().await;
    let store = connect(&server).await;
    let from = put(&store, "k").await;
    let mut watch = store.watch("k", from).await.unwrap();
    server.pause();
    let started = Instant::now();
    assert!(matches!(store.get("k").await, Err(StoreError::Down(_))));
    assert!(started.elapsed() < CALL_TIMEOUT * 2);
    assert!(!*store.reachable().borrow());

    server.resume();
    becomes(&store, true).await;
    let after = put(&store, "k").await;
    assert_eq!(next(&mut watch).await, put_of("k", after));
}

#[tokio::test]
async fn a_silent_server_is_noticed_by_a_watch_alone() {
    let server = EtcdServer::start().await;
    let store = connect(&server).await;
    let from = put(&store, "k").await;
    let mut watch = store.watch("k", from).await.unwrap();
    server.pause();
    becomes(&store, false).await;
    server.resume();
    becomes(&store, true).await;
    let after = put(&store, "k").await;
    assert_eq!(next(&mut watch).await, put_of("k", after));
}

#[tokio::test]
async fn calls_while_the_server_is_away_fail_at_once() {
    let mut server = EtcdServer::start().await;
    let store = connect(&server).await;
    server.kill();
    let started = Instant::now();
    assert!(matches!(store.get("k").await, Err(StoreError::Down(_))));
    assert!(matches!(store.watch("k", Revision(0)).await, Err(StoreError::Down(_))));
    assert!(started.elapsed() < CALL_TIMEOUT);
    server.restart().await;
    put(&store, "k").await;
    assert!(EtcdStore::connect(options(&["http://127.0.0.1:1".to_owned()])).await.is_err());
}

#[tokio::test]
async fn a_watch_from_a_forgotten_revision_is_lost() {
    let server = EtcdServer::start().await;
    let store = connect(&server).await;
    let old = put(&store, "k").await;
    put(&store, "k").await;
    let newest = put(&store, "k").await;
    raw(&server, None).await.compact(signed(newest), None).await.unwrap();

    assert_eq!(store.list_at("k", old).await, Err(StoreError::Compacted(old)));
    let mut watch = store.watch("k", old).await.unwrap();
    assert_eq!(next(&mut watch).await, Change::Lost);
    assert_eq!(watch.next().await, None);
    assert_eq!(store.stats().watches_lost, 1);

    let listing = store.list("k").await.unwrap();
    let mut again = store.watch("k", listing.revision).await.unwrap();
    let after = put(&store, "k").await;
    assert_eq!(next(&mut again).await, put_of("k", after));
}

#[tokio::test]
async fn a_dropped_watch_ends_at_the_server() {
    let server = EtcdServer::start().await;
    let store = connect(&server).await;
    let watch = store.watch("k", Revision(0)).await.unwrap();
    let held = Arc::strong_count(&store.members);
    drop(watch);
    let started = Instant::now();
    while Arc::strong_count(&store.members) == held {
        assert!(started.elapsed() < PATIENCE, "the task of the watch goes on");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_full_store_says_so_and_still_reads_and_deletes() {
    let server = EtcdServer::start_with(&["--quota-backend-bytes=16777216"]).await;
    let store = connect(&server).await;
    let value = Bytes::from(vec![1; crate::VALUE_BYTES_MAX]);
    let refused = loop {
        match store.put("k", value.clone(), Expect::Any, None).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(refused, StoreError::Full);
    assert!(!refused.is_retryable());
    assert!(store.get("k").await.unwrap().is_some());
    assert!(matches!(store.delete("k", Expect::Any).await, Ok(Written::Done(_))));
    assert!(*store.reachable().borrow());
}

#[tokio::test]
async fn only_the_right_login_is_let_in() {
    let server = EtcdServer::start().await;
    let mut root = raw(&server, None).await;
    root.user_add("root", "r", None).await.unwrap();
    root.role_add("root").await.unwrap();
    root.user_grant_role("root", "root").await.unwrap();
    root.user_add("velella", "right", None).await.unwrap();
    root.role_add("velella").await.unwrap();
    let ours = Permission::new(PermissionType::Readwrite, "velella/").with_prefix();
    root.role_grant_permission("velella", ours).await.unwrap();
    root.user_grant_role("velella", "velella").await.unwrap();
    root.auth_enable().await.unwrap();

    let store = login(&server, "right").await.unwrap();
    let from = put(&store, "velella/k").await;
    let mut watch = store.watch("velella/", from).await.unwrap();
    let after = put(&store, "velella/k").await;
    assert_eq!(next(&mut watch).await, put_of("velella/k", after));
    let lease = store.grant(PATIENCE).await.unwrap();
    store.renew(lease).await.unwrap();

    let denied = |error| matches!(error, StoreError::Denied(_));
    assert!(denied(login(&server, "wrong").await.unwrap_err()));
    assert!(denied(connect(&server).await.get("velella/k").await.unwrap_err()));
    assert!(denied(store.get("other/k").await.unwrap_err()));
    assert!(denied(store.watch("other/", from).await.unwrap_err()));
}

#[tokio::test]
async fn tls_lets_in_who_holds_the_right_certificates() {
    let (ca, other) = (Ca::new(), Ca::new());
    let (ours, theirs) = (ca.issue("client"), other.issue("client"));
    let server = EtcdServer::start_tls(&ca).await;
    let connect = async |ca: Option<PathBuf>, identity: Option<&Identity>| {
        let identity = identity.map(|i| (i.certificate.clone(), i.key.clone()));
        EtcdStore::connect(EtcdOptions { tls: EtcdTls { ca, identity }, ..options(&[server.url()]) }).await
    };

    let store = connect(Some(ca.certificate()), Some(&ours)).await.unwrap();
    let from = put(&store, "k").await;
    let mut watch = store.watch("k", from).await.unwrap();
    let after = put(&store, "k").await;
    assert_eq!(next(&mut watch).await, put_of("k", after));

    assert!(connect(Some(other.certificate()), Some(&ours)).await.is_err(), "a server of another authority");
    assert!(connect(None, Some(&ours)).await.is_err(), "a server that the system does not trust");
    assert!(connect(Some(ca.certificate()), None).await.is_err(), "a client without a certificate");
    assert!(connect(Some(ca.certificate()), Some(&theirs)).await.is_err(), "a client of another authority");
    let plain = server.url().replace("https", "http");
    assert!(EtcdStore::connect(options(&[plain])).await.is_err(), "a client without TLS");
}

#[tokio::test]
async fn a_cluster_serves_on_when_any_one_member_dies_or_hangs() {
    let mut cluster = EtcdCluster::start(3).await;
    let store = EtcdStore::connect(options(&cluster.urls())).await.unwrap();
    let mut last = put(&store, "k").await;
    let mut watch = store.watch("k", last).await.unwrap();
    for member in &mut cluster.members {
        member.kill();
        for _ in 0..10 {
            last = put_again(&store, "k").await;
            shows(&mut watch, "k", last).await;
        }
        member.restart().await;
    }
    for member in &cluster.members {
        member.pause();
        last = put_again(&store, "k").await;
        shows(&mut watch, "k", last).await;
        member.resume();
    }
}

#[tokio::test]
async fn who_gives_calls_up_soon_leaves_a_member_that_hangs_as_well() {
    let cluster = EtcdCluster::start(3).await;
    let store = EtcdStore::connect(options(&cluster.urls())).await.unwrap();
    put(&store, "k").await;
    for member in &cluster.members {
        member.pause();
        let mut attempts = 0;
        while tokio::time::timeout(members::HANGS_AFTER * 3 / 2, store.get("k")).await.is_err() {
            attempts += 1;
            assert!(attempts < 4, "the same member is asked again and again");
        }
        member.resume();
    }
    assert!(store.stats().failovers > 0, "one of them was in use");
}

/// `cargo test -p velella-store --release -- --ignored --nocapture measures`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn it_measures_latency_and_rate() {
    const N: usize = 2_000;
    let server = EtcdServer::start().await;
    let cluster = EtcdCluster::start(3).await;
    for (what, urls) in [("one member", vec![server.url()]), ("three members", cluster.urls())] {
        let store = EtcdStore::connect(options(&urls)).await.unwrap();
        let value = Bytes::from(vec![1; 500]);
        let mut took = Vec::with_capacity(N);
        let mut seen = put(&store, "k").await;
        for _ in 0..N {
            let started = Instant::now();
            seen = done(store.put("k", value.clone(), Expect::Revision(seen), None).await);
            took.push(started.elapsed());
        }
        took.sort();
        println!("{what}, put if revision, one by one: p50 {:?}, p99 {:?}", took[N / 2], took[N * 99 / 100]);

        for parallel in [8, 32, 128] {
            let started = Instant::now();
            let writers = (0..parallel).map(|n| {
                let (store, value) = (store.clone(), value.clone());
                tokio::spawn(async move {
                    let key = format!("{parallel}/{n}");
                    let mut seen = put(&store, &key).await;
                    for _ in 0..N * 4 / parallel {
                        seen = done(store.put(&key, value.clone(), Expect::Revision(seen), None).await);
                    }
                })
            });
            futures_util::future::join_all(writers).await;
            let rate = (N * 4) as f64 / started.elapsed().as_secs_f64();
            println!("{what}, {parallel} at a time: {rate:.0} puts/s");
        }
    }
}

async fn connect(server: &EtcdServer) -> EtcdStore {
    EtcdStore::connect(options(&[server.url()])).await.unwrap()
}

async fn login(server: &EtcdServer, password: &str) -> Result<EtcdStore, StoreError> {
    let user = Some(("velella".to_owned(), password.to_owned()));
    EtcdStore::connect(EtcdOptions { user, ..options(&[server.url()]) }).await
}

fn options(endpoints: &[String]) -> EtcdOptions {
    EtcdOptions { endpoints: endpoints.to_vec(), ..EtcdOptions::default() }
}

/// For what an operator does.
async fn raw(server: &EtcdServer, options: Option<ConnectOptions>) -> Client {
    Client::connect([server.url()], options).await.unwrap()
}

async fn put(store: &EtcdStore, key: &str) -> Revision {
    done(store.put(key, text(), Expect::Any, None).await)
}

/// Until it succeeds, as callers do while a leader is elected. An attempt that was not answered may have
/// happened all the same.
async fn put_again(store: &EtcdStore, key: &str) -> Revision {
    let started = Instant::now();
    loop {
        match store.put(key, text(), Expect::Any, None).await {
            Err(error) if error.is_retryable() && started.elapsed() < PATIENCE => {}
            written => return done(written),
        }
    }
}

/// Waits for that write; before it only those can come whose answers were lost.
async fn shows(watch: &mut Watch, key: &str, last: Revision) {
    loop {
        let change = next(watch).await;
        if change == put_of(key, last) {
            return;
        }
        let earlier = matches!(&change, Change::Put { key: of, versioned } if of == key && versioned.revision < last);
        assert!(earlier, "{change:?}, not the write of {last:?}");
    }
}

fn done(written: Result<Written, StoreError>) -> Revision {
    match written.unwrap() {
        Written::Done(revision) => revision,
        Written::Conflict(standing) => panic!("{standing:?} stands in the way"),
    }
}

async fn becomes(store: &EtcdStore, state: bool) {
    let mut reachable = store.reachable();
    let became = tokio::time::timeout(PATIENCE, reachable.wait_for(|now| *now == state)).await;
    became.expect("the change is noticed in time").unwrap();
}

async fn next(watch: &mut Watch) -> Change {
    tokio::time::timeout(PATIENCE, watch.next()).await.expect("a change in time").expect("the store is open")
}

fn put_of(key: &str, revision: Revision) -> Change {
    Change::Put { key: key.to_owned(), versioned: Versioned { value: text(), revision } }
}

fn text() -> Bytes {
    Bytes::from_static(b"value")
}
