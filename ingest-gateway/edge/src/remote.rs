//! Asking the gateway that packages a stream.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{AGE, CACHE_CONTROL, HeaderMap, HeaderName};
use hyper::{Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use velella_hls::{Directives, Skip};

use crate::object::{Content, Object};
use crate::pass::{PASS, Passes};
use crate::reason::Reason;
use crate::response::PRIORITY;
use crate::wish::Wish;

/// Time for a connection to be made. Gateways are near each other.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// A gateway that says nothing for so long is asked whether it lives, and has so long to answer.
const PING_INTERVAL: Duration = Duration::from_secs(2);
const PING_PATIENCE: Duration = Duration::from_secs(2);

/// What is under way without being acknowledged: of one object, and of all on a connection.
const OBJECT_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Longest object. A segment of a minute at 8 Mbit/s is shorter.
const OBJECT_BYTES_MAX: usize = 64 << 20;

/// How urgent something is that does not say so (RFC 9218).
const URGENCY_DEFAULT: u8 = 3;

/// Asks other gateways, over HTTP/2, on one connection to each.
pub(crate) struct Remote {
    http: legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    passes: Option<Arc<Passes>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    #[error("the origin's URL is none: {0}")]
    Unsendable(#[from] hyper::http::Error),
    #[error("the origin cannot be reached: {0}")]
    Unreachable(#[from] legacy::Error),
    #[error("the origin broke off: {0}")]
    BrokenOff(#[from] hyper::Error),
    #[error("an object has more than {OBJECT_BYTES_MAX} bytes")]
    TooLong,
}

impl Remote {
    pub(crate) fn new(passes: Option<Arc<Passes>>) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .http2_only(true)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_PATIENCE)
            .http2_initial_stream_window_size(OBJECT_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .build(connector());
        Self { http, passes }
    }

    /// The object, and how old it is.
    pub(crate) async fn fetch(&self, inner: &Uri, wish: &Wish<'_>) -> Result<(Object, Duration), RemoteError> {
        let mut request = Request::get(address(inner, wish));
        if let Some(passes) = &self.passes {
            request = request.header(PASS, passes.mint_for_edge(SystemTime::now()));
        }
        let (head, body) = self.http.request(request.body(Empty::new())?).await?.into_parts();
        let pieces = pieces(body).await?;
        let content = match head.status.as_u16() {
            200 if wish.is_playlist() => Content::Playlist(joined(&pieces)),
            200 => Content::Media(pieces),
            status => Content::Refused(Reason::told(status, &joined(&pieces))),
        };
        let seconds = |name, prefix| number(&head.headers, &name, prefix).map(Duration::from_secs);
        let max_age = seconds(CACHE_CONTROL, "max-age=").unwrap_or_default();
        let urgency = number(&head.headers, &PRIORITY, "u=").and_then(|urgency| u8::try_from(urgency).ok());
        let object = Object { content, max_age, urgency: urgency.unwrap_or(URGENCY_DEFAULT) };
        Ok((object, seconds(AGE, "").unwrap_or_default()))
    }
}

fn connector() -> HttpsConnector<HttpConnector> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_PATIENCE));
    tcp.set_nodelay(true);
    HttpsConnectorBuilder::new()
        .with_tls_config(velella_ops::tls_client("streams of gateways at https://"))
        .https_or_http()
        .enable_http2()
        .wrap_connector(tcp)
}

fn address(inner: &Uri, wish: &Wish<'_>) -> String {
    let inner = inner.to_string();
    let mut address = format!("{}/origin/{}/{}", inner.trim_end_matches('/'), wish.room, wish.path);
    let Directives { msn, part, skip } = wish.directives;
    let skip = skip.map(|skip| match skip {
        Skip::Segments => "YES",
        Skip::SegmentsAndDates => "v2",
    });
    let mut mark = '?';
    for (name, value) in [
        ("_HLS_msn", msn.map(|msn| msn.to_string())),
        ("_HLS_part", part.map(|part| part.to_string())),
        ("_HLS_skip", skip.map(str::to_owned)),
    ] {
        if let Some(value) = value {
            address.extend([mark.encode_utf8(&mut [0; 4]), name, "=", &value]);
            mark = '&';
        }
    }
    address
}

/// The body as it comes: nobody needs it in one piece.
async fn pieces(mut body: Incoming) -> Result<Vec<Bytes>, RemoteError> {
    let mut pieces = Vec::new();
    let mut length: usize = 0;
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame?.into_data() else { continue };
        length += piece.len();
        if length > OBJECT_BYTES_MAX {
            return Err(RemoteError::TooLong);
        }
        pieces.push(piece);
    }
    Ok(pieces)
}

fn joined(pieces: &[Bytes]) -> Bytes {
    match pieces {
        [piece] => piece.clone(),
        pieces => pieces.concat().into(),
    }
}

/// The number behind a prefix in a list of a header.
fn number(headers: &HeaderMap, name: &HeaderName, prefix: &str) -> Option<u64> {
    let list = headers.get(name)?.to_str().ok()?;
    list.split(',').find_map(|item| item.trim().strip_prefix(prefix)?.parse().ok())
}
