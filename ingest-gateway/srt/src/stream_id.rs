//! What a stream id asks for: the access control syntax of SRT (`#!::r=key,m=publish`), `publish:key`, or the key alone.

/// Begins the access control syntax.
const SYNTAX: &str = "#!::";

/// Before the key in the manner of other servers.
const PUBLISH: &str = "publish:";

/// Why there is no key in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// There is none, or it cannot be read.
    NoKey,
    /// It is about something else than publishing.
    OtherMode,
}

/// The key that a publisher gives.
///
/// # Errors
/// When there is none, or it is not for publishing.
pub fn key(stream_id: &str) -> Result<&str, Unclear> {
    let key = match stream_id.strip_prefix(SYNTAX) {
        Some(entries) => resource(entries)?,
        None => stream_id.strip_prefix(PUBLISH).unwrap_or(stream_id),
    };
    if key.is_empty() { Err(Unclear::NoKey) } else { Ok(key) }
}

/// The mode may be left out, since nothing else than publishing is offered.
fn resource(entries: &str) -> Result<&str, Unclear> {
    let mut key = None;
    for entry in entries.split(',') {
        match entry.split_once('=').ok_or(Unclear::NoKey)? {
            ("r", resource) => key = Some(resource),
            ("m", "publish" | "bidirectional") => {}
            ("m", _) => return Err(Unclear::OtherMode),
            _ => {}
        }
    }
    key.ok_or(Unclear::NoKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_given_in_three_ways() {
        for stream_id in ["#!::r=k3y,m=publish", "#!::u=obs,m=publish,r=k3y", "#!::r=k3y", "publish:k3y", "k3y"] {
            assert_eq!(key(stream_id), Ok("k3y"), "{stream_id}");
        }
    }

    #[test]
    fn what_gives_no_key_to_publish_with_is_told() {
        for stream_id in ["", "publish:", "#!::", "#!::r=", "#!::m=publish", "#!::r"] {
            assert_eq!(key(stream_id), Err(Unclear::NoKey), "{stream_id}");
        }
        assert_eq!(key("#!::r=k3y,m=request"), Err(Unclear::OtherMode));
    }
}
