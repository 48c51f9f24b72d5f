//! Why a camera does not play.

use std::time::Duration;

use velella_guard::{Refusal, UrlError};

/// Why a camera does not play, or no longer. One sentence each, for whoever entered its URL; none
/// repeats the URL.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The guard does not let us go there.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Not `rtsp` or `rtsps`.
    #[error("the URL of a camera has to begin with rtsp:// or rtsps://")]
    Scheme,
    /// No connection.
    #[error("the camera cannot be reached: {0}")]
    Unreachable(String),
    /// The connection is not as safe as the URL asks for.
    #[error("no encrypted connection to the camera: {0}")]
    Tls(String),
    /// Credentials are wrong or missing.
    #[error("the camera {}", if *.given { "refuses this user name and password" } else { "asks for a user name and password" })]
    LoginRefused {
        /// Whether the URL has any.
        given: bool,
    },
    /// Nothing at this path.
    #[error("the camera has no stream at this path")]
    NotFound,
    /// The camera sends us elsewhere, which leads nowhere.
    #[error("the camera sends its visitors elsewhere: {0}")]
    Redirect(#[from] UrlError),
    /// The camera sends us from one place to the next.
    #[error("the camera sends its visitors elsewhere more than {0} times")]
    Redirects(usize),
    /// The description is of no use.
    #[error("the camera describes its streams in a way that cannot be read: {0}")]
    BadSdp(&'static str),
    /// Neither pictures nor sound.
    #[error("the camera offers neither pictures nor sound")]
    NoUsableTrack,
    /// Only what we do not know.
    #[error("the camera sends {0}; H.264 and H.265 pictures, and AAC, G.711 and Opus sound are supported")]
    CodecUnsupported(String),
    /// The camera does not send the way it was asked to.
    #[error("the camera does not send its media over {0}")]
    TransportRefused(&'static str),
    /// It promised media over UDP, and none arrived.
    #[error("nothing of what the camera sends over UDP arrived within {} s", .0.as_secs())]
    Unheard(Duration),
    /// The camera says no.
    #[error("the camera answers {method} with status {status}")]
    Declined {
        /// To what.
        method: &'static str,
        /// Its answer.
        status: u16,
    },
    /// It answers nothing.
    #[error("the camera does not answer {0}")]
    Silent(&'static str),
    /// It plays, but nothing comes.
    #[error("the camera sent nothing for {} s", .0.as_secs())]
    Stalled(Duration),
    /// It ends the session.
    #[error("the camera ended the stream")]
    Ended,
    /// It does not speak RTSP.
    #[error("the camera does not speak RTSP as it should: {0}")]
    Protocol(&'static str),
    /// No sockets here.
    #[error("no local port for media over UDP: {0}")]
    LocalPort(String),
}

impl Error {
    /// Its name in APIs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(Refusal::Unresolved | Refusal::ResolveTimeout) => "unresolved",
            Self::Refused(_) | Self::Redirect(_) | Self::Redirects(_) => "address_refused",
            Self::Scheme => "bad_url",
            Self::Unreachable(_) => "unreachable",
            Self::Tls(_) => "tls",
            Self::LoginRefused { .. } => "login_refused",
            Self::NotFound => "not_found",
            Self::BadSdp(_) => "bad_sdp",
            Self::NoUsableTrack => "no_usable_track",
            Self::CodecUnsupported(_) => "codec_unsupported",
            Self::TransportRefused(_) => "transport_refused",
            Self::Unheard(_) => "unheard",
            Self::Declined { .. } => "declined",
            Self::Silent(_) | Self::Stalled(_) => "stalled",
            Self::Ended => "ended",
            Self::Protocol(_) => "protocol",
            Self::LocalPort(_) => "local_port",
        }
    }

    /// Whether it may go well the next time, though nobody changes the URL or the camera. Cameras
    /// lock those out who try wrong passwords.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => matches!(refusal, Refusal::Unresolved | Refusal::ResolveTimeout),
            Self::Scheme
            | Self::LoginRefused { .. }
            | Self::Redirect(_)
            | Self::Redirects(_)
            | Self::NoUsableTrack
            | Self::CodecUnsupported(_)
            | Self::TransportRefused(_) => false,
            Self::Unreachable(_)
            | Self::Tls(_)
            | Self::NotFound
            | Self::BadSdp(_)
            | Self::Unheard(_)
            | Self::Declined { .. }
            | Self::Silent(_)
            | Self::Stalled(_)
            | Self::Ended
            | Self::Protocol(_)
            | Self::LocalPort(_) => true,
        }
    }
}
