//! The REST calls of a load run: one room, its peers, and their removal. Blocking: callers run it
//! off the async threads.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Response;

/// A coordinator that takes longer than this to answer does not serve.
const REST_TIMEOUT: Duration = Duration::from_secs(10);

/// A room of this run.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    agent: Agent,
    /// Each coordinator answers for every room.
    bases: Vec<String>,
    bearer: String,
    pub(crate) id: String,
}

impl Room {
    pub(crate) fn create(bases: &[String], token: &str, video_codec: &str) -> Result<Self> {
        let config = Agent::config_builder().timeout_global(Some(REST_TIMEOUT)).http_status_as_error(false).build();
        let mut room = Self {
            agent: config.into(),
            bases: bases.iter().map(|base| base.trim_end_matches('/').to_owned()).collect(),
            bearer: format!("Bearer {token}"),
            id: String::new(),
        };
        let created = room.post("/room", &json!({ "roomType": "conference", "videoCodec": video_codec }))?;
        room.id = text(&created, "/data/room/id")?;
        Ok(room)
    }

    /// Adds a peer and returns its token.
    pub(crate) fn add_peer(&self, receives: bool) -> Result<String> {
        let mode = if receives { "auto" } else { "manual" };
        let peer = json!({ "type": "webrtc", "options": { "subscribeMode": mode } });
        text(&self.post(&format!("/room/{}/peer", self.id), &peer)?, "/data/token")
    }

    /// At the first coordinator that still answers.
    pub(crate) fn delete(&self) -> Result<()> {
        let at = |base: &String| {
            let path = format!("{base}/room/{}", self.id);
            read(self.agent.delete(&path).header("Authorization", &self.bearer).call()?)
        };
        let mut last = None;
        for deleted in self.bases.iter().map(at) {
            match deleted {
                Ok(_) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        last.map_or(Ok(()), Err)
    }

    pub(crate) fn peer_socket_urls(&self) -> Vec<String> {
        let url = |base: &String| format!("{}/socket/peer/websocket", base.replacen("http", "ws", 1));
        self.bases.iter().map(url).collect()
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let base = self.bases.first().context("a run has a URL")?;
        let request = self.agent.post(format!("{base}{path}")).header("Authorization", &self.bearer);
        read(request.send_json(body).with_context(|| format!("no answer from {base}"))?)
    }
}

fn read(mut response: Response<ureq::Body>) -> Result<Value> {
    let status = response.status();
    let body = response.body_mut().read_to_string().context("unreadable REST answer")?;
    if !status.is_success() {
        bail!("REST answered {status}: {body}");
    }
    Ok(if body.is_empty() { Value::Null } else { serde_json::from_str(&body).context("REST answer is not JSON")? })
}

fn text(answer: &Value, pointer: &str) -> Result<String> {
    let found = answer.pointer(pointer).and_then(Value::as_str);
    found.map(String::from).with_context(|| format!("REST answer has no {pointer}"))
}
