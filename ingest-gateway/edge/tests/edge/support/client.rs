//! A viewer.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Empty};
use hyper::{HeaderMap, Method, Request, Version};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use super::served::{PATIENCE, ROOM};

#[derive(Clone)]
pub(crate) struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    base: String,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn http1(at: SocketAddr) -> Self {
        Self::new(format!("http://{at}"), false, RootCertStore::empty())
    }

    /// Without TLS, with prior knowledge.
    pub(crate) fn http2(at: SocketAddr) -> Self {
        Self::new(format!("http://{at}"), true, RootCertStore::empty())
    }

    /// What the server chooses.
    pub(crate) fn tls(at: SocketAddr, trusted: CertificateDer<'static>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(trusted).unwrap();
        Self::new(format!("https://localhost:{}", at.port()), false, roots)
    }

    fn new(base: String, http2_only: bool, roots: RootCertStore) -> Self {
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions().build();
        Self { http: legacy::Client::builder(TokioExecutor::new()).http2_only(http2_only).build(connector), base }
    }

    /// An object of the room's stream.
    pub(crate) async fn get(&self, object: &str) -> Answer {
        self.send(Method::GET, &format!("/hls/{ROOM}/{object}"), &[]).await
    }

    pub(crate) async fn send(&self, method: Method, target: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{target}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = async {
            let (head, body) = self.http.request(request.body(Empty::new()).unwrap()).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Answer { status: head.status.as_u16(), version: head.version, headers: head.headers, body }
        };
        tokio::time::timeout(PATIENCE, answer).await.expect("an answer comes")
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn unzipped(&self) -> String {
        let mut text = String::new();
        GzDecoder::new(&self.body[..]).read_to_string(&mut text).unwrap();
        text
    }

    /// The code of a refusal.
    pub(crate) fn code(&self) -> String {
        let told: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        told["code"].as_str().unwrap().to_owned()
    }

    /// The segment that grows, and how many parts of it a playlist has.
    pub(crate) fn edge(&self) -> (u64, u64) {
        let number = |line: &str| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:").and_then(|number| number.parse().ok());
        let first: u64 = self.text().lines().find_map(number).unwrap();
        let segments = self.text().lines().filter(|line| line.starts_with("#EXTINF")).count() as u64;
        let rest = self.text().lines().rev().take_while(|line| !line.starts_with("#EXTINF"));
        let parts = rest.filter(|line| line.starts_with("#EXT-X-PART:")).count() as u64;
        (first + segments, parts)
    }
}
