//! A room: its members, their tracks, and who receives what.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use slab::Slab;
use str0m::media::{Mid, Pt, Rid};
use velella_model::wire::command::Assignment;
use velella_model::wire::signal::{Simulcast, Track as TrackView};
use velella_model::{Json, MediaKind, PeerId, TrackId, Variant};

use crate::keyframe;
use crate::negotiation::SlotIndex;
use crate::selector::Available;
use crate::session::SessionKey;
use crate::voice;

/// Tracks of one peer. The client takes camera, microphone, screen and its sound, and custom ones.
pub(crate) const TRACKS_PER_PEER_MAX: usize = 16;
/// An encoding without packets for this long does not count as flowing. Chrome sends at least
/// 5 frames per second while a layer is on.
const ENCODING_SILENCE_MAX: Duration = Duration::from_millis(1_000);

/// Index of a room in its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RoomKey(pub(crate) usize);

/// Index of a track in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TrackKey(pub(crate) usize);

/// A room on this shard.
pub(crate) struct Room {
    pub(crate) assignment: Assignment,
    pub(crate) members: BTreeMap<PeerId, SessionKey>,
    pub(crate) tracks: Slab<Track>,
    by_id: BTreeMap<TrackId, TrackKey>,
}

/// Where the packets of a track come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An m-line of its publisher.
    Line(Mid),
    /// The voice of an agent.
    Agent {
        /// Number of its next packet.
        next_sequence: u64,
    },
}

/// A published track.
pub(crate) struct Track {
    pub(crate) id: TrackId,
    pub(crate) owner: SessionKey,
    pub(crate) peer: PeerId,
    pub(crate) kind: MediaKind,
    pub(crate) origin: Origin,
    /// Payload type under which the publisher sends redundant audio.
    pub(crate) red: Option<Pt>,
    pub(crate) metadata: Json,
    /// Name of the media stream that others find it in.
    pub(crate) stream: String,
    /// One, or one per simulcast rid.
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) subscriptions: Vec<Subscription>,
    /// Which encodings flowed at the last look.
    pub(crate) available: Available,
    /// Stays silent for video.
    pub(crate) voice: voice::Detector,
}

/// One stream of a track.
#[derive(Debug)]
pub(crate) struct Encoding {
    pub(crate) variant: Variant,
    pub(crate) rid: Option<Rid>,
    /// The publisher says that it sends it.
    pub(crate) enabled: bool,
    pub(crate) last_packet_at: Option<Instant>,
    pub(crate) keyframes: keyframe::Requests,
}

/// A session that receives a track, and on which of its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) session: SessionKey,
    pub(crate) slot: SlotIndex,
}

impl Room {
    pub(crate) fn new(assignment: Assignment) -> Self {
        Self { assignment, members: BTreeMap::new(), tracks: Slab::new(), by_id: BTreeMap::new() }
    }

    pub(crate) fn track(&self, key: TrackKey) -> Option<&Track> {
        self.tracks.get(key.0)
    }

    pub(crate) fn track_mut(&mut self, key: TrackKey) -> Option<&mut Track> {
        self.tracks.get_mut(key.0)
    }

    pub(crate) fn track_by_id(&self, id: &TrackId) -> Option<TrackKey> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn publish(&mut self, track: Track) -> TrackKey {
        let id = track.id.clone();
        let key = TrackKey(self.tracks.insert(track));
        self.by_id.insert(id, key);
        key
    }

    pub(crate) fn unpublish(&mut self, key: TrackKey) -> Option<Track> {
        let track = self.tracks.try_remove(key.0)?;
        self.by_id.remove(&track.id);
        Some(track)
    }

    /// Tracks of one member, in no particular order.
    pub(crate) fn tracks_of(&self, owner: SessionKey) -> Vec<TrackKey> {
        self.tracks.iter().filter(|(_, t)| t.owner == owner).map(|(k, _)| TrackKey(k)).collect()
    }

    /// Tracks of all members but one.
    pub(crate) fn tracks_for(&self, member: SessionKey) -> impl Iterator<Item = (TrackKey, &Track)> {
        self.tracks.iter().filter(move |(_, t)| t.owner != member).map(|(k, t)| (TrackKey(k), t))
    }

    /// All members but one.
    pub(crate) fn others(&self, member: SessionKey) -> Vec<SessionKey> {
        self.members.values().copied().filter(|k| *k != member).collect()
    }
}

impl Track {
    /// The m-line that it comes on, if any.
    pub(crate) fn mid(&self) -> Option<Mid> {
        match self.origin {
            Origin::Line(mid) => Some(mid),
            Origin::Agent { .. } => None,
        }
    }

    /// As others see it.
    pub(crate) fn view(&self) -> TrackView {
        let variants = |enabled: bool| {
            self.encodings.iter().filter(|e| e.enabled == enabled).map(|e| e.variant).collect::<Vec<_>>()
        };
        let simulcast = self.is_simulcast().then(|| Simulcast { enabled: variants(true), disabled: variants(false) });
        TrackView { metadata: self.metadata.clone(), simulcast }
    }

    pub(crate) fn is_simulcast(&self) -> bool {
        self.encodings.iter().any(|e| e.rid.is_some())
    }

    pub(crate) fn encoding_mut(&mut self, variant: Variant) -> Option<&mut Encoding> {
        self.encodings.iter_mut().find(|e| e.variant == variant)
    }

    /// The encoding of a received stream; a stream without rid belongs to a track without simulcast.
    pub(crate) fn variant_of(&self, rid: Option<Rid>) -> Option<Variant> {
        self.encodings.iter().find(|e| e.rid == rid).map(|e| e.variant)
    }

    /// Looks which encodings flow. Returns whether that changed.
    pub(crate) fn refresh_available(&mut self, now: Instant) -> bool {
        let flowing = |e: &&Encoding| {
            let fresh = |at: Instant| now.saturating_duration_since(at) < ENCODING_SILENCE_MAX;
            // A track without simulcast is what it is: muted or not, there is nothing to choose.
            e.rid.is_none() || e.enabled && e.last_packet_at.is_some_and(fresh)
        };
        let available = self.encodings.iter().filter(flowing).fold(Available::default(), |a, e| a.with(e.variant));
        std::mem::replace(&mut self.available, available) != available
    }
}

/// Names that clients give to the encodings of a track, lowest first: the published ones, others that are
/// widely used.
const LADDERS: [[&str; 3]; 4] = [["l", "m", "h"], ["q", "h", "f"], ["low", "mid", "high"], ["low", "medium", "high"]];

/// The encodings of a newly published track.
pub(crate) fn encodings(rids: &[&str]) -> Vec<Encoding> {
    let encoding = |variant, rid: Option<&str>| Encoding {
        variant,
        rid: rid.map(Rid::from),
        enabled: true,
        last_packet_at: None,
        keyframes: keyframe::Requests::default(),
    };
    if rids.is_empty() {
        return vec![encoding(Variant::High, None)];
    }
    let ladder = LADDERS.iter().find(|ladder| rids.iter().all(|rid| ladder.contains(rid)));
    match ladder {
        Some(ladder) => {
            let step =
                |rid: &&&str| ladder.iter().position(|name| name == *rid).and_then(|n| Variant::ALL.get(n).copied());
            rids.iter().filter_map(|rid| Some(encoding(step(&rid)?, Some(*rid)))).collect()
        }
        // The most wanted stands first (RFC 8853 section 5.2).
        None => rids.iter().zip(Variant::ALL.into_iter().rev()).map(|(rid, v)| encoding(v, Some(*rid))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use velella_model::Variant::{High, Low, Medium};

    use super::*;

    fn variants(rids: &[&str]) -> Vec<(Option<String>, Variant)> {
        encodings(rids).iter().map(|e| (e.rid.map(|rid| rid.to_string()), e.variant)).collect()
    }

    #[test]
    fn encodings_are_told_apart_whatever_they_are_called() {
        let named =
            |table: &[(&str, Variant)]| table.iter().map(|(rid, v)| (Some((*rid).into()), *v)).collect::<Vec<_>>();
        assert_eq!(variants(&[]), [(None, High)]);
        assert_eq!(variants(&["l", "h"]), named(&[("l", Low), ("h", High)]));
        assert_eq!(variants(&["f", "h", "q"]), named(&[("f", High), ("h", Medium), ("q", Low)]));
        assert_eq!(variants(&["high", "mid"]), named(&[("high", High), ("mid", Medium)]));
        assert_eq!(variants(&["0", "1", "2", "3"]), named(&[("0", High), ("1", Medium), ("2", Low)]));
    }
}
