//! Peer sockets that do not behave.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use velella_proto::fishjam::media_events::peer::media_event as said;
use velella_proto::fishjam::peer_message::{Content, RtcStatsReport};

use crate::client::{PATIENCE, Peer};
use crate::cluster::Cluster;

/// Ten thousand in spirit; both ends of each are file descriptors of this one process.
const CROWD: usize = 3000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_never_authenticates_keeps_nobody_out() {
    let cluster = Cluster::start().await;
    let (_, token) = cluster.add_peer(&cluster.create_room().await).await;
    let mut crowd = Vec::new();
    let url = cluster.socket_url();
    for _ in 0..CROWD / 100 {
        let some = futures_util::future::join_all((0..100).map(|_| Peer::connect_or_give_up(&url)));
        crowd.extend(some.await.into_iter().flatten());
    }
    let joined = tokio::time::timeout(PATIENCE, Peer::join(&cluster.socket_url(), &token)).await;
    assert!(joined.is_ok(), "a real peer comes in");
    assert!(cluster.metric("velella_coordinator_lobby_evictions_total") > 0.0);
}

#[tokio::test]
async fn a_socket_that_shows_no_token_in_time_is_closed() {
    let cluster = Cluster::start().await;
    let mut silent = Peer::connect(&cluster.socket_url()).await;
    assert_eq!(silent.closed().await, (1000, "unauthenticated".to_owned()));
    let mut rude = Peer::connect(&cluster.socket_url()).await;
    rude.say(said::Content::RenegotiateTracks(said::RenegotiateTracks {})).await;
    assert_eq!(rude.closed().await, (1000, "unauthenticated".to_owned()));
}

#[tokio::test]
async fn oversized_and_garbage_frames_are_refused_before_and_after_the_token() {
    let cluster = Cluster::start().await;
    let room = cluster.create_room().await;
    for (bytes, code) in [(vec![0xff; 100], 1007), (vec![0; 300_000], 1009)] {
        let mut stranger = Peer::connect(&cluster.socket_url()).await;
        stranger.send_raw(bytes.clone()).await;
        assert_eq!(stranger.closed().await.0, code);
        let (_, token) = cluster.add_peer(&room).await;
        let mut peer = Peer::join(&cluster.socket_url(), &token).await;
        peer.send_raw(bytes).await;
        assert_eq!(peer.closed().await.0, code);
    }
    assert_eq!(cluster.metric("velella_coordinator_peer_frames_bad_total"), 4.0);
}

#[tokio::test]
async fn a_peer_that_floods_is_closed_and_its_neighbour_is_not() {
    let cluster = Cluster::start().await;
    let room = cluster.create_room().await;
    let (one, two) = (cluster.add_peer(&room).await, cluster.add_peer(&room).await);
    let mut flood = Peer::join(&cluster.socket_url(), &one.1).await;
    let mut calm = Peer::join(&cluster.socket_url(), &two.1).await;
    for _ in 0..400 {
        flood.send(Content::RtcStatsReport(RtcStatsReport { data: String::new() })).await;
    }
    assert_eq!(flood.closed().await, (1008, "too many messages".to_owned()));
    calm.say(said::Content::RenegotiateTracks(said::RenegotiateTracks {})).await;
    calm.hear().await;
}

#[tokio::test]
async fn garbage_instead_of_http_ends_its_own_connection_only() {
    let cluster = Cluster::start().await;
    let mut stream = TcpStream::connect(cluster.addr).await.unwrap();
    stream.write_all(b"\x16\x03\x01garbage\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.unwrap().ok();
    assert_eq!(cluster.get(&cluster.api("/validate")).await.status, 200);
}

#[tokio::test]
async fn a_request_in_drops_is_given_up_and_keeps_nobody_out() {
    let cluster = Cluster::start().await;
    let (mut reader, mut writer) = TcpStream::connect(cluster.addr).await.unwrap().into_split();
    writer.write_all(b"GET /room HTTP/1.1\r\nx-").await.unwrap();
    let drops = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    assert_eq!(cluster.get(&cluster.api("/validate")).await.status, 200);
    let mut heard = Vec::new();
    // Closed with drops unread, which may reset it.
    let _ = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut heard)).await.expect("it is closed");
    assert!(heard.is_empty(), "{}", heard.escape_ascii());
    drops.abort();
}

#[tokio::test]
async fn a_connection_on_which_somebody_was_refused_answers_the_next_request() {
    let cluster = Cluster::start().await;
    let mut stream = TcpStream::connect(cluster.addr).await.unwrap();
    let head = "POST /room HTTP/1.1\r\nhost: x\r\nauthorization: Bearer wrong\r\ncontent-length: 2\r\n\r\n";
    for _ in 0..2 {
        stream.write_all(head.as_bytes()).await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(200), stream.readable()).await;
        assert!(early.is_err(), "the answer waits for the body");
        stream.write_all(b"{}").await.unwrap();
        let mut answer = [0; 1024];
        let length = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.unwrap().unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 401 "), "{:?}", answer[..length].escape_ascii().to_string());
    }
}
