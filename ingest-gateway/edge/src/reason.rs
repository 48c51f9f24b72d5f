//! Why a request gets nothing.

use velella_hls::Refusal;

/// Why a request gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The query is no delivery directive.
    BadDirectives,
    /// The directives demand what is too far ahead.
    TooFarAhead,
    /// A viewer without TLS where there is TLS.
    TlsRequired,
    /// The address or its header holds no pass for the stream, or one that is over.
    PassRefused,
    /// Not there, or not yet.
    NotFound,
    /// To another edge: not packaged here, or not yet.
    NotHere,
    /// Not there any more.
    Gone,
    /// Neither read nor preflighted.
    MethodNotAllowed,
    /// It should have come by now.
    Late,
    /// More is asked than can wait for an answer.
    Busy,
    /// Whoever packages the stream does not answer.
    OriginUnreachable,
}

impl Reason {
    /// All.
    pub const ALL: [Self; 11] = [
        Self::BadDirectives,
        Self::TooFarAhead,
        Self::TlsRequired,
        Self::PassRefused,
        Self::NotFound,
        Self::NotHere,
        Self::Gone,
        Self::MethodNotAllowed,
        Self::Late,
        Self::Busy,
        Self::OriginUnreachable,
    ];

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BadDirectives | Self::TooFarAhead => 400,
            Self::TlsRequired | Self::PassRefused => 403,
            Self::NotFound | Self::NotHere => 404,
            Self::MethodNotAllowed => 405,
            Self::Gone => 410,
            Self::Late | Self::Busy | Self::OriginUnreachable => 503,
        }
    }

    /// For programs; it never changes.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BadDirectives => "bad_directives",
            Self::TooFarAhead => "too_far_ahead",
            Self::TlsRequired => "tls_required",
            Self::PassRefused => "pass_refused",
            Self::NotFound => "not_found",
            Self::NotHere => "not_here",
            Self::Gone => "gone",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Late => "late",
            Self::Busy => "busy",
            Self::OriginUnreachable => "origin_unreachable",
        }
    }

    /// As the body of an answer, in the form of the API.
    #[must_use]
    pub(crate) fn json(self) -> String {
        format!(r#"{{"errors":"{}","code":"{}"}}"#, self.sentence(), self.code())
    }

    /// What another edge tells, by its status and its body.
    pub(crate) fn told(status: u16, body: &[u8]) -> Self {
        let told: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let code = told.as_ref().and_then(|told| told.get("code")?.as_str());
        let known = Self::ALL.into_iter().find(|reason| reason.status() == status && Some(reason.code()) == code);
        known.unwrap_or(match status {
            403 => Self::PassRefused,
            404 => Self::NotFound,
            410 => Self::Gone,
            400..=499 => Self::TooFarAhead,
            _ => Self::OriginUnreachable,
        })
    }

    /// For people: one sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::BadDirectives => "Delivery directives are numbers, _HLS_part needs _HLS_msn, and each stands once.",
            Self::TooFarAhead => "The playlist is not that far yet.",
            Self::TlsRequired => "Viewers come to this gateway over https.",
            Self::PassRefused => "The address holds no pass for this stream, or one that is over.",
            Self::NotFound => "There is no such stream, or it does not have this.",
            Self::NotHere => "This gateway does not make this stream.",
            Self::Gone => "The stream does not have this any more.",
            Self::MethodNotAllowed => "Streams are read: GET, HEAD and OPTIONS.",
            Self::Late => "This should have come by now.",
            Self::Busy => "Too many wait for this gateway.",
            Self::OriginUnreachable => "The gateway that makes this stream does not answer.",
        }
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BadRequest => Self::TooFarAhead,
            Refusal::NotFound => Self::NotFound,
            Refusal::Gone => Self::Gone,
            Refusal::Unavailable => Self::Late,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_passes_from_edge_to_edge() {
        for reason in Reason::ALL {
            assert_eq!(Reason::told(reason.status(), reason.json().as_bytes()), reason);
        }
        assert_eq!(Reason::told(404, b"<html>"), Reason::NotFound);
        assert_eq!(Reason::told(502, b""), Reason::OriginUnreachable);
        assert_eq!(Reason::told(302, br#"{"code":"gone"}"#), Reason::OriginUnreachable);
    }
}
