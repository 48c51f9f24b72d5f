//! What a publisher says it wants.

use std::fmt;

use crate::command;

/// Who wants to publish what.
#[derive(Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// The path of the URL without the stream's name.
    pub app: String,
    /// The stream's name, which is the secret of whoever publishes.
    pub key: String,
    /// What stood behind the `?` of the stream's name, or else of the app.
    pub query: String,
    /// The URL that the peer connected to, as it says, without the stream's name.
    pub tc_url: String,
    /// What the peer calls its software, cut at 128 characters.
    pub encoder: String,
}

impl PublishRequest {
    /// A parameter of the query, as it stands there.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    pub(super) fn new(app: &str, name: &str, tc_url: &str, encoder: &str) -> Self {
        let (app, app_query) = app.split_once('?').unwrap_or((app, ""));
        let (key, query) = name.split_once('?').unwrap_or((name, app_query));
        let app = app.trim_end_matches('/');
        // Some encoders have one field for the whole URL, and take its last part for the app.
        let (app, key) = if key.is_empty() { app.rsplit_once('/').unwrap_or(("", app)) } else { (app, key) };
        let own = str::to_owned;
        Self { app: own(app), key: own(key), query: own(query), tc_url: own(tc_url), encoder: command::cut(encoder) }
    }
}

/// Without what is secret.
impl fmt::Debug for PublishRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishRequest").field("encoder", &self.encoder).finish_non_exhaustive()
    }
}
