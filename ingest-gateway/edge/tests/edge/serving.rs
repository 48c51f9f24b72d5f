//! What a viewer gets.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::{Method, Version};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::sync::mpsc;
use velella_edge::{Content, Limits, Object, Origin, Passes, Question};
use velella_hls::Directives;

use crate::support::{Client, Job, Served};

/// So long that segments have left the playlist, and what was listed last with them.
const LONG: Duration = Duration::from_secs(30);

async fn streaming() -> (Job, Served, Client) {
    let job = Job::begin(7, LONG);
    let served = Served::plain(Origin::Here(job.questions.clone())).await;
    let client = Client::http1(served.at);
    (job, served, client)
}

#[tokio::test]
async fn a_stream_is_played_from_its_playlist_to_its_media() {
    let (_job, served, client) = streaming().await;
    let index = client.get("index.m3u8").await;
    assert_eq!((index.status, index.version), (200, Version::HTTP_11));
    assert!(index.text().contains("one.m3u8"), "{}", index.text());

    let playlist = client.get("one.m3u8").await;
    assert_eq!(playlist.header("content-type"), "application/vnd.apple.mpegurl");
    assert_eq!(playlist.header("cache-control"), "public, max-age=1");
    assert_eq!((playlist.header("priority"), playlist.header("vary")), ("u=1", "Accept-Encoding"));
    assert_eq!(playlist.header("access-control-allow-origin"), "*");
    assert_eq!(playlist.header("x-content-type-options"), "nosniff");
    assert!(!playlist.header("date").is_empty());

    let segment = playlist.text().lines().rfind(|line| line.starts_with("7/one/")).unwrap();
    let segment = client.get(segment).await;
    assert_eq!((segment.status, segment.header("content-type")), (200, "video/mp4"));
    assert_eq!((segment.header("cache-control"), segment.header("priority")), ("public, max-age=6", "u=2"));
    assert_eq!(segment.header("content-length"), segment.body.len().to_string());
    assert_eq!(&segment.body[4..8], b"moof");
    let init = client.get("7/one/init.0.mp4").await;
    assert_eq!((init.status, &init.body[4..8]), (200, &b"ftyp"[..]));

    let requests = |kind| served.count(&format!("requests_total{{kind=\"{kind}\",status=\"2xx\"}}"));
    assert_eq!(["multivariant", "playlist", "segment", "init"].map(requests), [1; 4]);
    assert!(served.count("sent_bytes_total") >= segment.body.len() as u64);
}

#[tokio::test]
async fn a_playlist_that_is_waited_for_comes_with_its_part() {
    let (job, _served, client) = streaming().await;
    let (msn, part) = client.get("one.m3u8").await.edge();
    let answer = client.get(&format!("one.m3u8?_HLS_msn={msn}&_HLS_part={}", part + 1)).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "public, max-age=6"));
    assert!(answer.edge() >= (msn, part + 2), "{}", answer.text());
    assert_eq!(job.asked("one.m3u8", Directives { msn: Some(msn), part: Some(part + 1), skip: None }), 1);
}

#[tokio::test]
async fn a_crowd_that_waits_is_one_question() {
    let (questions, mut asked) = mpsc::channel(64);
    let served = Served::plain(Origin::Here(questions)).await;
    let client = Client::http1(served.at);
    let ask = |query: &str| {
        let (client, object) = (client.clone(), format!("one.m3u8?_HLS_msn=3{query}"));
        tokio::spawn(async move { client.get(&object).await })
    };
    let crowd: Vec<_> = (0..20).map(|_| ask("")).collect();
    served.reaches("waiting", 20).await;
    answer(asked.recv().await.unwrap());
    for viewer in crowd {
        assert_eq!(viewer.await.unwrap().text(), "#EXTM3U");
    }
    // Whoever is late gets the same, and a query that is not for us makes no other object.
    assert_eq!(ask("&token=whatever").await.unwrap().text(), "#EXTM3U");
    let found = |how| served.count(&format!("objects_total{{found=\"{how}\"}}"));
    assert_eq!((found("fetched"), found("joined"), found("held")), (1, 19, 1));
    assert!(asked.try_recv().is_err());
}

#[tokio::test]
async fn whoever_goes_away_leaves_the_others_their_answer() {
    let (questions, mut asked) = mpsc::channel(64);
    let served = Served::plain(Origin::Here(questions)).await;
    let ask = || {
        let client = Client::http1(served.at);
        tokio::spawn(async move { client.get("one.m3u8?_HLS_msn=3").await })
    };
    let first = ask();
    let question = asked.recv().await.unwrap();
    let second = ask();
    served.reaches("waiting", 2).await;
    first.abort();
    answer(asked.recv().await.unwrap());
    assert_eq!(second.await.unwrap().status, 200);
    assert!(question.is_forgotten());
}

fn answer(question: Question) {
    let content = Content::Playlist("#EXTM3U".into());
    let _ = question.answer.send(Object { content, max_age: Duration::from_secs(60), urgency: 1 });
}

#[tokio::test]
async fn a_refusal_says_why() {
    let (job, _served, client) = streaming().await;
    let (msn, _) = client.get("one.m3u8").await.edge();
    for (object, status, code, cache) in [
        ("one.m3u8?_HLS_part=1".to_owned(), 400, "bad_directives", "no-store"),
        (format!("one.m3u8?_HLS_msn={}", msn + 1_000), 400, "too_far_ahead", "public, max-age=1"),
        ("three.m3u8".to_owned(), 404, "not_found", "public, max-age=1"),
        ("7/one/999999.m4s".to_owned(), 404, "not_found", "no-store"),
        ("6/one/init.0.mp4".to_owned(), 404, "not_found", "public, max-age=1"),
        ("7/one/0.m4s".to_owned(), 410, "gone", "public, max-age=1"),
    ] {
        let answer = client.get(&object).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{object}");
        assert_eq!(answer.header("cache-control"), cache, "{object}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
    // What has no address is asked of nobody.
    let asked = job.seen.lock().unwrap().len();
    for object in ["", "x", "../room/index.m3u8", "7/one/01.m4s", "7/one/%31.m4s", "7//1.m4s/", "one.M3U8"] {
        assert_eq!(client.get(object).await.status, 404, "{object}");
    }
    for target in
        ["/", "/hls", "/hls/room", "/metrics", "/hls/%2e/index.m3u8", "/hls//index.m3u8", "/hls/other/index.m3u8"]
    {
        assert_eq!(client.send(Method::GET, target, &[]).await.status, 404, "{target}");
    }
    assert_eq!(job.seen.lock().unwrap().len(), asked);
}

#[tokio::test]
async fn playlists_are_zipped_for_those_who_take_it() {
    let (_job, _served, client) = streaming().await;
    let (msn, _) = client.get("one.m3u8").await.edge();
    let target = format!("/hls/room/one.m3u8?_HLS_msn={}", msn - 1);
    let plain = client.send(Method::GET, &target, &[]).await;
    let zipped = client.send(Method::GET, &target, &[("accept-encoding", "br, gzip")]).await;
    assert_eq!((plain.header("content-encoding"), zipped.header("content-encoding")), ("", "gzip"));
    assert_eq!(zipped.unzipped(), plain.text());
    assert!(zipped.body.len() * 2 < plain.body.len());
    let init = client.send(Method::GET, "/hls/room/7/one/init.0.mp4", &[("accept-encoding", "gzip")]).await;
    assert_eq!(init.header("content-encoding"), "");
}

#[tokio::test]
async fn heads_ranges_and_preflights_are_answered() {
    let (_job, served, http1) = streaming().await;
    for client in [http1, Client::http2(served.at)] {
        let init = client.get("7/one/init.0.mp4").await;
        let head = client.send(Method::HEAD, "/hls/room/7/one/init.0.mp4", &[]).await;
        assert_eq!((head.status, head.header("content-length")), (200, init.header("content-length")));
        assert!(head.body.is_empty() && !init.body.is_empty());

        let range = client.send(Method::GET, "/hls/room/7/one/init.0.mp4", &[("range", "bytes=4-7")]).await;
        assert_eq!((range.status, &range.body[..]), (206, &b"ftyp"[..]));
        assert_eq!(range.header("content-range"), format!("bytes 4-7/{}", init.body.len()));
        let beyond = client.send(Method::GET, "/hls/room/7/one/init.0.mp4", &[("range", "bytes=1000000-")]).await;
        assert_eq!((beyond.status, beyond.header("content-range")), (416, &*format!("bytes */{}", init.body.len())));

        let preflight = client.send(Method::OPTIONS, "/hls/room/index.m3u8", &[("origin", "https://a.example")]).await;
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, "*"));
        assert!(preflight.header("access-control-allow-methods").contains("GET"));
        let posted = client.send(Method::POST, "/hls/room/index.m3u8", &[]).await;
        assert_eq!((posted.status, posted.header("allow")), (405, "GET, HEAD, OPTIONS"));
    }
}

#[tokio::test]
async fn http2_is_spoken_with_tls_and_without() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.der().clone(), made.signing_key.serialize_der());
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key)))
        .unwrap();
    let job = Job::begin(7, LONG);
    let here = || Origin::Here(job.questions.clone());
    let encrypted = Served::begin(here(), Some(tls), Limits::default()).await;
    let plain = Served::plain(here()).await;
    for client in [Client::tls(encrypted.at, certificate), Client::http2(plain.at)] {
        let index = client.get("index.m3u8").await;
        assert_eq!((index.status, index.version), (200, Version::HTTP_2));
    }
    // Edges know each other by addresses; viewers come as they are told.
    let edge = Served::plain(encrypted.inner()).await;
    assert_eq!(Client::http1(edge.at).get("index.m3u8").await.status, 200);
    let refused = Client::http1(encrypted.at).get("index.m3u8").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "tls_required"));
}

#[tokio::test]
async fn a_pass_lets_viewers_and_edges_in() {
    let secret = "of the cluster".parse().unwrap();
    let job = Job::begin(7, LONG);
    let origin = Served::guarded(Origin::Here(job.questions.clone()), &secret).await;
    let edge = Served::guarded(origin.inner(), &secret).await;
    let client = Client::http1(edge.at);
    let soon = SystemTime::now() + Duration::from_secs(60);
    let (pass, other) = (Passes::new(&secret).mint("room", soon), Passes::new(&secret).mint("other", soon));
    let playlist = client.get(&format!("{pass}/one.m3u8")).await;
    assert_eq!(playlist.status, 200);
    // Everybody who may watch gets the same object.
    let later = Passes::new(&secret).mint("room", soon + Duration::from_secs(60));
    let (msn, _) = playlist.edge();
    for pass in [&pass, &later] {
        assert_eq!(client.get(&format!("{pass}/7/one/{}.m4s", msn - 1)).await.status, 200);
    }
    assert_eq!(job.asked(&format!("7/one/{}.m4s", msn - 1), Directives::default()), 1);
    for object in ["one.m3u8".to_owned(), format!("{other}/one.m3u8"), "ff.x/one.m3u8".to_owned()] {
        let refused = client.get(&object).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "pass_refused"), "{object}");
    }
    let refused = Client::http1(origin.at).send(Method::GET, "/origin/room/one.m3u8", &[]).await;
    assert_eq!(refused.status, 403);
}
