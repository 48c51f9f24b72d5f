//! What a peer is told of the version of its SDK. Clients write it to their console and go on.

use velella_proto::fishjam::peer_message::SdkDeprecation;
use velella_proto::fishjam::peer_message::sdk_deprecation::Status;

/// The first minor version, with major version 0, that runs in the tests of this server.
const TESTED_FROM: u32 = 25;

/// The first that speaks the same messages; those before say JSON.
const SPOKEN_FROM: u32 = 20;

/// The verdict on `web-0.25.1` and the like. Newer and unknown ones are up to date; a client that
/// does not name its version hears nothing of it.
pub(crate) fn verdict(sdk_version: &str) -> Option<SdkDeprecation> {
    if sdk_version.is_empty() {
        return None;
    }
    let (status, message) = match minor(sdk_version) {
        Some(..SPOKEN_FROM) => (Status::Unsupported, advice("is not supported by this server")),
        Some(SPOKEN_FROM..TESTED_FROM) => (Status::Deprecated, advice("is older than what this server is tested with")),
        Some(TESTED_FROM..) | None => (Status::UpToDate, String::new()),
    };
    Some(SdkDeprecation { status: status.into(), message })
}

fn advice(what: &str) -> String {
    format!("This version of the SDK {what}; use 0.{TESTED_FROM} or newer")
}

/// The minor version of a `name-0.minor.patch`.
fn minor(sdk_version: &str) -> Option<u32> {
    let (_, version) = sdk_version.rsplit_once('-')?;
    let mut numbers = version.split('.');
    (numbers.next()? == "0").then_some(())?;
    numbers.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        let table = [
            ("web-0.25.1", Some(Status::UpToDate)),
            ("react-native-0.31.0", Some(Status::UpToDate)),
            ("web-0.24.9", Some(Status::Deprecated)),
            ("react-native-0.20.0", Some(Status::Deprecated)),
            ("web-0.6.0", Some(Status::Unsupported)),
            ("web-1.0.1", Some(Status::UpToDate)),
            ("garbage", Some(Status::UpToDate)),
            ("web-0.x", Some(Status::UpToDate)),
            ("", None),
        ];
        for (version, status) in table {
            assert_eq!(verdict(version).map(|verdict| verdict.status()), status, "{version}");
        }
    }
}
