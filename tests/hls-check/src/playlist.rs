//! Playlists as rfc8216bis-22 writes them, and a strict reader of them.
//!
//! Written from the specification alone: it shares nothing with any packager, so that a mistake of
//! a writer is not repeated here.

mod attributes;
mod clock;
mod delta;
mod lines;
mod media;
mod multivariant;
mod read_media;
mod value;
mod version;

pub use clock::WallClock;
pub use media::{
    ByteRange, Hint, HintKind, Kind, MediaPlaylist, Part, Progress, RenditionReport, Segment, ServerControl, Skip,
};
pub use multivariant::{Multivariant, Rendition, Variant};

/// Where a text breaks the grammar or a rule that shows in one playlist alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Counted from 1.
    pub line: usize,
    /// Section of rfc8216bis-22.
    pub section: &'static str,
    pub sentence: String,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {} (§ {})", self.line, self.sentence, self.section)
    }
}
