//! A path and query with what may be secret in it taken out.
//!
//! Cameras take passwords as `?password=…` and even as a piece of the path, so a value is shown only
//! behind a name that is known to be harmless.

use std::fmt::{self, Write};

use crate::source_url::Scheme;

/// Names whose values help an operator and tell nothing.
const HARMLESS: [&str; 12] = [
    "camera",
    "channel",
    "codec",
    "mode",
    "profile",
    "proto",
    "resolution",
    "stream",
    "streamtype",
    "subtype",
    "transport",
    "unicast",
];

/// Longest value that is shown.
const VALUE_BYTES_MAX: usize = 16;

/// What stands in place of a secret.
pub(crate) const SECRET: &str = "***";

/// Writes the path and query of a URL of this scheme, without its secrets.
pub(crate) fn write_path(f: &mut fmt::Formatter<'_>, scheme: Scheme, path: &str) -> fmt::Result {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    match scheme {
        // The end of the path is the key of the stream.
        Scheme::Rtmp | Scheme::Rtmps => match path.rsplit_once('/') {
            Some((app, key)) if !app.is_empty() && !key.is_empty() => write!(f, "{app}/{SECRET}")?,
            _ => f.write_str(path)?,
        },
        Scheme::Rtsp | Scheme::Rtsps | Scheme::Srt | Scheme::Http | Scheme::Https => write_pairs(f, path, false)?,
    }
    if let Some(query) = query {
        f.write_char('?')?;
        write_pairs(f, query, true)?;
    }
    Ok(())
}

fn write_pairs(f: &mut fmt::Formatter<'_>, pairs: &str, query: bool) -> fmt::Result {
    for piece in pairs.split_inclusive(['&', ';']) {
        let pair = piece.trim_end_matches(['&', ';']);
        match pair.split_once('=') {
            Some((name, value)) if value.is_empty() || harmless(name, value) => write!(f, "{name}={value}")?,
            Some((name, _)) => write!(f, "{name}={SECRET}")?,
            // Some take a bare token as the query.
            None if query && !pair.is_empty() => f.write_str(SECRET)?,
            None => f.write_str(pair)?,
        }
        f.write_str(piece.get(pair.len()..).unwrap_or_default())?;
    }
    Ok(())
}

fn harmless(name: &str, value: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    HARMLESS.iter().any(|known| name.eq_ignore_ascii_case(known))
        && value.len() <= VALUE_BYTES_MAX
        && value.bytes().all(plain)
}
