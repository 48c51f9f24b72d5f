//! The tracks of one sender, whose reports are of one clock.

use std::collections::BTreeMap;

use velella_media::MediaTime;

use crate::delay_floor::DelayFloor;
use crate::reports::Report;
use crate::track::{Placed, Stats, Track};

/// Tracks of one sender at once; a browser has a handful.
const TRACKS_MAX: usize = 64;

/// Names an open track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrackKey(u32);

/// Places packets of all tracks of one sender (a browser, a camera) on the receiver's clock.
#[derive(Clone, Debug, Default)]
pub struct SenderClock {
    tracks: BTreeMap<TrackKey, Track>,
    next: u32,
    /// From the sender's NTP clock to the receiver's.
    offset: DelayFloor,
}

impl SenderClock {
    /// Without tracks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a track whose RTP clock has this rate; `None` when there are too many.
    pub fn open(&mut self, rate_hz: u32) -> Option<TrackKey> {
        let key = TrackKey(self.next);
        let free = self.tracks.len() < TRACKS_MAX && rate_hz > 0;
        free.then(|| {
            self.next = self.next.wrapping_add(1);
            self.tracks.insert(key, Track::new(rate_hz));
            key
        })
    }

    /// Ends a track.
    pub fn close(&mut self, key: TrackKey) {
        self.tracks.remove(&key);
    }

    /// Takes a sender report that has arrived just now.
    pub fn handle_report(&mut self, key: TrackKey, report: Report, now: MediaTime) {
        if let Some(track) = self.tracks.get_mut(&key) {
            track.handle_report(report, now);
        }
    }

    /// The moment at which a packet that has arrived just now was captured; `None` of a track that is not open.
    /// Every packet counts, also those in the middle of a frame.
    pub fn place(&mut self, key: TrackKey, rtp: u32, now: MediaTime) -> Option<Placed> {
        let track = self.tracks.get_mut(&key)?;
        Some(track.place(rtp, now, &mut self.offset))
    }

    /// Counters of a track.
    #[must_use]
    pub fn stats(&self, key: TrackKey) -> Option<Stats> {
        self.tracks.get(&key).map(|track| track.stats)
    }
}
