//! HTTP: one request, its whole answer, and when its bytes came.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, Empty};
use hyper::{Version, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;

use crate::observation::{Protocol, Request, Response};

/// An answer that is longer, zipped or not, is given up.
const BODY_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// More than any server may block: three target durations.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(crate) struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    /// From when times are counted.
    begun: Instant,
}

impl Client {
    /// `http2_only` speaks HTTP/2 without TLS to servers of `http://` (with prior knowledge).
    pub(crate) fn new(http2_only: bool, begun: Instant) -> Result<Self> {
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .http2_only(http2_only)
            .build(connector()?);
        Ok(Self { http, begun })
    }

    /// Sends a request and waits for the last byte.
    pub(crate) async fn fetch(&self, request: &Request) -> Result<Response> {
        tokio::time::timeout(PATIENCE, self.answer(request)).await.context("no answer")?
    }

    async fn answer(&self, request: &Request) -> Result<Response> {
        let mut asked = hyper::Request::get(request.address().as_str()).header(header::ACCEPT_ENCODING, "gzip");
        if let Some((start, length)) = request.range {
            let last = length.map_or_else(String::new, |length| (start + length).saturating_sub(1).to_string());
            asked = asked.header(header::RANGE, format!("bytes={start}-{last}"));
        }
        let answer = self.http.request(asked.body(Empty::new())?).await?;
        let (head, mut body) = answer.into_parts();
        let mut first_byte = None;
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            first_byte.get_or_insert_with(|| self.begun.elapsed());
            bytes.extend_from_slice(&frame?.into_data().unwrap_or_default());
            if bytes.len() as u64 > BODY_BYTES_MAX {
                bail!("the answer is longer than {BODY_BYTES_MAX} bytes");
            }
        }
        let received = self.begun.elapsed();
        let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers: Vec<_> = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let zipped = head.headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
        let body = if zipped { unzipped(&bytes)? } else { bytes };
        let first_byte = first_byte.unwrap_or(received);
        let protocol = protocol(head.version);
        Ok(Response { status: head.status.as_u16(), headers, body, protocol, first_byte, received })
    }
}

fn connector() -> Result<HttpsConnector<HttpConnector>> {
    let mut roots = RootCertStore::empty();
    // What the system's store holds that cannot be read is no root.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    Ok(HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_all_versions().wrap_connector(tcp))
}

fn unzipped(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    MultiGzDecoder::new(bytes).take(BODY_BYTES_MAX).read_to_end(&mut text).context("the answer is no gzip")?;
    Ok(text)
}

fn protocol(version: Version) -> Protocol {
    match version {
        Version::HTTP_2 => Protocol::Http2,
        Version::HTTP_3 => Protocol::Http3,
        _ => Protocol::Http1,
    }
}
