//! What the renditions of a stream share.

use std::collections::VecDeque;

use crate::boundary::Boundaries;
use crate::sample::{RenditionId, WriteFragment};
use crate::settings::{KeyFrames, Settings};
use crate::stats::Stats;
use crate::time::WallTime;

/// What is to be done, or happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A part is in the playlist: ask again for everybody who waits for this rendition.
    PartReady {
        /// Whose.
        rendition: RenditionId,
        /// Media sequence number of its segment.
        msn: u64,
        /// Its index there.
        part: usize,
    },
    /// A segment is complete: ask again for everybody who waits, and keep it, if it is to outlast the window.
    SegmentReady {
        /// Whose.
        rendition: RenditionId,
        /// Media sequence number.
        msn: u64,
    },
    /// Ask the source for a key frame. Repeated until one comes.
    RequestKeyFrame {
        /// Of which rendition.
        rendition: RenditionId,
    },
    /// Playlists can be had from now on.
    BecomePlayable,
    /// The stream is over. Nothing follows.
    End,
}

/// What the renditions of a stream share.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) settings: Settings,
    pub(crate) write: WriteFragment,
    /// The folder of what is made here.
    pub(crate) epoch: u32,
    /// What the time line counts from; unknown until the first picture comes.
    pub(crate) origin: Option<WallTime>,
    pub(crate) boundaries: Boundaries,
    pub(crate) stats: Stats,
    /// Bounded by what one input brings; drained after each.
    pub(crate) outputs: VecDeque<Output>,
}

impl Stream {
    /// Whether key frames come when they are requested.
    pub(crate) fn may_ask(&self) -> bool {
        self.settings.key_frames == KeyFrames::OnRequest
    }

    /// Whether one more part of this size may be held.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.stats.held_bytes.saturating_add(bytes) <= self.settings.bytes_max
    }

    /// So many bytes were let go.
    pub(crate) fn released(&mut self, bytes: usize) {
        self.stats.held_bytes = self.stats.held_bytes.saturating_sub(bytes);
    }
}
