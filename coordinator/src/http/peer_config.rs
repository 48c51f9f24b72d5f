//! A `PeerConfig`: what kind of peer, what it receives, what its token allows.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use velella_coordinator_core::PeerSpec;
use velella_model::Json;
use velella_model::record::{AgentOutput, PeerKind, Scopes};
use velella_model::wire::command::{Rights, SubscribeMode};

use crate::http::body::{expected, token_ttl};
use crate::http::failure::Failure;

/// What an agent hears unless it says otherwise, and what else it may ask for.
const SAMPLE_RATE_HZ_DEFAULT: u32 = 16_000;
const SAMPLE_RATES_HZ: [u32; 2] = [SAMPLE_RATE_HZ_DEFAULT, 24_000];

/// What a peer shall be.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "bodies are read by hand, in the words that clients know; this is their description")]
pub(crate) struct PeerConfigBody {
    /// `webrtc` or `agent`.
    r#type: String,
    options: Option<PeerOptionsBody>,
}

/// Its options. Those that are not known are left alone: older SDKs send some.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "see above")]
pub(crate) struct PeerOptionsBody {
    /// `webrtc`: what the server attaches to it; others see it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// `auto` (everything) or `manual` (what `subscribe_peer` and `subscribe_tracks` ask for).
    subscribe_mode: Option<String>,
    /// `agent`: what it hears.
    output: Option<AgentOutputBody>,
    /// What its tokens allow: any of `publish`, `subscribe` and `admin` (see its own room and
    /// remove peers from it). The first two if absent.
    scopes: Option<Vec<String>>,
    /// How long the token is valid, in seconds.
    token_ttl: Option<u64>,
}

/// The sound that an agent receives.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "see above")]
pub(crate) struct AgentOutputBody {
    /// `pcm16`
    audio_format: Option<String>,
    /// 16000 or 24000.
    audio_sample_rate: Option<u32>,
}

/// A peer as it is asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct PeerWish {
    pub(crate) spec: PeerSpec,
    pub(crate) token_ttl: Option<Duration>,
}

/// Reads a `PeerConfig`; options that are not known are left alone, older SDKs send some.
pub(crate) fn read(config: &Map<String, Value>) -> Result<PeerWish, Failure> {
    let kind = match config.get("type").and_then(Value::as_str) {
        Some("webrtc") => PeerKind::Webrtc,
        Some("agent") => PeerKind::Agent,
        Some("vapi") => return Err(Failure::not_supported("Peers of type vapi")),
        Some(_) => return Err(Failure::bad_request("Invalid peer type".into())),
        None => return Err(Failure::BAD_BODY),
    };
    let none = Map::new();
    let options = match config.get("options") {
        None | Some(Value::Null) => &none,
        Some(options) => options.as_object().ok_or(Failure::BAD_BODY)?,
    };
    let agent_output = match kind {
        PeerKind::Agent => Some(agent_output(options.get("output"))?),
        PeerKind::Webrtc | PeerKind::Streamer | PeerKind::Viewer => None,
    };
    let spec = PeerSpec {
        kind,
        server_metadata: metadata(options.get("metadata"))?,
        subscribe_mode: subscribe_mode(options.get("subscribeMode"))?,
        agent_output,
        scopes: scopes(options.get("scopes"))?,
    };
    Ok(PeerWish { spec, token_ttl: token_ttl(options.get("tokenTtl"))? })
}

pub(crate) fn subscribe_mode(value: Option<&Value>) -> Result<SubscribeMode, Failure> {
    match value.map(|mode| mode.as_str()) {
        None | Some(Some("auto")) => Ok(SubscribeMode::Auto),
        Some(Some("manual")) => Ok(SubscribeMode::Manual),
        Some(_) => Err(Failure::bad_request("Expected subscribeMode to be 'auto' or 'manual'".into())),
    }
}

/// What a server attaches to a peer.
pub(crate) fn metadata(value: Option<&Value>) -> Result<Json, Failure> {
    let metadata = match value {
        None | Some(Value::Null) => json!({}),
        Some(metadata) if metadata.is_object() => metadata.clone(),
        Some(_) => return Err(Failure::bad_request("Expected metadata to be an object".into())),
    };
    Json::parse(&metadata.to_string()).map_err(|error| Failure::bad_request(error.to_string()))
}

fn agent_output(value: Option<&Value>) -> Result<AgentOutput, Failure> {
    let none = Map::new();
    let output = match value {
        None | Some(Value::Null) => &none,
        Some(output) => output.as_object().ok_or_else(|| expected("output to be an object", output))?,
    };
    if let Some(format) = output.get("audioFormat").filter(|format| **format != "pcm16") {
        return Err(expected("audioFormat to be 'pcm16'", format));
    }
    let sample_rate_hz = match output.get("audioSampleRate") {
        None => SAMPLE_RATE_HZ_DEFAULT,
        Some(rate) => {
            let known = SAMPLE_RATES_HZ.into_iter().find(|known| *rate == *known);
            known.ok_or_else(|| expected("audioSampleRate to be 16000 or 24000", rate))?
        }
    };
    Ok(AgentOutput { sample_rate_hz })
}

fn scopes(value: Option<&Value>) -> Result<Scopes, Failure> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(Scopes::default()) };
    let wrong = || expected("scopes to be a list of 'publish', 'subscribe' and 'admin'", value);
    let mut scopes = Scopes { rights: Rights { publish: false, subscribe: false }, admin: false };
    for scope in value.as_array().ok_or_else(wrong)? {
        match scope.as_str() {
            Some("publish") => scopes.rights.publish = true,
            Some("subscribe") => scopes.rights.subscribe = true,
            Some("admin") => scopes.admin = true,
            Some(_) | None => return Err(wrong()),
        }
    }
    Ok(scopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webrtc_peer_may_bring_metadata_and_a_mode() {
        let options = json!({"metadata": {"a": 1}, "subscribeMode": "manual"});
        let spec = of(json!({"type": "webrtc", "options": options})).unwrap().spec;
        assert_eq!((spec.server_metadata.as_str(), spec.subscribe_mode), (r#"{"a":1}"#, SubscribeMode::Manual));
        assert_eq!((spec.scopes, spec.agent_output), (Scopes::default(), None));
        let older = of(json!({"type": "webrtc", "options": {"enableSimulcast": true}})).unwrap().spec;
        assert_eq!(older.server_metadata.as_str(), "{}");
    }

    #[test]
    fn an_agent_hears_at_one_of_two_rates() {
        let agent = |output: Value| of(json!({"type": "agent", "options": {"output": output}}));
        let rate = |output| agent(output).unwrap().spec.agent_output.unwrap().sample_rate_hz;
        assert_eq!(rate(Value::Null), 16_000);
        assert_eq!(rate(json!({"audioFormat": "pcm16", "audioSampleRate": 24000})), 24_000);
        for wrong in [json!({"audioFormat": "opus"}), json!({"audioSampleRate": 48000}), json!(7)] {
            assert!(agent(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn scopes_say_what_a_token_allows() {
        let read = |scopes: Value| of(json!({"type": "webrtc", "options": {"scopes": scopes}}));
        let scopes = read(json!(["subscribe", "admin"])).unwrap().spec.scopes;
        assert_eq!(scopes, Scopes { rights: Rights { publish: false, subscribe: true }, admin: true });
        assert!(!read(json!([])).unwrap().spec.scopes.rights.subscribe);
        for wrong in [json!("admin"), json!(["root"]), json!([1])] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn other_peers_are_refused_with_a_reason() {
        assert_eq!(of(json!({"type": "vapi"})), Err(Failure::not_supported("Peers of type vapi")));
        assert_eq!(of(json!({"type": "robot"})), Err(Failure::bad_request("Invalid peer type".into())));
        assert_eq!(of(json!({})), Err(Failure::BAD_BODY));
        assert_eq!(of(json!({"type": "webrtc", "options": []})), Err(Failure::BAD_BODY));
        assert!(of(json!({"type": "webrtc", "options": {"metadata": "x"}})).is_err());
        assert!(of(json!({"type": "webrtc", "options": {"subscribeMode": "x"}})).is_err());
    }

    fn of(config: Value) -> Result<PeerWish, Failure> {
        read(config.as_object().unwrap())
    }
}
