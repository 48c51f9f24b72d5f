//! The clocks of one participant's tracks, over all listeners that receive them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use velella_gateway_core::Heard;
use velella_media::MediaTime;
use velella_model::TrackId;
use velella_timeline::{Placed, Report, SenderClock, TrackKey};

use crate::moments::{Moments, ntp};

/// One participant.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    clock: SenderClock,
    tracks: BTreeMap<(usize, TrackId), Known>,
}

#[derive(Debug)]
struct Known {
    key: TrackKey,
    /// A report comes along with every frame until the next one.
    report: Option<(SystemTime, u64)>,
}

impl Sender {
    /// When a frame is to be seen or heard; nothing when there are too many tracks.
    pub(crate) fn place(&mut self, listener: usize, heard: &Heard, moments: Moments) -> Option<Placed> {
        let arrived = moments.of(heard.arrived_at);
        let id = (listener, heard.track.clone());
        if !self.tracks.contains_key(&id) {
            let key = self.clock.open(heard.rate_hz)?;
            self.tracks.insert(id.clone(), Known { key, report: None });
        }
        let known = self.tracks.get_mut(&id)?;
        let placed = self.clock.place(known.key, low_bits(heard.rtp_time), arrived);
        if heard.report != known.report {
            known.report = heard.report;
            report(&mut self.clock, known, arrived);
        }
        placed
    }

    /// The track is gone. Says whether it was the last.
    pub(crate) fn forget(&mut self, listener: usize, track: &TrackId) -> bool {
        if let Some(known) = self.tracks.remove(&(listener, track.clone())) {
            self.clock.close(known.key);
        }
        self.tracks.is_empty()
    }
}

fn report(clock: &mut SenderClock, known: &Known, now: MediaTime) {
    if let Some((date, rtp)) = known.report {
        clock.handle_report(known.key, Report { rtp: low_bits(rtp), ntp: ntp(date) }, now);
    }
}

/// As on the wire.
fn low_bits(rtp: u64) -> u32 {
    u32::try_from(rtp & u64::from(u32::MAX)).unwrap_or_default()
}
