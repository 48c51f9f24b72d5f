//! Reading JSON bodies: objects with known keys, and what is wrong with a value in known words.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use serde_json::{Map, Value};

use crate::http::failure::Failure;

/// How much of a wrong value is told back.
const ECHO_CHARS_MAX: usize = 100;

/// What a token may be valid for when a request says how long.
const TOKEN_TTL_S: std::ops::RangeInclusive<u64> = 10..=30 * 24 * 60 * 60;

/// A body as a JSON object. An empty one is an empty object, whatever its content type says.
pub(crate) fn object(body: Result<Bytes, BytesRejection>) -> Result<Map<String, Value>, Failure> {
    let body = body.map_err(|_| Failure::too_large())?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    serde_json::from_slice(&body).map_err(|_| Failure::BAD_BODY)
}

/// The keys of an object that say something: null is as good as absent.
pub(crate) fn said(object: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    object.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.as_str(), value))
}

pub(crate) fn boolean(key: &str, value: &Value) -> Result<bool, Failure> {
    value.as_bool().ok_or_else(|| expected(&format!("{key} to be a boolean"), value))
}

pub(crate) fn positive(key: &str, value: &Value) -> Result<u32, Failure> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
    number.ok_or_else(|| expected(&format!("{key} to be a positive integer"), value))
}

/// How long a token shall be valid, in seconds.
pub(crate) fn token_ttl(value: Option<&Value>) -> Result<Option<Duration>, Failure> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let seconds = value.as_u64().filter(|seconds| TOKEN_TTL_S.contains(seconds));
    let (least, most) = (TOKEN_TTL_S.start(), TOKEN_TTL_S.end());
    let wrong = || expected(&format!("tokenTtl to be a number of seconds from {least} to {most}"), value);
    seconds.map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(wrong)
}

/// A body that may say `tokenTtl` and nothing else.
pub(crate) fn only_token_ttl(body: Result<Bytes, BytesRejection>) -> Result<Option<Duration>, Failure> {
    let body = object(body)?;
    if let Some(key) = body.keys().find(|key| *key != "tokenTtl") {
        return Err(unexpected(key));
    }
    token_ttl(body.get("tokenTtl"))
}

pub(crate) fn unexpected(key: &str) -> Failure {
    Failure::bad_request(format!("Unexpected field: {}", echo(key)))
}

pub(crate) fn expected(what: &str, got: &Value) -> Failure {
    let got = got.as_str().map_or_else(|| got.to_string(), str::to_owned);
    Failure::bad_request(format!("Expected {what}, got: {}", echo(&got)))
}

/// The beginning of what a client sent, for an answer.
pub(crate) fn echo(text: &str) -> String {
    text.chars().take(ECHO_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_an_object_or_empty() {
        assert!(object(Ok(Bytes::from_static(b" \n"))).unwrap().is_empty());
        assert_eq!(object(Ok(Bytes::from_static(b"[1]"))), Err(Failure::BAD_BODY));
        assert_eq!(object(Ok(Bytes::from_static(b"{"))), Err(Failure::BAD_BODY));
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert_eq!(object(Ok(Bytes::from(deep))), Err(Failure::BAD_BODY));
    }

    #[test]
    fn a_lifetime_of_a_token_has_bounds() {
        assert_eq!(token_ttl(None), Ok(None));
        assert_eq!(token_ttl(Some(&json!(60))), Ok(Some(Duration::from_secs(60))));
        for wrong in [json!(9), json!(2_592_001), json!(-1), json!("60"), json!(60.5)] {
            assert!(token_ttl(Some(&wrong)).is_err(), "{wrong}");
        }
    }
}
