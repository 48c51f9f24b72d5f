//! Playlists, written line by line. Each is a function of what a packager holds.

mod media;
mod multivariant;

pub(crate) use media::{Form, media};
pub(crate) use multivariant::multivariant;
