//! Who debugs finds room, peer and worker in the log, and nobody finds a secret.

use serde_json::Value;

use crate::velella::{MANAGEMENT_TOKEN, Velella};

const TOKEN_SECRET: &str = "canary-of-the-secret-that-signs-tokens";

#[tokio::test]
async fn events_name_room_and_peer_and_no_secret_is_seen_anywhere() {
    let velella = Velella::start(&["--log", "trace", "--token-secret", TOKEN_SECRET]);
    let (room, peer, token) = velella.peer();
    drop(velella.join(token.clone()).await);
    let seen = [velella.ask_admin("/metrics").1, velella.ask_admin("/debug/config").1];
    velella.signal();
    let (_, log) = velella.ended();

    let authenticated = line(&log, "socket authenticated");
    assert_eq!(field(&authenticated, "room"), room);
    assert_eq!(field(&authenticated, "peer"), peer);
    assert_eq!(field(&line(&log, "worker ready"), "worker"), "worker-1");
    for text in seen.iter().chain([&log]) {
        for secret in [MANAGEMENT_TOKEN, TOKEN_SECRET, &token] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}

/// The first event with this message.
fn line(log: &str, message: &str) -> Value {
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.find(|line| line["message"] == message).expect(message)
}

/// A field of an event, or of the spans around it.
fn field(line: &Value, name: &str) -> String {
    let spans = line["spans"].as_array().into_iter().flatten();
    let holder = spans.chain([&line["span"], line]).find(|holder| !holder[name].is_null());
    holder.and_then(|holder| holder[name].as_str()).unwrap_or_default().to_owned()
}
