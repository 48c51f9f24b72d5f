//! Asking a coordinator, and what it means when it does not answer as it should.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::crypto::aws_lc_rs;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_json::value::RawValue;
use ureq::http::{Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};
use velella_ops::Secret;

use crate::answer::{Gateways, Rooms, Workers};
use crate::command::{self, Access};
use crate::failure::Failure;
use crate::token;
use crate::url::Url;

/// Longer than a coordinator takes for a move, which is the longest that it answers at all.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Who is there says so within this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The most that a coordinator puts on a page.
const PAGE_LIMIT: &str = "500";

/// A coordinator at an address.
#[derive(Clone)]
pub(crate) struct Coordinator {
    agent: Agent,
    url: Url,
    token: Secret,
}

/// The `errors` of an answer that says no.
#[derive(Deserialize)]
struct Denial {
    errors: String,
}

impl Coordinator {
    pub(crate) fn new(access: &Access) -> Result<Self, Failure> {
        let token = token::of(access)?;
        let mut config = Agent::config_builder()
            .timeout_global(Some(ANSWER_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false);
        if access.url.is_loopback() {
            config = config.proxy(None);
        }
        if access.url.is_encrypted() {
            config = config.tls_config(tls());
        }
        Ok(Self { agent: config.build().into(), url: access.url.clone(), token })
    }

    pub(crate) fn workers(&self) -> Result<Vec<Box<RawValue>>, Failure> {
        let Workers { workers } = self.read(&self.get("/cluster/workers", &[])?)?;
        Ok(workers)
    }

    pub(crate) fn gateways(&self) -> Result<Vec<Box<RawValue>>, Failure> {
        let Gateways { gateways } = self.read(&self.get("/cluster/gateways", &[])?)?;
        Ok(gateways)
    }

    pub(crate) fn totals(&self) -> Result<Box<RawValue>, Failure> {
        self.read(&self.get("/cluster/totals", &[])?)
    }

    /// All that are wanted, page by page.
    pub(crate) fn rooms(&self, wanted: &command::Rooms) -> Result<Vec<Box<RawValue>>, Failure> {
        #[derive(Deserialize)]
        struct Id {
            room: String,
        }
        let mut rooms = Vec::new();
        let mut after = String::new();
        loop {
            let mut query = vec![("limit", PAGE_LIMIT), ("after", &after)];
            query.extend(wanted.worker.as_deref().map(|worker| ("worker", worker)));
            query.extend(wanted.prefix.as_deref().map(|prefix| ("prefix", prefix)));
            query.extend(wanted.in_use.then_some(("in_use", "true")));
            let page: Rooms = self.read(&self.get("/cluster/rooms", &query)?)?;
            let last = page.rooms.last().map(|room| self.read::<Id>(room.get())).transpose()?;
            rooms.extend(page.rooms);
            match last {
                Some(last) if page.more => after = last.room,
                _ => return Ok(rooms),
            }
        }
    }

    /// The answer as it came.
    pub(crate) fn placement(&self, room: &str) -> Result<String, Failure> {
        self.get(&format!("/cluster/rooms/{}/placement", segment(room)), &[])
    }

    /// `verb` is `cordon`, `uncordon` or `drain`. The answer as it came.
    pub(crate) fn steer(&self, worker: &str, verb: &str) -> Result<String, Failure> {
        self.post(&format!("/cluster/workers/{}/{verb}", segment(worker)), "")
    }

    /// The answer as it came.
    pub(crate) fn move_room(&self, room: &str, to: Option<&str>) -> Result<String, Failure> {
        let body = to.map(|worker| json!({ "worker": worker }).to_string()).unwrap_or_default();
        self.post(&format!("/cluster/rooms/{}/move", segment(room)), &body)
    }

    /// What stands in an answer.
    pub(crate) fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, Failure> {
        serde_json::from_str(text).map_err(|_| self.foreign())
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<String, Failure> {
        let request = self.agent.get(format!("{}{path}", self.url)).query_pairs(query.iter().copied());
        self.answer(request.header("authorization", self.authorization()).call())
    }

    fn post(&self, path: &str, body: &str) -> Result<String, Failure> {
        let request = self.agent.post(format!("{}{path}", self.url)).content_type("application/json");
        self.answer(request.header("authorization", self.authorization()).send(body))
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.token.expose())
    }

    fn answer(&self, answered: Result<Response<Body>, ureq::Error>) -> Result<String, Failure> {
        let mut response = answered.map_err(|error| self.unreachable(&error))?;
        let text = response.body_mut().read_to_string().map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(text);
        }
        let Ok(Denial { errors }) = serde_json::from_str(&text) else { return Err(self.foreign()) };
        Err(match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.refused(&errors),
            _ => Failure::Denied(errors),
        })
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::Unreachable(format!("no coordinator answers at {}: {error} (--url or VELELLA_URL)", self.url))
    }

    fn foreign(&self) -> Failure {
        let sentence = format!("what answers at {} is not a coordinator (--url or VELELLA_URL)", self.url);
        Failure::Unreachable(sentence)
    }

    fn refused(&self, errors: &str) -> Failure {
        let place = "--token or VELELLA_MANAGEMENT_TOKEN";
        Failure::TokenRefused(format!("the coordinator at {} refuses the token: {errors} ({place})", self.url))
    }
}

/// With the roots that this machine trusts.
fn tls() -> TlsConfig {
    let roots = rustls_native_certs::load_native_certs().certs;
    let roots: Vec<Certificate<'static>> = roots.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .build()
}

/// An id as one segment of a path, whatever somebody typed.
fn segment(id: &str) -> String {
    utf8_percent_encode(id, NON_ALPHANUMERIC).to_string()
}
