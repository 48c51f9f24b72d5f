//! The REST calls of a load run: one room, its peers, and their removal. Blocking: callers run it
//! off the async threads.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Response;

/// A coordinator that takes longer than this to answer does not serve.
const REST_TIMEOUT: Duration = Duration::from_secs(10);

/// The room of this run.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    agent: Agent,
    base: String,
    bearer: String,
    pub(crate) id: String,
}

impl Room {
    pub(crate) fn create(base: &str, token: &str, video_codec: &str) -> Result<Self> {
        let config = Agent::config_builder().timeout_global(Some(REST_TIMEOUT)).http_status_as_error(false).build();
        let mut room = Self {
            agent: config.into(),
            base: base.trim_end_matches('/').into(),
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

    pub(crate) fn delete(&self) -> Result<()> {
        let path = format!("{}/room/{}", self.base, self.id);
        read(self.agent.delete(&path).header("Authorization", &self.bearer).call()?)?;
        Ok(())
    }

    pub(crate) fn peer_socket_url(&self) -> String {
        format!("{}/socket/peer/websocket", self.base.replacen("http", "ws", 1))
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.agent.post(format!("{}{path}", self.base)).header("Authorization", &self.bearer);
        read(request.send_json(body).with_context(|| format!("no answer from {}", self.base))?)
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
