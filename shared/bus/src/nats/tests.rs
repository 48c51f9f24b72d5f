//! Against a real server: the contract, and what only a connection can suffer.

use std::path::PathBuf;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use velella_servers::{Ca, Identity, NatsServer};

use super::*;
use crate::contract;

/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn nats_holds_the_contract() {
    let server = NatsServer::start().await;
    contract::holds(async || connect(&server).await).await;
}

#[tokio::test]
async fn a_subscription_outlives_the_server() {
    let mut server = NatsServer::start().await;
    let bus = connect(&server).await;
    let mut subscription = bus.subscribe("news").await.unwrap();
    server.kill();
    becomes(&bus, false).await;
    server.restart().await;
    becomes(&bus, true).await;
    bus.publish("news", text("after")).await.unwrap();
    assert_eq!(next(&mut subscription).await, "after");
    assert_eq!(bus.stats().reconnects, 1);
}

#[tokio::test]
async fn what_is_published_while_the_server_is_away_is_refused_and_not_kept() {
    let mut server = NatsServer::start().await;
    let bus = connect(&server).await;
    let mut subscription = bus.subscribe("news").await.unwrap();
    server.kill();
    becomes(&bus, false).await;
    let asked = Instant::now();
    assert!(matches!(bus.publish("news", text("lost")).await, Err(BusError::Down(_))));
    assert!(matches!(bus.request("news", text("lost"), PATIENCE).await, Err(BusError::Down(_))));
    assert!(matches!(bus.subscribe("news").await, Err(BusError::Down(_))));
    assert!(asked.elapsed() < PATIENCE / 2);
    assert_eq!(bus.stats().refused, 3);

    server.restart().await;
    becomes(&bus, true).await;
    bus.publish("news", text("kept")).await.unwrap();
    assert_eq!(next(&mut subscription).await, "kept");
}

#[tokio::test]
async fn a_request_ends_with_the_connection() {
    let mut server = NatsServer::start().await;
    let bus = connect(&server).await;
    let mut silent = bus.subscribe("question").await.unwrap();
    let asked = tokio::spawn({
        let bus = bus.clone();
        async move { bus.request("question", Bytes::new(), PATIENCE * 10).await }
    });
    next(&mut silent).await;
    server.kill();
    let ended = tokio::time::timeout(PATIENCE, asked).await.unwrap().unwrap();
    assert!(matches!(ended, Err(BusError::Down(_))), "{ended:?}");
}

#[tokio::test]
async fn a_server_that_hangs_stalls_nobody_for_long_and_is_noticed() {
    let server = NatsServer::start().await;
    let bus = connect(&server).await;
    server.pause();
    let large = Bytes::from(vec![1; 64 * 1024]);
    let mut slowest = Duration::ZERO;
    loop {
        let started = Instant::now();
        let published = bus.publish("news", large.clone()).await;
        slowest = slowest.max(started.elapsed());
        if published.is_err() {
            break;
        }
    }
    assert!(slowest < PUBLISH_TIMEOUT * 3, "{slowest:?}");
    becomes(&bus, false).await;
    server.resume();
    becomes(&bus, true).await;
    bus.publish("news", large).await.unwrap();
}

#[tokio::test]
async fn a_finished_request_leaves_no_inbox_behind() {
    let server = NatsServer::start().await;
    let bus = connect(&server).await;
    let _silent = bus.subscribe("question").await.unwrap();
    let timeout = Duration::from_millis(5);
    assert!(matches!(bus.request("question", Bytes::new(), timeout).await, Err(BusError::TimedOut { .. })));
    assert!(matches!(bus.request("nobody", Bytes::new(), PATIENCE).await, Err(BusError::NoResponders { .. })));
    assert_eq!(bus.link.replies.waiting(), 0);
}

#[tokio::test]
async fn a_connection_ends_with_its_last_handle() {
    let server = NatsServer::start().await;
    let bus = connect(&server).await;
    let mut connected = bus.connected();
    drop(bus);
    assert!(tokio::time::timeout(PATIENCE, connected.changed()).await.unwrap().is_err());
}

#[tokio::test]
async fn what_was_flushed_arrives_although_its_sender_is_gone() {
    let server = NatsServer::start().await;
    let mut subscription = connect(&server).await.subscribe("words").await.unwrap();
    let bus = connect(&server).await;
    for _ in 0..1_000 {
        bus.publish("words", Bytes::from(vec![1; 1_000])).await.unwrap();
    }
    bus.flush(PATIENCE).await.unwrap();
    drop(bus);
    for _ in 0..1_000 {
        assert_eq!(next(&mut subscription).await.len(), 1_000);
    }
}

#[tokio::test]
async fn a_forbidden_subject_is_counted() {
    let permissions = r#"{ publish: ["ours.>", "_INBOX.>"], subscribe: ["ours.>", "_INBOX.>"] }"#;
    let users = format!(r#"authorization {{ users: [{{ user: velella, password: p, permissions: {permissions} }}] }}"#);
    let server = NatsServer::start_with(&users).await;
    let bus = NatsBus::connect(options(&server, password("p"))).await.unwrap();
    bus.publish("theirs.news", Bytes::new()).await.unwrap();
    let _nothing = bus.subscribe("theirs.news").await.unwrap();
    let started = Instant::now();
    while bus.stats().forbidden < 2 {
        assert!(started.elapsed() < PATIENCE, "{bus:?}");
        tokio::task::yield_now().await;
    }
    assert!(*bus.connected().borrow());
}

#[tokio::test]
async fn only_the_right_login_is_let_in() {
    let server = NatsServer::start_with("authorization { user: velella, password: right }").await;
    assert!(NatsBus::connect(options(&server, password("right"))).await.is_ok());
    for auth in [password("wrong"), NatsAuth::None, NatsAuth::Token("right".into())] {
        let refused = NatsBus::connect(options(&server, auth)).await.unwrap_err();
        assert!(!refused.is_retryable(), "{refused}");
    }

    let server = NatsServer::start_with("authorization { token: right }").await;
    assert!(NatsBus::connect(options(&server, NatsAuth::Token("right".into()))).await.is_ok());
    assert!(NatsBus::connect(options(&server, NatsAuth::Token("wrong".into()))).await.is_err());

    // The pair of keys from the documentation of NATS.
    let public = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let server = NatsServer::start_with(&format!("authorization {{ users: [{{ nkey: {public} }}] }}")).await;
    assert!(NatsBus::connect(options(&server, NatsAuth::Nkey(seed.into()))).await.is_ok());
    assert!(NatsBus::connect(options(&server, NatsAuth::Nkey("SUAwrong".into()))).await.is_err());
}

#[tokio::test]
async fn tls_lets_in_who_holds_the_right_certificates() {
    let (ca, other) = (Ca::new(), Ca::new());
    let (ours, theirs) = (ca.issue("client"), other.issue("client"));
    let server = NatsServer::start_tls(&ca).await;
    let connect = async |ca: Option<PathBuf>, identity: Option<&Identity>| {
        let identity = identity.map(|i| (i.certificate.clone(), i.key.clone()));
        let tls = NatsTls { ca, identity };
        NatsBus::connect(NatsOptions { tls, ..options(&server, NatsAuth::None) }).await
    };

    let bus = connect(Some(ca.certificate()), Some(&ours)).await.unwrap();
    let mut subscription = bus.subscribe("news").await.unwrap();
    bus.publish("news", text("secret")).await.unwrap();
    assert_eq!(next(&mut subscription).await, "secret");

    assert!(connect(Some(other.certificate()), Some(&ours)).await.is_err(), "a server of another authority");
    assert!(connect(None, Some(&ours)).await.is_err(), "a server that the system does not trust");
    assert!(connect(Some(ca.certificate()), None).await.is_err(), "a client without a certificate");
    assert!(connect(Some(ca.certificate()), Some(&theirs)).await.is_err(), "a client of another authority");
    assert!(!answers_in_the_clear(&server).await);

    let plain = NatsServer::start().await;
    let tls = NatsTls { ca: Some(ca.certificate()), identity: None };
    let downgraded = NatsBus::connect(NatsOptions { tls, ..options(&plain, NatsAuth::None) }).await;
    assert!(downgraded.is_err(), "a server without TLS");
}

/// `cargo test -p velella-bus --release -- --ignored --nocapture measures`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn it_measures_latency_and_rate() {
    const N: usize = 20_000;
    let server = NatsServer::start().await;
    let (here, there) = (connect(&server).await, connect(&server).await);
    let mut subscription = there.subscribe("measure").await.unwrap();
    let payload = Bytes::from(vec![1; 200]);

    let mut took = Vec::with_capacity(N);
    for _ in 0..N {
        let started = Instant::now();
        here.publish("measure", payload.clone()).await.unwrap();
        next(&mut subscription).await;
        took.push(started.elapsed());
    }
    took.sort();
    println!("publish and receive, one by one: p50 {:?}, p99 {:?}", took[N / 2], took[N * 99 / 100]);

    let started = Instant::now();
    let publishing = async {
        for _ in 0..N * 10 {
            here.publish("measure", payload.clone()).await.unwrap();
        }
    };
    let receiving = async {
        let mut received = 0;
        while received < N * 10 {
            let Ok(_message) = tokio::time::timeout(PATIENCE / 4, subscription.next()).await else { break };
            received += 1;
        }
        received
    };
    let ((), received) = tokio::join!(publishing, receiving);
    let rate = received as f64 / started.elapsed().as_secs_f64();
    println!("as fast as it goes: {rate:.0} messages/s; lost {} and {}", subscription.lost(), there.stats().lost);

    tokio::spawn(async move {
        while let Some(question) = subscription.next().await {
            there.publish(&question.reply.unwrap(), question.payload).await.unwrap();
        }
    });
    let mut took = Vec::with_capacity(N);
    for _ in 0..N {
        let started = Instant::now();
        here.request("measure", payload.clone(), PATIENCE).await.unwrap();
        took.push(started.elapsed());
    }
    took.sort();
    println!("request and reply, one by one: p50 {:?}, p99 {:?}", took[N / 2], took[N * 99 / 100]);
}

async fn connect(server: &NatsServer) -> NatsBus {
    NatsBus::connect(options(server, NatsAuth::None)).await.unwrap()
}

fn options(server: &NatsServer, auth: NatsAuth) -> NatsOptions {
    NatsOptions { servers: vec![server.url()], name: "test".into(), auth, tls: NatsTls::default() }
}

fn password(password: &str) -> NatsAuth {
    NatsAuth::Password { user: "velella".into(), password: password.into() }
}

async fn becomes(bus: &NatsBus, state: bool) {
    let mut connected = bus.connected();
    let became = tokio::time::timeout(PATIENCE, connected.wait_for(|now| *now == state)).await;
    became.expect("the change is noticed in time").unwrap();
}

async fn next(subscription: &mut Subscription) -> Bytes {
    let delivery = tokio::time::timeout(PATIENCE, subscription.next()).await;
    delivery.expect("a message arrives in time").expect("the bus is open").payload
}

/// What a client without TLS gets to see.
async fn answers_in_the_clear(server: &NatsServer) -> bool {
    let address = server.url().replace("nats://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").await.unwrap();
    let mut said = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the server hangs up");
    String::from_utf8_lossy(&said).contains("PONG")
}

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}
