//! What is counted.

use std::time::Duration;

/// What was counted since the stream began here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Samples that went into parts.
    pub samples: u64,
    /// Samples before the stream began, or before it was told how and when they are to be shown.
    pub early: u64,
    /// Samples for a time that had been given up.
    pub late: u64,
    /// Samples for a time that cannot be: far ahead.
    pub astray: u64,
    /// Times at which a rendition's clock was put right, since nothing else of it came any more.
    pub rebased: u64,
    /// Samples that were left out since what they need is missing, until the next key frame.
    pub undecodable: u64,
    /// Parts with media.
    pub parts: u64,
    /// Parts without.
    pub gap_parts: u64,
    /// The longest time without media that one rendition had.
    pub gap_max: Duration,
    /// Times at which the part of a rendition was given up, since nothing came for it.
    pub stalls: u64,
    /// Segments, of all renditions.
    pub segments: u64,
    /// Segments that ended for want of time and not at a key frame.
    pub forced: u64,
    /// Discontinuities of the stream.
    pub discontinuities: u64,
    /// Key frames that were requested.
    pub key_frame_requests: u64,
    /// Segments that were let go before their time, for want of room.
    pub evicted: u64,
    /// Parts that became gaps, for want of room.
    pub over_budget: u64,
    /// Parts that became gaps, since they could not be written.
    pub unwritable: u64,
    /// Bytes of media that are held now.
    pub held_bytes: usize,
}
