//! The tracks that an agent publishes: where their sound goes, and whole samples out of pieces that
//! are cut anywhere.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use velella_model::wire::agent::{Encoding, SOUND_BYTES_MAX};
use velella_model::{TrackId, WorkerId};

/// Largest sample of all channels: stereo.
const SAMPLE_BYTES_MAX: usize = 4;

/// An agent's tracks.
#[derive(Debug, Default)]
pub(super) struct OwnTracks {
    tracks: BTreeMap<TrackId, OwnTrack>,
}

#[derive(Debug)]
struct OwnTrack {
    encoding: Encoding,
    /// `None` until the worker has the track.
    worker: Option<WorkerId>,
    /// The beginning of a sample; shorter than one.
    rest: Bytes,
}

impl OwnTracks {
    pub(super) fn add(&mut self, track: TrackId, encoding: Encoding) {
        self.tracks.insert(track, OwnTrack { encoding, worker: None, rest: Bytes::new() });
    }

    pub(super) fn remove(&mut self, track: &TrackId) {
        self.tracks.remove(track);
    }

    /// Forgets the half of a sample that waits for its other half.
    pub(super) fn interrupt(&mut self, track: &TrackId) {
        if let Some(own) = self.tracks.get_mut(track) {
            own.rest = Bytes::new();
        }
    }

    /// The worker has a track.
    pub(super) fn taken(&mut self, track: &TrackId, worker: WorkerId) {
        if let Some(own) = self.tracks.get_mut(track) {
            own.worker = Some(worker);
        }
    }

    /// Whether the worker does not have all of them yet. Sound that comes now could be lost.
    pub(super) fn is_waiting(&self) -> bool {
        self.tracks.values().any(|own| own.worker.is_none())
    }

    /// Pieces of whole samples for the worker; `None` for a track that is not there.
    pub(super) fn pieces(&mut self, track: &TrackId, sound: Bytes) -> Option<(WorkerId, Vec<Bytes>)> {
        let own = self.tracks.get_mut(track)?;
        let worker = own.worker.clone()?;
        let Encoding::Pcm16 { channels, .. } = own.encoding else { return Some((worker, vec![sound])) };
        let mut whole = join(std::mem::take(&mut own.rest), sound);
        let sample_bytes = usize::from(channels.max(1)) * 2;
        own.rest = whole.split_off(whole.len() - whole.len() % sample_bytes);
        let mut pieces = Vec::new();
        while !whole.is_empty() {
            pieces.push(whole.split_to(whole.len().min(SOUND_BYTES_MAX)));
        }
        Some((worker, pieces))
    }
}

fn join(rest: Bytes, sound: Bytes) -> Bytes {
    if rest.is_empty() {
        return sound;
    }
    let mut joined = BytesMut::with_capacity(rest.len() + sound.len());
    joined.extend_from_slice(&rest);
    joined.extend_from_slice(&sound);
    joined.freeze()
}

const _: () = assert!(SOUND_BYTES_MAX.is_multiple_of(SAMPLE_BYTES_MAX), "pieces are cut between samples");

#[cfg(test)]
mod tests {
    use super::*;

    fn track() -> TrackId {
        TrackId::parse("t").unwrap()
    }

    fn tracks(encoding: Encoding) -> OwnTracks {
        let mut tracks = OwnTracks::default();
        tracks.add(track(), encoding);
        tracks.taken(&track(), WorkerId::parse("w").unwrap());
        tracks
    }

    fn lengths(tracks: &mut OwnTracks, bytes: usize) -> Vec<usize> {
        let (_, pieces) = tracks.pieces(&track(), vec![0; bytes].into()).unwrap();
        pieces.iter().map(Bytes::len).collect()
    }

    #[test]
    fn samples_are_never_cut() {
        let mut stereo = tracks(Encoding::Pcm16 { sample_rate_hz: 16_000, channels: 2 });
        assert_eq!(lengths(&mut stereo, 3), [0; 0]);
        assert_eq!(lengths(&mut stereo, 6), [8]);
        assert_eq!(lengths(&mut stereo, 3), [4]);
        let mut mono = tracks(Encoding::Pcm16 { sample_rate_hz: 16_000, channels: 1 });
        assert_eq!(lengths(&mut mono, SOUND_BYTES_MAX * 2 + 5), [SOUND_BYTES_MAX, SOUND_BYTES_MAX, 4]);
        mono.interrupt(&track());
        assert_eq!(lengths(&mut mono, 2), [2], "nothing is left of what was taken back");
    }

    #[test]
    fn packets_stay_whole() {
        assert_eq!(lengths(&mut tracks(Encoding::Opus), 61), [61]);
    }

    #[test]
    fn a_track_is_waited_for_until_the_worker_has_it() {
        let mut tracks = OwnTracks::default();
        assert!(!tracks.is_waiting());
        tracks.add(track(), Encoding::Opus);
        assert!(tracks.is_waiting());
        assert_eq!(tracks.pieces(&track(), Bytes::new()), None);
        tracks.taken(&track(), WorkerId::parse("w").unwrap());
        assert!(!tracks.is_waiting());
        tracks.remove(&track());
        assert_eq!(tracks.pieces(&track(), Bytes::new()), None);
    }
}
