//! JSON that we carry and do not interpret: metadata of peers and tracks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Largest metadata of one peer or track, in bytes of JSON text.
pub const JSON_BYTES_MAX: usize = 64 * 1024;

/// A text that is known to be JSON and at most [`JSON_BYTES_MAX`] long.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Json(Box<str>);

impl Json {
    /// Takes a text from outside.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        if text.len() > JSON_BYTES_MAX {
            return Err(JsonError::TooLong { bytes: text.len() });
        }
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|e| JsonError::Syntax(e.to_string()))?;
        Ok(Self(text.into()))
    }

    /// JSON `null`.
    pub fn null() -> Self {
        Self("null".into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parsed value; `null` for anything nested deeper than the parser allows.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).unwrap_or(serde_json::Value::Null)
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string().into())
    }
}

impl TryFrom<String> for Json {
    type Error = JsonError;

    fn try_from(text: String) -> Result<Self, JsonError> {
        Self::parse(&text)
    }
}

impl From<Json> for String {
    fn from(json: Json) -> Self {
        json.0.into()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no acceptable metadata.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Longer than the bound.
    #[error("metadata may have {JSON_BYTES_MAX} bytes, this has {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON.
    #[error("metadata must be JSON: {0}")]
    Syntax(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_as_sent() {
        assert_eq!(Json::parse("{ \"a\": 1 }").unwrap().as_str(), "{ \"a\": 1 }");
    }

    #[test]
    fn what_is_not_json_or_too_long_is_refused() {
        assert!(matches!(Json::parse("{"), Err(JsonError::Syntax(_))));
        let long = format!("\"{}\"", "x".repeat(JSON_BYTES_MAX));
        assert_eq!(Json::parse(&long), Err(JsonError::TooLong { bytes: JSON_BYTES_MAX + 2 }));
    }
}
