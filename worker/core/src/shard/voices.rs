//! Who speaks: told to those who receive the track, and to the coordinators.

use std::time::Instant;

use velella_model::wire::signal::{ServerEvent, VoiceChanged};

use super::{Output, Shard};
use crate::room::{Room, RoomKey, Track, TrackKey};
use crate::session::SessionKey;

impl Shard {
    /// Speech of a track began or ended. Only sessions whose line carries the track are told:
    /// clients throw on the voice of a track that they do not have.
    pub(super) fn voice_changed(&mut self, room_key: RoomKey, track_key: TrackKey) {
        let Some(room) = self.rooms.get(room_key.0) else { return };
        let Some(track) = room.track(track_key) else { return };
        let (id, voice) = (track.id.clone(), track.voice.voice());
        let receivers: Vec<SessionKey> = track.subscriptions.iter().map(|s| s.session).collect();
        self.outputs.push_back(Output::Voice(changed(room, track)));
        for receiver in receivers {
            self.tell(receiver, ServerEvent::VadNotification { track: id.clone(), voice });
        }
    }

    /// Ends the speech of tracks that have been quiet or without packets for long enough.
    pub(super) fn tick_voices(&mut self, room_key: RoomKey, now: Instant) {
        let Some(room) = self.rooms.get_mut(room_key.0) else { return };
        let mut ended = Vec::new();
        for (key, track) in &mut room.tracks {
            if track.voice.pass(now) {
                ended.push(TrackKey(key));
            }
        }
        for track in ended {
            self.voice_changed(room_key, track);
        }
    }
}

/// What coordinators are told of a track's voice as it is now.
pub(super) fn changed(room: &Room, track: &Track) -> VoiceChanged {
    VoiceChanged {
        room: room.assignment.room.clone(),
        peer: track.peer.clone(),
        track: track.id.clone(),
        voice: track.voice.voice(),
    }
}
