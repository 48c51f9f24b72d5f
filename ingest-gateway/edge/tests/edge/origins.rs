//! Edges before other edges.

use std::time::Duration;

use hyper::Method;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use velella_edge::{Limits, Object, Origin, Question, Reason};
use velella_hls::Directives;

use crate::support::{Client, Job, Served};

const PAST: Duration = Duration::from_secs(3);

#[tokio::test]
async fn an_edge_asks_the_origin_once_and_tells_how_old_things_are() {
    let job = Job::begin(7, PAST);
    let origin = Served::plain(Origin::Here(job.questions.clone())).await;
    let edge = Served::plain(origin.inner()).await;
    let (near, far) = (Client::http2(origin.at), Client::http2(edge.at));
    let (msn, part) = far.get("one.m3u8").await.edge();
    let object = format!("one.m3u8?_HLS_msn={msn}&_HLS_part={part}&_HLS_skip=YES");
    let (one, two) = tokio::join!(far.get(&object), far.get(&object));
    assert_eq!((one.status, one.header("cache-control"), &one.body), (200, "public, max-age=6", &two.body));
    assert_eq!(one.header("priority"), "u=1");
    let skip = Some(velella_hls::Skip::Segments);
    assert_eq!(job.asked("one.m3u8", Directives { msn: Some(msn), part: Some(part), skip }), 1);

    // The origin held the segment for a second before the edge asked for it.
    let segment = format!("7/one/{}.m4s", msn - 1);
    let before = near.get(&segment).await;
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let after = far.get(&segment).await;
    assert_eq!((after.status, &after.body), (200, &before.body));
    assert!(after.header("age").parse::<u64>().unwrap() >= 1);
    assert_eq!(job.asked(&segment, Directives::default()), 1);

    let refused = far.get("three.m3u8").await;
    assert_eq!(
        (refused.status, refused.code().as_str(), refused.header("cache-control")),
        (404, "not_found", "public, max-age=1")
    );
    let ahead = far.get(&format!("one.m3u8?_HLS_msn={}", msn + 1_000)).await;
    assert_eq!((ahead.status, ahead.code().as_str()), (400, "too_far_ahead"));
}

#[tokio::test]
async fn origins_answer_for_themselves_alone() {
    let job = Job::begin(7, PAST);
    let origin = Served::plain(Origin::Here(job.questions.clone())).await;
    let edge = Served::plain(origin.inner()).await;
    let ask = |at| async move { Client::http1(at).send(Method::GET, "/origin/room/index.m3u8", &[]).await };
    assert_eq!(ask(origin.at).await.status, 200);
    let refused = ask(edge.at).await;
    assert_eq!(
        (refused.status, refused.code().as_str(), refused.header("cache-control")),
        (404, "not_here", "no-store")
    );
    // Two that each believe the other to have the stream.
    origin.moves_to(edge.inner());
    let refused = Client::http1(edge.at).get("two.m3u8").await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "origin_unreachable"));
}

#[tokio::test]
async fn an_origin_that_cannot_be_reached_is_not_remembered() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let edge = Served::plain(Origin::There(format!("http://{gone}").parse().unwrap())).await;
    let client = Client::http1(edge.at);
    let refused = client.get("one.m3u8").await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "origin_unreachable"));
    assert_eq!((refused.header("cache-control"), refused.header("retry-after")), ("no-store", "1"));
    assert!(edge.count("fetches_failed_total{reason=\"origin_unreachable\"}") >= 2);

    let job = Job::begin(7, PAST);
    edge.moves_to(Origin::Here(job.questions.clone()));
    assert_eq!(client.get("one.m3u8").await.status, 200);
    edge.moves_to(Origin::Nowhere);
    assert_eq!(client.get("two.m3u8").await.status, 404);
}

#[tokio::test]
async fn whoever_waits_when_the_stream_moves_waits_at_the_next_gateway() {
    let job = Job::begin(7, PAST);
    // It takes questions and never answers, as a gateway that has lost its power.
    let (questions, mut lost) = mpsc::channel(8);
    let dying = Served::plain(Origin::Here(questions)).await;
    let next = Served::plain(Origin::Here(job.questions.clone())).await;
    let edge = Served::plain(dying.inner()).await;
    let client = Client::http1(edge.at);
    let waiting = tokio::spawn(async move { client.get("one.m3u8").await });
    let question: Question = lost.recv().await.unwrap();
    edge.moves_to(next.inner());
    assert_eq!(waiting.await.unwrap().status, 200);
    drop(question);

    // And one that ends as it should, while somebody waits.
    let (questions, mut asked) = mpsc::channel(8);
    let ending = Served::plain(Origin::Here(questions)).await;
    edge.moves_to(ending.inner());
    let client = Client::http1(edge.at);
    let waiting = tokio::spawn(async move { client.get("two.m3u8").await });
    let question = asked.recv().await.unwrap();
    edge.moves_to(Origin::Here(job.questions.clone()));
    ending.shut_down().await;
    assert_eq!(waiting.await.unwrap().status, 200);
    drop(question);
}

#[tokio::test]
async fn viewers_wait_for_a_stream_that_is_about_to_move() {
    let job = Job::begin(7, PAST);
    let next = Served::plain(Origin::Nowhere).await;
    let edge = Served::begin(Origin::Moving, None, Limits::default()).await;
    let client = Client::http1(edge.at);
    let waiting = tokio::spawn(async move { client.get("one.m3u8").await });
    edge.reaches("fetches_failed_total{reason=\"origin_unreachable\"}", 1).await;
    // The edge hears of it before the gateway itself does.
    edge.moves_to(next.inner());
    next.reaches("requests_total{kind=\"playlist\",status=\"4xx\"}", 1).await;
    next.moves_to(Origin::Here(job.questions.clone()));
    assert_eq!(waiting.await.unwrap().status, 200);
    // Though not for ever.
    let edge = Served::plain(Origin::Moving).await;
    let refused = Client::http1(edge.at).get("two.m3u8").await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "origin_unreachable"));
}

#[tokio::test]
async fn nothing_of_a_stream_is_given_for_the_next_one_of_its_room() {
    let (first, second) = (Job::begin(7, PAST), Job::begin(8, PAST));
    let edge = Served::plain(Origin::Here(first.questions.clone())).await;
    let client = Client::http1(edge.at);
    let (msn, _) = client.get("one.m3u8").await.edge();
    let object = format!("one.m3u8?_HLS_msn={}", msn - 1);
    assert!(client.get(&object).await.text().contains("7/one/"));
    // A move changes nothing of what is held.
    edge.moves_to(Origin::Here(second.questions.clone()));
    assert_eq!(client.get("index.m3u8").await.status, 200);
    assert!(client.get(&object).await.text().contains("7/one/"));
    edge.has(Origin::Here(second.questions.clone()), "second");
    assert_eq!(client.get("two.m3u8").await.status, 200);
    assert!(client.get(&object).await.text().contains("8/one/"));
}

#[tokio::test]
async fn what_the_job_refuses_reaches_the_viewer() {
    let (questions, mut asked) = mpsc::channel::<Question>(1);
    let origin = Served::plain(Origin::Here(questions)).await;
    let edge = Served::plain(origin.inner()).await;
    tokio::spawn(async move {
        let question = asked.recv().await.unwrap();
        let _ = question.answer.send(Object::refused(Reason::Late, Duration::ZERO));
        // The job is over.
    });
    let client = Client::http1(edge.at);
    for (code, status) in [("late", 503), ("origin_unreachable", 503)] {
        let refused = client.get("one.m3u8?_HLS_msn=4").await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code));
        assert_eq!((refused.header("cache-control"), refused.header("retry-after")), ("no-store", "1"));
    }
}
