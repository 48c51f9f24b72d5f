//! What servers are told, from the changes of the store in their order: pure, a machine of its own.
//!
//! It sees every change once, as the store made it, and knows nothing else. So every coordinator
//! tells the same of a change, under the same number, and so does one that reads the store as of an
//! earlier revision and goes on from there.
//!
//! A peer or component whose room is not known yet is told of together with its room; once a room is told to
//! be gone, nothing more is told of what was in it. Voices do not come from the store and carry no number; a
//! track that ends while it speaks may be gone before it is silent, so whoever was told to speak is
//! told to be silent first.
//!
//! That a broadcast can be watched is told once for its component, whichever gateways go on with it. Who begins
//! while it is interrupted cannot know that it was told, and tells it when it goes on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use velella_model::component::{ComponentRecord, IngestRecord, IngestState, JobKind};
use velella_model::record::{PeerRecord, RoomRecord};
use velella_model::wire::signal::{Voice, VoiceChanged};
use velella_model::{ComponentId, PeerId, RoomId, TrackId};

use crate::input::{Entry, Fact, Revision};
use crate::notice::{Hook, Notice, Publisher, Told, Track, of_ingest, of_peer};

/// Notices of one revision that are numbered; those beyond are told without a number. The end of a
/// room is the change with the most, a few for each peer.
pub const NUMBERED_MAX: u64 = 1 << INDEX_BITS;

const INDEX_BITS: u32 = 16;

/// The number of a notice: it rises within a room, and is the same whoever tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The last number that a notice of this revision can have.
    pub fn last_of(revision: Revision) -> Self {
        Self((revision.0 << INDEX_BITS) | (NUMBERED_MAX - 1))
    }

    /// The change that the notice is of.
    pub fn revision(self) -> Revision {
        Revision(self.0 >> INDEX_BITS)
    }
}

/// The machine. Give it a listing first, then every change after that.
#[derive(Debug, Default)]
pub struct Chronicle {
    rooms: BTreeMap<RoomId, Hook>,
    peers: BTreeMap<RoomId, BTreeMap<PeerId, PeerRecord>>,
    ingests: BTreeMap<RoomId, BTreeMap<ComponentId, IngestRecord>>,
    /// Broadcasts, and whether each could be watched already.
    broadcasts: BTreeMap<RoomId, BTreeMap<ComponentId, bool>>,
    /// Only tracks of peers that the records know.
    speaking: BTreeSet<(RoomId, PeerId, TrackId)>,
    seen: Option<Revision>,
    /// Only rooms with a webhook of their own are told of.
    hooked_only: bool,
    numbering: Numbering,
    outputs: VecDeque<Notice>,
}

#[derive(Debug, Default)]
enum Numbering {
    /// What a listing shows happened in steps that nobody saw: a number would be a guess.
    #[default]
    Unknown,
    /// The next notice of this revision has this index.
    Of(Revision, u64),
}

impl Numbering {
    fn next(&mut self) -> Option<Sequence> {
        let Self::Of(revision, index) = self else { return None };
        let sequence = Sequence((revision.0 << INDEX_BITS) | *index);
        let numbered = *index < NUMBERED_MAX;
        *index += 1;
        numbered.then_some(sequence)
    }
}

impl Chronicle {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, for who is only interested in rooms with a webhook of their own.
    pub fn of_hooked_rooms() -> Self {
        Self { hooked_only: true, ..Self::default() }
    }

    /// Takes the whole store. The first time it is where everything begins, and no news; later it
    /// tells the difference, without numbers.
    pub fn listed(&mut self, mut entries: Vec<Entry>, revision: Revision) {
        self.numbering = Numbering::Unknown;
        let is_news = self.seen.is_some();
        let gone = self.gone(&entries);
        // What a gateway says of a component tells nothing before that is known, whose record may be newer.
        entries.sort_by_key(|entry| (!matches!(entry.fact, Fact::Component(..)), entry.revision));
        for fact in gone.into_iter().chain(entries.into_iter().map(|entry| entry.fact)) {
            self.take(fact);
        }
        if !is_news {
            self.outputs.clear();
        }
        self.passed(revision);
    }

    /// Takes the next change.
    pub fn changed(&mut self, Entry { fact, revision }: Entry) {
        if !matches!(self.numbering, Numbering::Of(of, _) if of == revision) {
            self.numbering = Numbering::Of(revision, 0);
        }
        self.take(fact);
        self.passed(revision);
    }

    /// The store has come this far, with changes that say nothing here.
    pub fn passed(&mut self, revision: Revision) {
        self.seen = self.seen.max(Some(revision));
    }

    /// A voice is told of if its track is known and it is news; it is worth nothing a moment later.
    pub fn heard(&mut self, VoiceChanged { room, peer, track, voice }: VoiceChanged) {
        let is_known = |record: &PeerRecord| !record.kind.is_of_livestream() && record.tracks.contains_key(&track);
        let known = self.peers.get(&room).and_then(|members| members.get(&peer)).is_some_and(is_known);
        let Some(hook) = self.rooms.get(&room).filter(|hook| known && self.wants(hook)).cloned() else { return };
        let id = (room.clone(), peer.clone(), track.clone());
        let is_news = match voice {
            Voice::Speech => self.speaking.insert(id),
            Voice::Silence => self.speaking.remove(&id),
        };
        if is_news {
            let told = Told::VoiceChanged(peer, track, voice);
            self.outputs.push_back(Notice { room, told, hook, sequence: None });
        }
    }

    /// How far the store was seen; nowhere before the first listing.
    pub fn seen(&self) -> Option<Revision> {
        self.seen
    }

    /// The next notice; `None` until something happens again.
    pub fn poll_output(&mut self) -> Option<Notice> {
        self.outputs.pop_front()
    }

    /// What is known and not listed any more, rooms last.
    fn gone(&self, listed: &[Entry]) -> Vec<Fact> {
        let (mut rooms, mut peers) = (BTreeSet::new(), BTreeSet::new());
        let (mut ingests, mut components) = (BTreeSet::new(), BTreeSet::new());
        for entry in listed {
            match &entry.fact {
                Fact::Room(room, _) => drop(rooms.insert(room)),
                Fact::Peer(room, peer, _) => drop(peers.insert((room, peer))),
                Fact::Ingest(room, component, _) => drop(ingests.insert((room, component))),
                Fact::Component(room, component, _) => drop(components.insert((room, component))),
                Fact::Gateway(..) | Fact::Fleet(_) => {}
            }
        }
        let known_broadcasts = self.broadcasts.iter().flat_map(|(room, of)| of.keys().map(move |id| (room, id)));
        let gone_broadcasts = known_broadcasts.filter(|known| !components.contains(known));
        let gone_broadcasts = gone_broadcasts.map(|(room, id)| Fact::Component(room.clone(), id.clone(), None));
        let known_ingests =
            self.ingests.iter().flat_map(|(room, of)| of.keys().map(move |component| (room, component)));
        let gone_ingests = known_ingests.filter(|known| !ingests.contains(known));
        let gone_ingests = gone_ingests.map(|(room, id)| Fact::Ingest(room.clone(), id.clone(), None));
        let known_peers = self.peers.iter().flat_map(|(room, members)| members.keys().map(move |peer| (room, peer)));
        let gone_peers = known_peers.filter(|known| !peers.contains(known));
        let gone_rooms = self.rooms.keys().filter(|room| !rooms.contains(room));
        let gone_peers = gone_peers.map(|(room, peer)| Fact::Peer(room.clone(), peer.clone(), None));
        let gone_rooms = gone_rooms.map(|room| Fact::Room(room.clone(), None));
        gone_broadcasts.chain(gone_ingests).chain(gone_peers).chain(gone_rooms).collect()
    }

    fn take(&mut self, fact: Fact) {
        match fact {
            Fact::Room(room, Some(record)) => self.room_stands(room, &record),
            Fact::Room(room, None) => self.room_gone(&room),
            Fact::Peer(room, peer, record) => self.peer_changed(&room, peer, record),
            Fact::Ingest(room, component, record) => self.ingest_changed(&room, component, record),
            Fact::Component(room, component, record) => self.component_changed(room, component, record.as_ref()),
            Fact::Gateway(..) | Fact::Fleet(_) => {}
        }
    }

    fn room_stands(&mut self, room: RoomId, record: &RoomRecord) {
        let hook = Hook::of(&record.spec);
        let known = self.rooms.insert(room.clone(), hook.clone()).is_some();
        if !self.wants(&hook) {
            // The end of its tracks will not be told either.
            self.speaking.retain(|(of, ..)| *of != room);
        }
        if known || !self.wants(&hook) {
            return;
        }
        let members = self.members(&room).flat_map(|(peer, record)| of_peer(peer, None, Some(record)));
        let components = self.components(&room).flat_map(|(id, record)| of_ingest(id, None, Some(record)));
        let playable = self.live_broadcasts(&room).map(Told::Playable);
        let told: Vec<Told> =
            [Told::RoomCreated].into_iter().chain(members).chain(components).chain(playable).collect();
        self.tell(&room, &hook, told);
    }

    fn room_gone(&mut self, room: &RoomId) {
        let Some(hook) = self.rooms.remove(room).filter(|hook| self.wants(hook)) else { return };
        let members = self.members(room).flat_map(|(peer, record)| of_peer(peer, Some(record), None));
        let components = self.components(room).flat_map(|(id, record)| of_ingest(id, Some(record), None));
        let told: Vec<Told> = members.chain(components).chain([Told::RoomDeleted]).collect();
        self.tell(room, &hook, told);
    }

    fn peer_changed(&mut self, room: &RoomId, peer: PeerId, record: Option<PeerRecord>) {
        let hook = self.rooms.get(room).filter(|hook| self.wants(hook)).cloned();
        let members = self.peers.entry(room.clone()).or_default();
        let before = members.remove(&peer);
        let is_change = before.is_some() || record.is_some();
        let told = hook.filter(|_| is_change).map(|hook| (hook, of_peer(&peer, before.as_ref(), record.as_ref())));
        if let Some(record) = record {
            members.insert(peer, record);
        }
        if members.is_empty() {
            self.peers.remove(room);
        }
        if let Some((hook, told)) = told {
            self.tell(room, &hook, told);
        }
    }

    fn ingest_changed(&mut self, room: &RoomId, component: ComponentId, record: Option<IngestRecord>) {
        let components = self.ingests.entry(room.clone()).or_default();
        let before = components.remove(&component);
        let mut told = of_ingest(&component, before.as_ref(), record.as_ref());
        if becomes_live(before.as_ref(), record.as_ref())
            && let Some(playable) = self.broadcasts.get_mut(room).and_then(|of| of.get_mut(&component))
            && !std::mem::replace(playable, true)
        {
            told.push(Told::Playable(component.clone()));
        }
        if let Some(record) = record {
            components.insert(component, record);
        }
        if components.is_empty() {
            self.ingests.remove(room);
        }
        if let Some(hook) = self.rooms.get(room).filter(|hook| self.wants(hook)).cloned() {
            self.tell(room, &hook, told);
        }
    }

    fn component_changed(&mut self, room: RoomId, component: ComponentId, record: Option<&ComponentRecord>) {
        let broadcasts = self.broadcasts.entry(room.clone()).or_default();
        if record.is_some_and(|record| record.spec.kind() == JobKind::Hls) {
            broadcasts.entry(component).or_default();
        } else {
            broadcasts.remove(&component);
        }
        if broadcasts.is_empty() {
            self.broadcasts.remove(&room);
        }
    }

    fn wants(&self, hook: &Hook) -> bool {
        !self.hooked_only || hook.url.is_some()
    }

    fn members(&self, room: &RoomId) -> impl Iterator<Item = (&PeerId, &PeerRecord)> {
        self.peers.get(room).into_iter().flatten()
    }

    fn components(&self, room: &RoomId) -> impl Iterator<Item = (&ComponentId, &IngestRecord)> {
        self.ingests.get(room).into_iter().flatten()
    }

    fn live_broadcasts(&self, room: &RoomId) -> impl Iterator<Item = ComponentId> {
        let is_broadcast = |id: &ComponentId| self.broadcasts.get(room).is_some_and(|of| of.contains_key(id));
        let live = self.components(room).filter(|(_, ingest)| ingest.state == IngestState::Live);
        live.map(|(id, _)| id).filter(move |id| is_broadcast(id)).cloned()
    }

    fn tell(&mut self, room: &RoomId, hook: &Hook, told: Vec<Told>) {
        for told in told {
            if let Some(silence) = self.silence_before(room, &told) {
                self.outputs.push_back(Notice {
                    room: room.clone(),
                    told: silence,
                    hook: hook.clone(),
                    sequence: None,
                });
            }
            let sequence = self.numbering.next();
            self.outputs.push_back(Notice { room: room.clone(), told, hook: hook.clone(), sequence });
        }
    }

    /// What has to be told before.
    fn silence_before(&mut self, room: &RoomId, told: &Told) -> Option<Told> {
        let Told::Track(Publisher::Peer(peer), track, Track::Removed(_)) = told else { return None };
        let spoke = self.speaking.remove(&(room.clone(), peer.clone(), track.clone()));
        spoke.then(|| Told::VoiceChanged(peer.clone(), track.clone(), Voice::Silence))
    }
}

/// Whether it was not live before, as this job of its gateway.
fn becomes_live(before: Option<&IngestRecord>, after: Option<&IngestRecord>) -> bool {
    let is_live = |record: &&IngestRecord| record.state == IngestState::Live;
    let before = before.filter(is_live).map(|before| before.generation);
    after.filter(is_live).is_some_and(|after| before != Some(after.generation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::name;
    use crate::testing::{broadcast, component, ingest, job, peer, peer_record, publishing, room, room_record};
    use velella_model::Generation;

    #[test]
    fn numbers_come_from_the_revision_and_rise_within_it() {
        let mut chronicle = begun(vec![], 1);
        chronicle.changed(a_room("r", 2));
        chronicle.changed(a_peer("p", 3));
        chronicle.changed(a_peer("q", 4));
        chronicle.changed(Entry { fact: Fact::Room(room("r"), None), revision: Revision(9) });
        let number = |revision: u64, index: u64| Some((revision << 16) + index);
        let expected = [
            ("RoomCreated", number(2, 0)),
            ("Added", number(3, 0)),
            ("Added", number(4, 0)),
            ("Deleted", number(9, 0)),
            ("Deleted", number(9, 1)),
            ("RoomDeleted", number(9, 2)),
        ];
        assert_eq!(told(&mut chronicle), expected);
    }

    #[test]
    fn who_begins_later_tells_the_same_of_what_follows() {
        let changes = [a_room("r", 2), a_peer("p", 3), gone("p", 4), a_peer("q", 5)];
        let mut first = begun(vec![], 1);
        changes.iter().for_each(|change| first.changed(change.clone()));
        let mut second = begun(vec![a_peer("p", 3), a_room("r", 2)], 3);
        changes[2..].iter().for_each(|change| second.changed(change.clone()));
        assert_eq!(told(&mut first)[2..], told(&mut second));
    }

    #[test]
    fn a_voice_takes_no_number() {
        let mut chronicle = begun(vec![a_room("r", 1), a_peer("p", 1)], 1);
        let mut record = publishing("s1");
        chronicle
            .changed(Entry { fact: Fact::Peer(room("r"), peer("p"), Some(record.clone())), revision: Revision(2) });
        let track = TrackId::parse("t").unwrap();
        chronicle.heard(VoiceChanged { room: room("r"), peer: peer("p"), track, voice: Voice::Speech });
        record.tracks.clear();
        chronicle.changed(Entry { fact: Fact::Peer(room("r"), peer("p"), Some(record)), revision: Revision(3) });
        let told: Vec<_> = told(&mut chronicle).into_iter().skip_while(|(name, _)| *name != "VoiceChanged").collect();
        assert_eq!(told, [("VoiceChanged", None), ("VoiceChanged", None), ("TrackRemoved", Some(3 << 16))]);
    }

    #[test]
    fn what_a_later_listing_shows_has_no_number_and_what_follows_has() {
        let mut chronicle = begun(vec![a_room("r", 1), a_peer("p", 1)], 1);
        chronicle.listed(vec![a_peer("q", 6), a_room("s", 5), a_room("r", 1)], Revision(7));
        let none = |name| (name, None);
        // Of the room's own revision, before the peer that came after it.
        assert_eq!(told(&mut chronicle), ["Deleted", "RoomCreated", "Added"].map(none));
        chronicle.changed(gone("q", 8));
        assert_eq!(told(&mut chronicle), [("Deleted", Some(8 << 16))]);
        assert_eq!(chronicle.seen(), Some(Revision(8)));
    }

    #[test]
    fn rooms_without_a_webhook_can_be_left_out_and_nobody_elses_number_changes() {
        let mut chronicle = Chronicle::of_hooked_rooms();
        let mut hooked = room_record("w1");
        hooked.spec.webhook_url = Some("http://h/".into());
        chronicle.listed(vec![a_room("r", 1), a_peer("p", 2)], Revision(2));
        chronicle.changed(a_peer("q", 3));
        chronicle.changed(Entry { fact: Fact::Room(room("r"), Some(hooked)), revision: Revision(4) });
        chronicle.changed(gone("p", 5));
        assert_eq!(told(&mut chronicle), [("Deleted", Some(5 << 16))]);
    }

    #[test]
    fn tracks_of_components_come_and_go_with_them_and_with_the_room() {
        let mut chronicle = begun(vec![a_room("r", 1)], 1);
        let mut record = ingest(job("g1", 1), IngestState::Live);
        record.tracks = publishing("s1").tracks;
        let live = Fact::Ingest(room("r"), component("c"), Some(record));
        chronicle.changed(Entry { fact: live.clone(), revision: Revision(2) });
        chronicle.changed(Entry { fact: Fact::Ingest(room("r"), component("c"), None), revision: Revision(3) });
        chronicle.changed(Entry { fact: live, revision: Revision(4) });
        chronicle.changed(Entry { fact: Fact::Room(room("r"), None), revision: Revision(5) });
        chronicle.changed(Entry { fact: Fact::Ingest(room("r"), component("c"), None), revision: Revision(6) });
        let number = |revision: u64, index: u64| Some((revision << 16) + index);
        let expected = [
            ("TrackAdded", number(2, 0)),
            ("TrackRemoved", number(3, 0)),
            ("TrackAdded", number(4, 0)),
            ("TrackRemoved", number(5, 0)),
            ("RoomDeleted", number(5, 1)),
        ];
        assert_eq!(told(&mut chronicle), expected);
    }

    #[test]
    fn a_broadcast_can_be_watched_once_however_often_it_goes_live() {
        let mut chronicle = begun(vec![a_room("r", 1)], 1);
        let mut revision = 1;
        let mut change = |fact| {
            revision += 1;
            chronicle.changed(Entry { fact, revision: Revision(revision) });
            told(&mut chronicle).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        let stands = |record| Fact::Component(room("r"), component("c"), record);
        let says = |record| Fact::Ingest(room("r"), component("c"), record);
        let state = |state| says(Some(ingest(job("g1", 1), state)));
        let again = IngestRecord { generation: Generation(9), ..ingest(job("g1", 1), IngestState::Live) };
        let nothing = Vec::<&str>::new();
        assert_eq!(change(stands(Some(broadcast(None)))), nothing);
        assert_eq!(change(state(IngestState::Connecting)), nothing);
        assert_eq!(change(state(IngestState::Live)), ["Playable"]);
        assert_eq!(change(state(IngestState::Retrying)), nothing);
        assert_eq!(change(state(IngestState::Live)), nothing);
        assert_eq!(change(says(None)), nothing);
        assert_eq!(change(says(Some(ingest(job("g2", 1), IngestState::Live)))), nothing, "another gateway goes on");
        assert_eq!(change(stands(None)), nothing);
        assert_eq!(change(stands(Some(broadcast(None)))), nothing, "what is told yet is of the one before");
        assert_eq!(change(says(Some(ingest(job("g2", 1), IngestState::Live)))), nothing, "and so is this");
        assert_eq!(change(says(Some(again))), ["Playable"]);
    }

    #[test]
    fn a_broadcast_that_a_listing_shows_live_is_told_of_unless_it_is_the_first() {
        let entry = |fact, revision| Entry { fact, revision: Revision(revision) };
        let stands = |revision| entry(Fact::Component(room("r"), component("c"), Some(broadcast(None))), revision);
        let live = ingest(job("g1", 1), IngestState::Live);
        let live = |revision| entry(Fact::Ingest(room("r"), component("c"), Some(live.clone())), revision);
        let mut chronicle = begun(vec![a_room("r", 1), stands(2), live(3)], 3);
        chronicle.changed(entry(Fact::Ingest(room("r"), component("c"), None), 4));
        chronicle.changed(live(5));
        assert_eq!(told(&mut chronicle), []);
        let mut chronicle = begun(vec![a_room("r", 1)], 1);
        // Its record was written again since it is live.
        chronicle.listed(vec![a_room("r", 1), live(3), stands(4)], Revision(4));
        assert_eq!(told(&mut chronicle), [("Playable", None)]);
        let mut chronicle = begun(vec![], 1);
        chronicle.changed(stands(2));
        chronicle.changed(live(3));
        assert_eq!(told(&mut chronicle), [], "of a room that is not known");
        chronicle.changed(a_room("r", 4));
        assert_eq!(told(&mut chronicle), [("RoomCreated", Some(4 << 16)), ("Playable", Some((4 << 16) + 1))]);
    }

    #[test]
    fn no_number_reaches_into_the_next_revision() {
        let mut numbering = Numbering::Of(Revision(1), NUMBERED_MAX - 1);
        assert_eq!(numbering.next(), Some(Sequence::last_of(Revision(1))));
        assert_eq!(numbering.next(), None);
        assert_eq!(Sequence::last_of(Revision(1)).revision(), Revision(1));
    }

    fn begun(entries: Vec<Entry>, revision: u64) -> Chronicle {
        let mut chronicle = Chronicle::new();
        chronicle.listed(entries, Revision(revision));
        assert_eq!(chronicle.poll_output(), None);
        chronicle
    }

    fn told(chronicle: &mut Chronicle) -> Vec<(&'static str, Option<u64>)> {
        let notices = std::iter::from_fn(|| chronicle.poll_output());
        notices.map(|notice| (name(&notice.told), notice.sequence.map(|sequence| sequence.0))).collect()
    }

    fn a_room(id: &str, revision: u64) -> Entry {
        Entry { fact: Fact::Room(room(id), Some(room_record("w1"))), revision: Revision(revision) }
    }

    fn a_peer(id: &str, revision: u64) -> Entry {
        Entry { fact: Fact::Peer(room("r"), peer(id), Some(peer_record())), revision: Revision(revision) }
    }

    fn gone(id: &str, revision: u64) -> Entry {
        Entry { fact: Fact::Peer(room("r"), peer(id), None), revision: Revision(revision) }
    }
}
