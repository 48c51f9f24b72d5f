//! Components as the store holds them: what was asked for, and what their gateways say.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use velella_model::component::{ComponentRecord, IngestRecord, IngestState, Job, JobKind};
use velella_model::{ComponentId, GatewayId, RoomId, Shared};

use crate::input::{Entry, Fact, Noun, Revision};
use crate::jobs::Given;
use crate::shelf::Shelf;

/// Names a component in the cluster.
pub(crate) type Key = (RoomId, ComponentId);

/// A component of a room.
#[derive(Clone, Debug, PartialEq)]
pub struct ComponentView {
    /// Its id.
    pub component: ComponentId,
    /// What was asked for, and who does it.
    pub record: Shared<ComponentRecord>,
    /// What the one who does it says; nothing of one who did it before.
    pub ingest: Option<Shared<IngestRecord>>,
}

impl ComponentView {
    /// How it goes, also while nobody says so.
    #[must_use]
    pub fn state(&self) -> IngestState {
        match &self.ingest {
            Some(ingest) => ingest.state,
            None if !self.record.spec.kind().is_pulled() => IngestState::Waiting,
            None if self.record.job.is_some() => IngestState::Connecting,
            None => IngestState::Retrying,
        }
    }

    /// Whether it is to be pulled and no gateway could take it.
    #[must_use]
    pub fn lacks_gateway(&self) -> bool {
        self.record.spec.kind().is_pulled() && self.record.job.is_none()
    }

    /// Who does it.
    #[must_use]
    pub fn gateway(&self) -> Option<&GatewayId> {
        let told = self.ingest.as_ref().map(|ingest| &ingest.job);
        self.record.job.as_ref().or(told).map(|job| &job.gateway)
    }
}

/// Both records of each.
#[derive(Debug)]
pub(crate) struct Components {
    records: Shelf<Key, ComponentRecord>,
    ingests: Shelf<Key, IngestRecord>,
    of_rooms: BTreeMap<RoomId, BTreeSet<ComponentId>>,
}

impl Components {
    pub(crate) fn new() -> Self {
        Self { records: Shelf::new(), ingests: Shelf::new(), of_rooms: BTreeMap::new() }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&ComponentRecord> {
        self.records.get(key)
    }

    pub(crate) fn revision(&self, key: &Key) -> Option<Revision> {
        self.records.revision(key)
    }

    pub(crate) fn of_room<'a>(&'a self, room: &'a RoomId) -> impl Iterator<Item = ComponentView> + 'a {
        let ids = self.of_rooms.get(room).into_iter().flatten();
        ids.filter_map(|id| self.view(&(room.clone(), id.clone())))
    }

    pub(crate) fn view(&self, key: &Key) -> Option<ComponentView> {
        let record = self.records.share(key)?;
        let ingest = self.ingests.share(key).filter(|ingest| is_present(ingest, &record));
        Some(ComponentView { component: key.1.clone(), record, ingest })
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.records.range(Bound::Unbounded).map(|(key, _)| key)
    }

    /// Those that a gateway goes and fetches, with who does it.
    pub(crate) fn pulled(&self) -> impl Iterator<Item = (&Key, Option<&Job>)> {
        let all = self.records.range(Bound::Unbounded);
        all.filter(|(_, record)| record.spec.kind().is_pulled()).map(|(key, record)| (key, record.job.as_ref()))
    }

    /// How many there are of each kind and state.
    pub(crate) fn count(&self) -> BTreeMap<(JobKind, IngestState), u64> {
        let mut counts = BTreeMap::new();
        for view in self.keys().filter_map(|key| self.view(key)) {
            *counts.entry((view.record.spec.kind(), view.state())).or_default() += 1;
        }
        counts
    }

    /// What the records give to each gateway, but for the components in `moving`.
    pub(crate) fn given<T>(&self, moving: &BTreeMap<Key, T>) -> BTreeMap<GatewayId, Given> {
        let mut given = BTreeMap::<GatewayId, Given>::new();
        for (key, record) in self.records.range(Bound::Unbounded) {
            let Some(job) = record.job.as_ref().filter(|_| !moving.contains_key(key)) else { continue };
            let live = self.ingests.get(key).is_some_and(|told| told.job == *job && told.state == IngestState::Live);
            given.entry(job.gateway.clone()).or_default().add(record.spec.kind(), live);
        }
        given
    }

    /// Takes a step of the watch; whether it told news.
    pub(crate) fn watched(&mut self, entry: Entry) -> Option<Key> {
        self.take(entry, Shelf::watched, Shelf::watched)
    }

    /// Takes the outcome of an own write or read; whether it told news.
    pub(crate) fn answered(&mut self, entry: Entry) -> Option<Key> {
        self.take(entry, Shelf::answered, Shelf::answered)
    }

    /// What stands here and not in a listing.
    pub(crate) fn vanished(&self, noun: Noun, listed: &[Entry], revision: Revision) -> Vec<Fact> {
        let keys: Vec<Key> = listed.iter().filter_map(|entry| entry.fact.as_component()).collect();
        match noun {
            Noun::Components => {
                let gone = self.records.vanished(&keys, revision).into_iter();
                gone.map(|(room, id)| Fact::Component(room, id, None)).collect()
            }
            Noun::Ingests => {
                let gone = self.ingests.vanished(&keys, revision).into_iter();
                gone.map(|(room, id)| Fact::Ingest(room, id, None)).collect()
            }
            Noun::Rooms | Noun::Peers | Noun::Gateways | Noun::Workers | Noun::Cordons | Noun::Coordinators => {
                Vec::new()
            }
        }
    }

    /// Notes that the watch has come this far.
    pub(crate) fn pass(&mut self, noun: Noun, revision: Revision) {
        match noun {
            Noun::Components => self.records.pass(revision),
            Noun::Ingests => self.ingests.pass(revision),
            Noun::Rooms | Noun::Peers | Noun::Gateways | Noun::Workers | Noun::Cordons | Noun::Coordinators => {}
        }
    }

    fn take(
        &mut self,
        entry: Entry,
        into_records: Take<ComponentRecord>,
        into_ingests: Take<IngestRecord>,
    ) -> Option<Key> {
        let Entry { fact, revision } = entry;
        match fact {
            Fact::Component(room, id, record) => {
                let key = (room, id);
                let news = into_records(&mut self.records, &key, revision, record);
                self.index(&key);
                news.then_some(key)
            }
            Fact::Ingest(room, id, record) => {
                let key = (room, id);
                into_ingests(&mut self.ingests, &key, revision, record).then_some(key)
            }
            Fact::Room(..) | Fact::Peer(..) | Fact::Gateway(..) | Fact::Fleet(_) => None,
        }
    }

    fn index(&mut self, (room, id): &Key) {
        if self.records.get(&(room.clone(), id.clone())).is_some() {
            self.of_rooms.entry(room.clone()).or_default().insert(id.clone());
        } else if let Some(ids) = self.of_rooms.get_mut(room) {
            ids.remove(id);
            if ids.is_empty() {
                self.of_rooms.remove(room);
            }
        }
    }
}

type Take<V> = fn(&mut Shelf<Key, V>, &Key, Revision, Option<V>) -> bool;

/// Whether who says something of a component is who shall do it.
fn is_present(ingest: &IngestRecord, record: &ComponentRecord) -> bool {
    !record.spec.kind().is_pulled() || record.job.as_ref() == Some(&ingest.job)
}

impl Fact {
    fn as_component(&self) -> Option<Key> {
        match self {
            Self::Component(room, id, _) | Self::Ingest(room, id, _) => Some((room.clone(), id.clone())),
            Self::Room(..) | Self::Peer(..) | Self::Gateway(..) | Self::Fleet(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use velella_model::component::ComponentSpec;

    use super::*;
    use crate::testing::{camera, component, encoder, ingest, job, room};

    #[test]
    fn what_a_former_gateway_says_does_not_count() {
        let mut components = Components::new();
        put(&mut components, 1, Fact::Component(room("r"), component("c"), Some(camera(Some(job("g2", 1))))));
        put(&mut components, 2, told(IngestState::Live, "g1"));
        assert_eq!(view(&components).state(), IngestState::Connecting);
        put(&mut components, 3, told(IngestState::Stopped, "g2"));
        assert_eq!(view(&components).state(), IngestState::Stopped);
        assert_eq!(view(&components).gateway().unwrap().as_str(), "g2");
    }

    #[test]
    fn without_a_word_of_a_gateway_the_record_tells_how_it_goes() {
        let table = [
            (camera(Some(job("g1", 1))), IngestState::Connecting, false),
            (camera(None), IngestState::Retrying, true),
            (encoder(), IngestState::Waiting, false),
        ];
        for (record, state, lacks_gateway) in table {
            let mut components = Components::new();
            put(&mut components, 1, Fact::Component(room("r"), component("c"), Some(record)));
            assert_eq!((view(&components).state(), view(&components).lacks_gateway()), (state, lacks_gateway));
        }
    }

    #[test]
    fn whoever_a_publisher_came_to_does_it() {
        let mut components = Components::new();
        put(&mut components, 1, Fact::Component(room("r"), component("c"), Some(encoder())));
        put(&mut components, 2, told(IngestState::Live, "g1"));
        assert_eq!(view(&components).gateway().unwrap().as_str(), "g1");
        assert_eq!(components.count(), BTreeMap::from([((JobKind::Rtmp, IngestState::Live), 1)]));
        assert!(matches!(view(&components).record.spec, ComponentSpec::Rtmp(_)));
        put(&mut components, 3, Fact::Component(room("r"), component("c"), None));
        assert_eq!(components.of_room(&room("r")).count(), 0);
    }

    fn put(components: &mut Components, revision: u64, fact: Fact) {
        components.watched(Entry { fact, revision: Revision(revision) });
    }

    fn told(state: IngestState, gateway: &str) -> Fact {
        Fact::Ingest(room("r"), component("c"), Some(ingest(job(gateway, 1), state)))
    }

    fn view(components: &Components) -> ComponentView {
        components.view(&(room("r"), component("c"))).unwrap()
    }
}
