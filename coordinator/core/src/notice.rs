//! What is told to servers, derived from what stood in a record before and what stands there now.
//!
//! Nothing else makes a notice of a peer, component or room; the [`crate::chronicle`] says when. The order within one change is the order that server SDKs expect.

use std::collections::BTreeMap;

use velella_model::component::{IngestRecord, IngestState, Trouble};
use velella_model::record::{PeerKind, PeerRecord, RoomSpec, TrackRecord};
use velella_model::wire::signal::Voice;
use velella_model::{ComponentId, Json, PeerId, RoomId, TrackId};

use crate::chronicle::Sequence;
use crate::joining::envelope;

/// One notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Of which room.
    pub room: RoomId,
    /// What.
    pub told: Told,
    /// Where the room's notices go beside the sockets.
    pub hook: Hook,
    /// Its number; voices, and what only a later listing showed, have none.
    pub sequence: Option<Sequence>,
}

/// The webhook of a room, as it stood when a notice was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hook {
    /// The room's own receiver.
    pub url: Option<String>,
    /// Several notices in one call.
    pub batch: bool,
}

impl Hook {
    pub(crate) fn of(spec: &RoomSpec) -> Self {
        Self { url: spec.webhook_url.clone(), batch: spec.batch_webhook_notifications }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// The room stands.
    RoomCreated,
    /// The room and everybody in it is gone.
    RoomDeleted,
    /// A peer of the room.
    Peer(PeerId, PeerKind, Peer),
    /// A track of a peer or component.
    Track(Publisher, TrackId, Track),
    /// A component was given up, for this reason.
    ComponentCrashed(ComponentId, Option<Trouble>),
    /// A broadcast can be watched from now on.
    Playable(ComponentId),
    /// A data channel of a peer, by label.
    ChannelAdded(PeerId, String),
    /// It was closed.
    ChannelRemoved(PeerId, String),
    /// Somebody began or stopped speaking.
    VoiceChanged(PeerId, TrackId, Voice),
}

/// Whose a track is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publisher {
    /// A peer's.
    Peer(PeerId),
    /// A component's.
    Component(ComponentId),
}

/// What happened to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The management API made it.
    Added,
    /// Its socket showed a token.
    Connected,
    /// It told what it is, in the envelope that others see.
    Metadata(Json),
    /// Its session ended by a bug; `Disconnected` follows.
    Crashed(String),
    /// Its socket is gone.
    Disconnected,
    /// Its record is gone.
    Deleted,
}

/// What happened to a track; the record is the newest known one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Track {
    /// It is published.
    Added(TrackRecord),
    /// Its metadata changed.
    Updated(TrackRecord),
    /// It is not published any more.
    Removed(TrackRecord),
}

/// What a change of a peer record tells, in order.
pub(crate) fn of_peer(peer: &PeerId, before: Option<&PeerRecord>, after: Option<&PeerRecord>) -> Vec<Told> {
    let mut change = Change { peer, before, after, told: Vec::new() };
    change.collect();
    if after.or(before).is_some_and(|record| record.kind.is_of_livestream()) {
        change.told.retain(is_said_of_livestreams);
    }
    change.told
}

/// What a change of an ingest tells, in order.
pub(crate) fn of_ingest(
    component: &ComponentId,
    before: Option<&IngestRecord>,
    after: Option<&IngestRecord>,
) -> Vec<Told> {
    let publisher = Publisher::Component(component.clone());
    let tracks = |record: Option<&'_ IngestRecord>| record.map(|record| record.tracks.clone()).unwrap_or_default();
    let (old, new) = (tracks(before), tracks(after));
    let is_given_up = |record: &&IngestRecord| record.state == IngestState::Stopped;
    let crashed = after.filter(is_given_up).filter(|_| before.is_none_or(|before| !is_given_up(&before)));
    let crashed = crashed.map(|record| Told::ComponentCrashed(component.clone(), record.trouble.clone()));
    let mut told: Vec<Told> = crashed.into_iter().collect();
    told.extend(removed(&publisher, &old, &new));
    told.extend(added(&publisher, &old, &new));
    told
}

/// Of who takes part in a livestream, the API only has words for coming and going: to servers they
/// are no peers, so a track of theirs would be nobody's.
fn is_said_of_livestreams(told: &Told) -> bool {
    matches!(told, Told::Peer(_, _, Peer::Connected | Peer::Disconnected))
}

struct Change<'a> {
    peer: &'a PeerId,
    before: Option<&'a PeerRecord>,
    after: Option<&'a PeerRecord>,
    told: Vec<Told>,
}

impl Change<'_> {
    /// What ends comes before what begins: a takeover is a whole leave and a whole join.
    fn collect(&mut self) {
        if self.before.is_none() {
            self.of_self(Peer::Added);
        }
        if let Some(reason) = self.crash() {
            self.of_self(Peer::Crashed(reason));
        }
        self.removed();
        if connected(self.before) && !self.stays() {
            self.of_self(Peer::Disconnected);
        }
        if self.after.is_none() {
            return self.of_self(Peer::Deleted);
        }
        if connected(self.after) && !self.stays() {
            self.of_self(Peer::Connected);
        }
        if let Some(metadata) = self.metadata() {
            self.of_self(Peer::Metadata(metadata));
        }
        self.added();
    }

    fn of_self(&mut self, event: Peer) {
        if let Some(record) = self.after.or(self.before) {
            self.told.push(Told::Peer(self.peer.clone(), record.kind, event));
        }
    }

    /// Whether the connection is the same one as before.
    fn stays(&self) -> bool {
        session(self.before).is_some_and(|before| session(self.after) == Some(before))
    }

    fn crash(&self) -> Option<String> {
        let now = self.after?.crashed.as_ref()?;
        let known = self.before.and_then(|before| before.crashed.as_ref()) == Some(now);
        (!known && connected(self.before)).then(|| now.clone())
    }

    fn metadata(&self) -> Option<Json> {
        let after = self.after?;
        if !after.connection.as_ref().is_some_and(|connection| connection.joined) {
            return None;
        }
        let same = |before: &PeerRecord| {
            before.connection.as_ref().is_some_and(|connection| connection.joined)
                && before.peer_metadata == after.peer_metadata
                && before.server_metadata == after.server_metadata
        };
        let known = self.stays() && self.before.is_some_and(same);
        (!known).then(|| envelope(&after.peer_metadata, after))
    }

    fn removed(&mut self) {
        let (peer, after) = (self.peer, self.after.filter(|_| self.stays()));
        let Some(before) = self.before else { return };
        let publisher = Publisher::Peer(peer.clone());
        self.told.extend(removed(&publisher, &before.tracks, after.map_or(&BTreeMap::new(), |after| &after.tracks)));
        for label in &before.channels {
            if !after.is_some_and(|after| after.channels.contains(label)) {
                self.told.push(Told::ChannelRemoved(peer.clone(), label.clone()));
            }
        }
    }

    fn added(&mut self) {
        let (peer, before) = (self.peer, self.before.filter(|_| self.stays()));
        let Some(after) = self.after else { return };
        let publisher = Publisher::Peer(peer.clone());
        self.told.extend(added(&publisher, before.map_or(&BTreeMap::new(), |before| &before.tracks), &after.tracks));
        for label in &after.channels {
            if !before.is_some_and(|before| before.channels.contains(label)) {
                self.told.push(Told::ChannelAdded(peer.clone(), label.clone()));
            }
        }
    }
}

type Tracks = BTreeMap<TrackId, TrackRecord>;

fn removed(publisher: &Publisher, before: &Tracks, after: &Tracks) -> Vec<Told> {
    let gone = before.iter().filter(|(id, _)| !after.contains_key(id));
    gone.map(|(id, record)| Told::Track(publisher.clone(), id.clone(), Track::Removed(record.clone()))).collect()
}

fn added(publisher: &Publisher, before: &Tracks, after: &Tracks) -> Vec<Told> {
    let change = |(id, record): (&TrackId, &TrackRecord)| {
        let track = match before.get(id) {
            None => Track::Added(record.clone()),
            Some(before) if before.metadata != record.metadata => Track::Updated(record.clone()),
            Some(_) => return None,
        };
        Some(Told::Track(publisher.clone(), id.clone(), track))
    };
    after.iter().filter_map(change).collect()
}

fn connected(record: Option<&PeerRecord>) -> bool {
    session(record).is_some()
}

fn session(record: Option<&PeerRecord>) -> Option<&velella_model::SessionId> {
    record.and_then(|record| record.connection.as_ref()).map(|connection| &connection.session)
}

/// A notice in one word, for tests.
#[cfg(test)]
pub(crate) fn name(told: &Told) -> &'static str {
    match told {
        Told::RoomCreated => "RoomCreated",
        Told::RoomDeleted => "RoomDeleted",
        Told::Peer(_, _, Peer::Added) => "Added",
        Told::Peer(_, _, Peer::Connected) => "Connected",
        Told::Peer(_, _, Peer::Metadata(_)) => "Metadata",
        Told::Peer(_, _, Peer::Crashed(_)) => "Crashed",
        Told::Peer(_, _, Peer::Disconnected) => "Disconnected",
        Told::Peer(_, _, Peer::Deleted) => "Deleted",
        Told::ComponentCrashed(..) => "ComponentCrashed",
        Told::Playable(_) => "Playable",
        Told::Track(_, _, Track::Added(_)) => "TrackAdded",
        Told::Track(_, _, Track::Updated(_)) => "TrackUpdated",
        Told::Track(_, _, Track::Removed(_)) => "TrackRemoved",
        Told::ChannelAdded(..) => "ChannelAdded",
        Told::ChannelRemoved(..) => "ChannelRemoved",
        Told::VoiceChanged(..) => "VoiceChanged",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{component, coordinator_id, ingest, job, peer, peer_record, publishing, session as id};
    use velella_model::MediaKind;
    use velella_model::record::Connection;

    #[test]
    fn a_peers_life_is_told_step_by_step() {
        let (added, connected, joined) = (peer_record(), connected("s1"), publishing("s1"));
        let table = [
            (None, Some(&added), vec!["Added"]),
            (Some(&added), Some(&connected), vec!["Connected"]),
            (Some(&connected), Some(&joined), vec!["Metadata", "TrackAdded", "ChannelAdded"]),
            (Some(&joined), Some(&joined), vec![]),
            (Some(&joined), Some(&added), vec!["TrackRemoved", "ChannelRemoved", "Disconnected"]),
            (Some(&added), None, vec!["Deleted"]),
        ];
        for (before, after, expected) in table {
            assert_eq!(names(before, after), expected);
        }
    }

    #[test]
    fn steps_that_fall_into_one_change_keep_their_order() {
        let joined = publishing("s1");
        assert_eq!(names(None, Some(&joined)), ["Added", "Connected", "Metadata", "TrackAdded", "ChannelAdded"]);
        assert_eq!(names(Some(&joined), None), ["TrackRemoved", "ChannelRemoved", "Disconnected", "Deleted"]);
    }

    #[test]
    fn a_takeover_is_a_leave_and_a_join() {
        let told = names(Some(&publishing("s1")), Some(&connected("s2")));
        assert_eq!(told, ["TrackRemoved", "ChannelRemoved", "Disconnected", "Connected"]);
    }

    #[test]
    fn a_crash_is_told_before_everything_that_follows_from_it_and_only_once() {
        let before = publishing("s1");
        let crashed = PeerRecord { crashed: Some("why".into()), ..publishing("s1") };
        let gone = PeerRecord { crashed: Some("why".into()), ..peer_record() };
        assert_eq!(names(Some(&before), Some(&crashed)), ["Crashed"]);
        assert_eq!(names(Some(&crashed), Some(&gone)), ["TrackRemoved", "ChannelRemoved", "Disconnected"]);
        let both = names(Some(&before), Some(&gone));
        assert_eq!(both, ["Crashed", "TrackRemoved", "ChannelRemoved", "Disconnected"]);
        assert_eq!(names(None, Some(&gone)), ["Added"], "a crash before our time is no news");
    }

    #[test]
    fn metadata_is_told_in_its_envelope_whoever_changed_it_and_only_of_who_joined() {
        let before = publishing("s1");
        let server = PeerRecord { server_metadata: Json::parse("2").unwrap(), ..before.clone() };
        let told = of_peer(&peer("p"), Some(&before), Some(&server));
        let [Told::Peer(_, PeerKind::Webrtc, Peer::Metadata(metadata))] = &told[..] else { panic!("{told:?}") };
        assert_eq!(metadata.as_str(), r#"{"peer":null,"server":2}"#);
        let absent = PeerRecord { server_metadata: Json::parse("2").unwrap(), ..peer_record() };
        assert_eq!(names(Some(&peer_record()), Some(&absent)), [""; 0]);
    }

    #[test]
    fn who_takes_part_in_a_livestream_comes_and_goes() {
        for kind in [PeerKind::Streamer, PeerKind::Viewer] {
            let member = PeerRecord { kind, ..publishing("s1") };
            let absent = PeerRecord { kind, ..peer_record() };
            assert_eq!(names(None, Some(&absent)), [""; 0]);
            assert_eq!(names(None, Some(&member)), ["Connected"]);
            assert_eq!(names(Some(&member), None), ["Disconnected"]);
        }
    }

    #[test]
    fn a_tracks_new_metadata_is_an_update() {
        let (before, mut after) = (publishing("s1"), publishing("s1"));
        after.tracks.values_mut().for_each(|track| track.metadata = Json::parse("1").unwrap());
        assert_eq!(names(Some(&before), Some(&after)), ["TrackUpdated"]);
    }

    #[test]
    fn a_component_tells_of_its_tracks_and_once_when_it_is_given_up() {
        let track = |metadata: &str| TrackRecord { kind: MediaKind::Video, metadata: Json::parse(metadata).unwrap() };
        let with = |state, tracks: &[&str]| {
            let tracks = tracks.iter().map(|metadata| (TrackId::parse("t").unwrap(), track(metadata))).collect();
            IngestRecord { tracks, ..ingest(job("g1", 1), state) }
        };
        let (waiting, live) = (with(IngestState::Waiting, &[]), with(IngestState::Live, &["1"]));
        let (changed, stopped) = (with(IngestState::Live, &["2"]), with(IngestState::Stopped, &[]));
        let table = [
            (None, Some(&waiting), vec![]),
            (Some(&waiting), Some(&live), vec!["TrackAdded"]),
            (Some(&live), Some(&changed), vec!["TrackUpdated"]),
            (Some(&changed), Some(&stopped), vec!["ComponentCrashed", "TrackRemoved"]),
            (Some(&stopped), Some(&stopped), vec![]),
            (None, Some(&stopped), vec!["ComponentCrashed"]),
            (Some(&live), None, vec!["TrackRemoved"]),
        ];
        for (before, after, expected) in table {
            let told = of_ingest(&component("c"), before, after);
            assert_eq!(told.iter().map(name).collect::<Vec<_>>(), expected);
        }
    }

    fn names(before: Option<&PeerRecord>, after: Option<&PeerRecord>) -> Vec<&'static str> {
        of_peer(&peer("p"), before, after).iter().map(name).collect()
    }

    fn connected(session: &str) -> PeerRecord {
        let connection =
            Connection { coordinator: coordinator_id(), session: id(session), joined: false, offered: false };
        PeerRecord { connection: Some(connection), ..peer_record() }
    }
}
