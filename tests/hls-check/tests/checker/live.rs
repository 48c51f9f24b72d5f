//! A real run over HTTP/2, gzip and all: the script at the pace of the clock.

use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::time::Instant;
use url::Url;
use velella_hls_check::observation::{Directives, Purpose, Request};
use velella_hls_check::rule::Rule;
use velella_hls_check::watch::{Settings, watch};

use crate::script::plain;
use crate::server::{BASE, LATENCY, Server};

/// How old the stream is when it is found.
const AGE: Duration = Duration::from_secs(25);

#[tokio::test]
async fn a_low_latency_stream_passes_over_real_http_2() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, Arc::new(Server::new(plain(60)))));
    let settings = Settings {
        url: Url::parse(&format!("http://127.0.0.1:{port}/index.m3u8")).unwrap(),
        duration: Duration::from_secs(12),
        // Other tests run beside this one.
        slack: Duration::from_secs(2),
        http2_only: true,
    };
    let outcome = watch(&settings).await.unwrap();
    let report = outcome.report;
    let broken = (report.musts(), report.shoulds(), outcome.failed);
    assert_eq!(broken, (0, 0, 0), "{}{:?}", report.table(), outcome.last_failure);
    for rule in [Rule::S5, Rule::S11, Rule::S12, Rule::S13, Rule::S14, Rule::M2] {
        assert!(report.row(rule).unwrap().row.checked > 0, "{rule:?} was never checked");
    }
}

async fn serve(listener: TcpListener, server: Arc<Server>) {
    let begun = Instant::now();
    while let Ok((stream, _)) = listener.accept().await {
        let server = Arc::clone(&server);
        let service = service_fn(move |asked| answer(Arc::clone(&server), begun, asked));
        tokio::spawn(async move {
            let connection = auto::Builder::new(TokioExecutor::new()).http2_only();
            // A client that goes away is no matter.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    server: Arc<Server>,
    begun: Instant,
    asked: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let request = understood(&asked, AGE + begun.elapsed());
    let answer = server.answer(&request);
    tokio::time::sleep_until(begun + (answer.received - LATENCY).saturating_sub(AGE)).await;
    let mut response = hyper::Response::builder().status(answer.status);
    let zipped = answer.headers.iter().any(|(name, _)| name == "content-encoding");
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let body = if zipped { zip(&answer.body) } else { answer.body };
    Ok(response.body(Full::new(Bytes::from(body))).unwrap())
}

/// The request as the scripted server takes it; its time is when it arrives.
fn understood(asked: &hyper::Request<Incoming>, arrived: Duration) -> Request {
    let url = Url::parse(BASE).unwrap().join(asked.uri().path().trim_start_matches('/')).unwrap();
    let query = Url::parse(&format!("http://a/?{}", asked.uri().query().unwrap_or_default())).unwrap();
    let directive =
        |name: &str| query.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    let number = |name: &str| directive(name).map(|value| value.parse().unwrap());
    let skip = directive("_HLS_skip").is_some();
    let purpose = match url.path().rsplit('/').next() {
        Some("index.m3u8") => Purpose::Multivariant,
        Some("live.m3u8") => Purpose::Playlist(Directives { msn: number("_HLS_msn"), part: number("_HLS_part"), skip }),
        _ => Purpose::Nothing,
    };
    Request { url, purpose, range: None, sent: arrived.saturating_sub(LATENCY) }
}

fn zip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}
