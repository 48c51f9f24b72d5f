//! Why a request gets nothing.

use velella_hls::Refusal;

/// Why a request gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The query is no delivery directive.
    BadDirectives,
    /// The directives demand what is too far ahead.
    TooFarAhead,
    /// Not there, or not yet.
    NotFound,
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
    pub const ALL: [Self; 8] = [
        Self::BadDirectives,
        Self::TooFarAhead,
        Self::NotFound,
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
            Self::NotFound => 404,
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
            Self::NotFound => "not_found",
            Self::Gone => "gone",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Late => "late",
            Self::Busy => "busy",
            Self::OriginUnreachable => "origin_unreachable",
        }
    }

    /// For people: one sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::BadDirectives => "Delivery directives are numbers, _HLS_part needs _HLS_msn, and each stands once.",
            Self::TooFarAhead => "The playlist is not that far yet.",
            Self::NotFound => "There is no such stream, or it does not have this.",
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
