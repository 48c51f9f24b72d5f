//! Coordinator → the coordinator that holds a WHIP or WHEP resource, request and reply: what a client
//! wants of it came in at another replica.

use serde::{Deserialize, Serialize};

use super::Message;
use crate::SessionId;

/// What a client wants of its resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// The resource's session.
    pub session: SessionId,
    /// What.
    pub deed: Deed,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Deed {
    /// Take candidates, or begin ICE anew (RFC 9725 section 4.3).
    Patch {
        /// Header `If-Match`: `*`, or the entity tag of the present ICE session.
        if_match: Option<String>,
        /// What the fragment says.
        fragment: Fragment,
    },
    /// End the session.
    End,
}

/// An SDP fragment of trickle ICE (RFC 8840).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    /// `a=ice-ufrag`.
    pub ufrag: Option<String>,
    /// `a=ice-pwd`.
    pub password: Option<String>,
    /// Values of `a=candidate`, each with its name: `candidate:…`.
    pub candidates: Vec<String>,
}

/// What became of an [`Errand`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ErrandReply {
    /// Done.
    Done,
    /// ICE begins anew.
    Restarted {
        /// Of the new ICE session.
        etag: String,
        /// Our side of it.
        fragment: Fragment,
    },
    /// There is no such resource (any more).
    Gone,
    /// It was meant for an earlier ICE session.
    Stale,
    /// The worker did not answer in time.
    TimedOut,
}

impl Message for Errand {}
impl Message for ErrandReply {}
