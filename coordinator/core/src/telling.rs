//! When a change of the records is told, and when it is not.
//!
//! Rooms and peers come by two watches. A peer whose room is not known yet is told of together with
//! its room; once a room is told to be gone, nothing more is told of its peers. Voices come by a
//! third way, so that a track which ends while it speaks may be gone before it is silent: whoever
//! was told to speak is told to be silent first.

use std::collections::BTreeSet;

use velella_model::record::PeerRecord;
use velella_model::wire::signal::{Voice, VoiceChanged};
use velella_model::{PeerId, RoomId, TrackId};

use crate::Coordinator;
use crate::input::Noun;
use crate::notice::{Hook, Notice, Told, Track, of_peer};
use crate::output::Output;
use crate::records::News;

/// What of the store this coordinator has seen whole, since what it finds there at its start is no
/// news; and what it has told that an end has to follow.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    rooms_listed: bool,
    peers_listed: bool,
    /// Only of tracks that the records know.
    speaking: BTreeSet<(RoomId, PeerId, TrackId)>,
}

impl Telling {
    /// Takes note of a listing; whether what it shows is news. Later ones tell the difference.
    pub(crate) fn listed(&mut self, noun: Noun) -> bool {
        let listed = match noun {
            Noun::Rooms => &mut self.rooms_listed,
            Noun::Peers => &mut self.peers_listed,
            Noun::Workers | Noun::Cordons | Noun::Coordinators => return false,
        };
        std::mem::replace(listed, true)
    }

    /// Whether a record that was read by its key, and was not known, is news.
    pub(crate) fn of_loads(&self) -> bool {
        self.rooms_listed && self.peers_listed
    }

    /// Whether the voice of a known track is another one than was told last.
    fn is_new(&mut self, VoiceChanged { room, peer, track, voice }: &VoiceChanged) -> bool {
        let id = (room.clone(), peer.clone(), track.clone());
        match voice {
            Voice::Speech => self.speaking.insert(id),
            Voice::Silence => self.speaking.remove(&id),
        }
    }

    /// What has to be told before.
    fn silence_before(&mut self, room: &RoomId, told: &Told) -> Option<Told> {
        let Told::Track(peer, track, Track::Removed(_)) = told else { return None };
        let spoke = self.speaking.remove(&(room.clone(), peer.clone(), track.clone()));
        spoke.then(|| Told::VoiceChanged(peer.clone(), track.clone(), Voice::Silence))
    }
}

impl Coordinator {
    /// Tells what a change of the records means.
    pub(crate) fn tell(&mut self, news: &News) {
        match news {
            News::RoomPut(room, None) => self.tell_of_room(room),
            News::RoomPut(_, Some(_)) => {}
            News::RoomGone(room, before) => self.tell_of_rooms_end(room, &Hook::of(&before.spec)),
            News::PeerPut(room, peer, before) | News::PeerGone(room, peer, before) => {
                self.tell_of_peer(room, peer, before.as_deref());
            }
        }
    }

    fn tell_of_room(&mut self, room: &RoomId) {
        let Some(hook) = self.hook(room) else { return };
        self.notice(room, &hook, [Told::RoomCreated]);
        let told: Vec<Told> =
            self.records.members(room).flat_map(|(peer, record)| of_peer(peer, None, Some(record))).collect();
        self.notice(room, &hook, told);
    }

    fn tell_of_rooms_end(&mut self, room: &RoomId, hook: &Hook) {
        let told: Vec<Told> =
            self.records.members(room).flat_map(|(peer, record)| of_peer(peer, Some(record), None)).collect();
        self.notice(room, hook, told);
        self.notice(room, hook, [Told::RoomDeleted]);
    }

    fn tell_of_peer(&mut self, room: &RoomId, peer: &PeerId, before: Option<&PeerRecord>) {
        let Some(hook) = self.hook(room) else { return };
        let told = of_peer(peer, before, self.records.peer(room, peer));
        self.notice(room, &hook, told);
    }

    /// A voice is told of if its track is known; it is worth nothing a moment later.
    pub(crate) fn heard(&mut self, change: VoiceChanged) {
        let VoiceChanged { room, peer, track, voice } = &change;
        let is_known = |record: &PeerRecord| !record.kind.is_of_livestream() && record.tracks.contains_key(track);
        let known = self.records.peer(room, peer).is_some_and(is_known);
        let Some(hook) = self.hook(room).filter(|_| known) else { return };
        if self.telling.is_new(&change) {
            self.notice(room, &hook, [Told::VoiceChanged(peer.clone(), track.clone(), *voice)]);
        }
    }

    fn hook(&self, room: &RoomId) -> Option<Hook> {
        self.records.room(room).map(|record| Hook::of(&record.spec))
    }

    fn notice(&mut self, room: &RoomId, hook: &Hook, told: impl IntoIterator<Item = Told>) {
        for told in told {
            let silence = self.telling.silence_before(room, &told);
            for told in silence.into_iter().chain([told]) {
                self.emit(Output::Notice(Notice { room: room.clone(), told, hook: hook.clone() }));
            }
        }
    }
}
