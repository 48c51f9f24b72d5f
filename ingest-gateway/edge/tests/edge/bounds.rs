//! What clients may not do to others.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use velella_edge::{Content, Limits, Object, Origin, Question};

use crate::support::{Answer, Client, Job, Served};

/// A job that answers every question in this way.
fn job_of(answer: impl Fn(Question) + Send + 'static) -> Origin {
    let (questions, mut asked) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Some(question) = asked.recv().await {
            answer(question);
        }
    });
    Origin::Here(questions)
}

/// More than sockets and windows hold.
fn long() -> Origin {
    let pieces = vec![Bytes::from(vec![7; 1 << 20]); 16];
    job_of(move |question| {
        let content = Content::Media(pieces.clone());
        let _ = question.answer.send(Object { content, max_age: Duration::from_secs(6), urgency: 3 });
    })
}

#[tokio::test]
async fn one_more_than_may_wait_is_told_to_come_back() {
    let (questions, mut asked) = mpsc::channel::<Question>(64);
    let limits = Limits { waiting: 3, waiting_per_connection: 2, ..Limits::default() };
    let served = Served::begin(Origin::Here(questions), None, limits).await;
    let (one, other) = (Client::http2(served.at), Client::http2(served.at));
    let ask = |client: &Client, msn: u64| {
        let client = client.clone();
        tokio::spawn(async move { client.get(&format!("one.m3u8?_HLS_msn={msn}")).await })
    };
    let busy = |answer: Answer| {
        assert_eq!((answer.status, answer.code().as_str(), answer.header("retry-after")), (503, "busy", "1"));
        assert_eq!(answer.header("cache-control"), "no-store");
    };
    let mut held = Vec::new();
    let first = ask(&one, 1);
    held.push(asked.recv().await.unwrap());
    let second = ask(&one, 2);
    held.push(asked.recv().await.unwrap());
    busy(ask(&one, 3).await.unwrap());
    let third = ask(&other, 3);
    held.push(asked.recv().await.unwrap());
    busy(ask(&other, 4).await.unwrap());
    assert_eq!((served.count("turned_away_total"), served.count("waiting")), (2, 3));
    for question in held {
        let content = Content::Playlist("#EXTM3U".into());
        let _ = question.answer.send(Object { content, max_age: Duration::from_secs(6), urgency: 1 });
    }
    for answer in [first, second, third] {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(served.count("waiting"), 0);
}

#[tokio::test]
async fn a_job_that_cannot_take_more_questions_is_no_wall() {
    let (questions, _asked) = mpsc::channel::<Question>(1);
    let served = Served::plain(Origin::Here(questions)).await;
    let client = Client::http2(served.at);
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.get("one.m3u8").await }
    });
    served.reaches("waiting", 1).await;
    let refused = client.get("two.m3u8").await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "busy"));
    first.abort();
}

#[tokio::test]
async fn memory_is_bounded_and_what_is_new_stays() {
    let pieces = vec![Bytes::from(vec![7; 100_000])];
    let origin = job_of(move |question| {
        let content = Content::Media(pieces.clone());
        let _ = question.answer.send(Object { content, max_age: Duration::from_secs(60), urgency: 3 });
    });
    let served = Served::begin(origin, None, Limits { cache_bytes: 1_000_000, ..Limits::default() }).await;
    let client = Client::http2(served.at);
    for msn in 0..60 {
        assert_eq!(client.get(&format!("7/one/{msn}.m4s")).await.status, 200);
    }
    assert_eq!(client.get("7/one/59.m4s").await.status, 200);
    assert!(served.count("objects_evicted_total") >= 40, "{}", served.count("objects_evicted_total"));
    assert!(served.count("objects_total{found=\"held\"}") >= 1);
}

#[tokio::test]
async fn who_takes_nothing_is_cut() {
    let limits = Limits { slow_patience: Duration::from_millis(400), ..Limits::default() };
    let served = Served::begin(long(), None, limits).await;
    let mut slow = TcpStream::connect(served.at).await.unwrap();
    slow.write_all(b"GET /hls/room/7/one/1.m4s HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    // The window of a stream is full long before its object is through.
    let http2 = legacy::Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Empty<Bytes>>();
    let target = format!("http://{}/hls/room/7/one/2.m4s", served.at);
    let stalled = http2.request(Request::get(target).body(Empty::new()).unwrap()).await.unwrap();
    served.reaches("connections_cut_total{reason=\"slow\"}", 2).await;
    let mut taken = Vec::new();
    let _ = slow.read_to_end(&mut taken).await;
    assert!(taken.len() < 16 << 20);
    assert!(stalled.into_body().collect().await.is_err());
    // Who takes what it asked for gets all of it.
    let served = Served::plain(long()).await;
    assert_eq!(Client::http2(served.at).get("7/one/1.m4s").await.body.len(), 16 << 20);
}

#[tokio::test]
async fn the_oldest_connection_makes_room() {
    let job = Job::begin(7, Duration::from_secs(3));
    let limits = Limits { connections: 2, ..Limits::default() };
    let served = Served::begin(Origin::Here(job.questions.clone()), None, limits).await;
    let mut oldest = TcpStream::connect(served.at).await.unwrap();
    served.reaches("connections", 1).await;
    let newer = [Client::http1(served.at), Client::http1(served.at)];
    for client in &newer {
        assert_eq!(client.get("index.m3u8").await.status, 200);
    }
    assert_eq!(oldest.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert_eq!(served.count("connections_evicted_total"), 1);
}

#[tokio::test]
async fn garbage_harms_nobody() {
    let job = Job::begin(7, Duration::from_secs(3));
    let served = Served::plain(Origin::Here(job.questions.clone())).await;
    let long = format!("GET /hls/room/{}.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(10_000));
    for garbage in [
        &b"\0\xff\xfe garbage\r\n\r\n"[..],
        b"GET /hls/room/\xff.m3u8 HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        long.as_bytes(),
        many.as_bytes(),
    ] {
        let mut socket = TcpStream::connect(served.at).await.unwrap();
        let (mut reader, mut writer) = socket.split();
        let mut answer = Vec::new();
        // It may hang up before it has read everything.
        let _ = tokio::join!(
            async { (writer.write_all(garbage).await, writer.shutdown().await) },
            reader.read_to_end(&mut answer)
        );
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    assert_eq!(Client::http1(served.at).get("index.m3u8").await.status, 200);
}
