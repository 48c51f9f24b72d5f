//! How a session is kept alive. Cameras differ in what they take, and some never answer.

use std::time::Duration;

/// A session without a word about it (RFC 2326 12.37).
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// No more often than this, whatever a camera asks for.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// What to ask to be heard. Each has its answer thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeepAlive {
    /// The usual one.
    GetParameter,
    /// For cameras that do not know the former.
    Options,
    /// For cameras that know neither.
    SetParameter,
}

impl KeepAlive {
    /// What to begin with, by what a camera says it knows.
    pub(crate) fn for_methods(public: Option<&str>) -> Self {
        let knows = |name: &str| public.is_some_and(|list| list.split(',').any(|method| method.trim() == name));
        if knows("GET_PARAMETER") { Self::GetParameter } else { Self::Options }
    }

    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::GetParameter => "GET_PARAMETER",
            Self::Options => "OPTIONS",
            Self::SetParameter => "SET_PARAMETER",
        }
    }

    /// What to try when the camera refuses this one.
    pub(crate) fn refused(self) -> Self {
        match self {
            Self::GetParameter => Self::Options,
            Self::Options => Self::SetParameter,
            Self::SetParameter => Self::GetParameter,
        }
    }
}

/// How often, by what the camera says in its `Session` header.
pub(crate) fn interval(session: &str) -> Duration {
    let mut parameters = session.split(';').filter_map(|parameter| parameter.split_once('='));
    let timeout = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"));
    let seconds = timeout.and_then(|(_, seconds)| seconds.trim().parse::<u16>().ok());
    let timeout = seconds.map_or(TIMEOUT_DEFAULT, |seconds| Duration::from_secs(seconds.into()));
    (timeout / 2).clamp(INTERVAL_MIN, TIMEOUT_DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_is_asked_for_what_it_knows_and_then_for_the_rest() {
        assert_eq!(KeepAlive::for_methods(Some("OPTIONS, GET_PARAMETER")), KeepAlive::GetParameter);
        assert_eq!(KeepAlive::for_methods(Some("OPTIONS, SET_PARAMETER")), KeepAlive::Options);
        assert_eq!(KeepAlive::for_methods(None), KeepAlive::Options);
        assert_eq!(KeepAlive::GetParameter.refused(), KeepAlive::Options);
        assert_eq!(KeepAlive::Options.refused(), KeepAlive::SetParameter);
    }

    #[test]
    fn half_of_what_a_camera_allows_has_bounds() {
        assert_eq!(interval("17;timeout=30"), Duration::from_secs(15));
        assert_eq!(interval("17; Timeout= 80 "), Duration::from_secs(40));
        assert_eq!(interval("17"), Duration::from_secs(30));
        assert_eq!(interval("17;timeout=0"), INTERVAL_MIN);
        assert_eq!(interval("17;timeout=65535"), TIMEOUT_DEFAULT);
        assert_eq!(interval("17;timeout=-1"), Duration::from_secs(30));
    }
}
