//! Components as the store holds them: what was asked for, and what their gateways say.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Instant;

use velella_model::component::{ComponentRecord, IngestRecord, IngestState, Job, JobKind};
use velella_model::wire::ingest::{Flow, IngestReport, PastTrouble};
use velella_model::{ComponentId, GatewayId, RoomId, Shared};

use crate::input::{Entry, Fact, Noun, Revision};
use crate::jobs::{Given, Work};
use crate::readings::Readings;
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
    /// What comes through, while it is live.
    pub flow: Option<Flow>,
    /// What went wrong last, whether or not it goes well since.
    pub last_trouble: Option<PastTrouble>,
    /// Whether it was live at any time that this coordinator saw.
    pub has_been_live: bool,
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
    given: BTreeMap<Job, Given>,
    readings: Readings,
    /// Those that were live.
    have_been_live: BTreeSet<Key>,
}

/// What a component is to its gateway.
type Load = (Job, Work, bool);

impl Components {
    pub(crate) fn new() -> Self {
        Self {
            records: Shelf::new(),
            ingests: Shelf::new(),
            of_rooms: BTreeMap::new(),
            given: BTreeMap::new(),
            readings: Readings::default(),
            have_been_live: BTreeSet::new(),
        }
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
        let live = ingest.as_ref().filter(|ingest| ingest.state == IngestState::Live);
        let flow = live.and_then(|ingest| self.readings.flow(key, &ingest.job));
        let last_trouble = self.readings.last_trouble(key).cloned();
        let has_been_live = self.have_been_live.contains(key);
        Some(ComponentView { component: key.1.clone(), record, ingest, flow, last_trouble, has_been_live })
    }

    /// All that a gateway does, by gateway.
    pub(crate) fn by_gateway(&self) -> BTreeMap<GatewayId, Vec<(RoomId, ComponentView)>> {
        let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, view) in self.keys().filter_map(|key| Some((key, self.view(key)?))) {
            if let Some(gateway) = view.gateway().cloned() {
                all.entry(gateway).or_default().push((key.0.clone(), view));
            }
        }
        all
    }

    /// Takes what a gateway says comes through.
    pub(crate) fn heard(&mut self, report: IngestReport, now: Instant) {
        self.readings.hear(report, |key| self.records.get(key).is_some(), now);
    }

    pub(crate) fn forget_silent(&mut self, now: Instant) {
        self.readings.forget_silent(now);
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.records.range(Bound::Unbounded).map(|(key, _)| key)
    }

    /// Those that a gateway goes and fetches, with who does it.
    pub(crate) fn pulled(&self) -> impl Iterator<Item = (&Key, Work, Option<&Job>)> {
        let all = self.records.range(Bound::Unbounded);
        all.map(|(key, record)| (key, Work::of(record), record.job.as_ref()))
            .filter(|(_, work, _)| work.kind.is_pulled())
    }

    /// How many there are of each kind and state.
    pub(crate) fn count(&self) -> BTreeMap<(JobKind, IngestState), u64> {
        let mut counts = BTreeMap::new();
        for view in self.keys().filter_map(|key| self.view(key)) {
            *counts.entry((view.record.spec.kind(), view.state())).or_default() += 1;
        }
        counts
    }

    /// What the records give to each boot of a gateway, but for the components in `moving`.
    pub(crate) fn given<T>(&self, moving: &BTreeMap<Key, T>) -> BTreeMap<Job, Given> {
        let mut given = self.given.clone();
        moving.keys().filter_map(|key| self.load(key)).for_each(|load| lift(&mut given, &load));
        given
    }

    fn load(&self, key: &Key) -> Option<Load> {
        let record = self.records.get(key)?;
        let job = record.job.as_ref()?;
        let live = self.ingests.get(key).is_some_and(|told| told.job == *job && told.state == IngestState::Live);
        Some((job.clone(), Work::of(record), live))
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
        let key = fact.as_component()?;
        let before = self.load(&key);
        let is_told = matches!(fact, Fact::Ingest(..));
        let news = match fact {
            Fact::Component(_, _, record) => into_records(&mut self.records, &key, revision, record),
            Fact::Ingest(_, _, record) => into_ingests(&mut self.ingests, &key, revision, record),
            Fact::Room(..) | Fact::Peer(..) | Fact::Gateway(..) | Fact::Fleet(_) => false,
        };
        if news {
            self.index(&key, before);
        }
        // What is told of one that was removed says nothing of a new one of the same id.
        if news && is_told && self.load(&key).is_some_and(|(.., live)| live) {
            self.have_been_live.insert(key.clone());
        }
        news.then_some(key)
    }

    fn index(&mut self, key: &Key, before: Option<Load>) {
        if let Some(before) = before {
            lift(&mut self.given, &before);
        }
        if let Some((job, work, live)) = self.load(key) {
            self.given.entry(job).or_default().add(work, live);
        }
        let (room, id) = key;
        if self.records.get(key).is_some() {
            self.of_rooms.entry(room.clone()).or_default().insert(id.clone());
            return;
        }
        self.readings.forget(key);
        self.have_been_live.remove(key);
        if let Some(ids) = self.of_rooms.get_mut(room) {
            ids.remove(id);
            if ids.is_empty() {
                self.of_rooms.remove(room);
            }
        }
    }
}

fn lift(given: &mut BTreeMap<Job, Given>, (job, work, live): &Load) {
    let Some(load) = given.get_mut(job) else { return };
    load.remove(*work, *live);
    if load.is_empty() {
        given.remove(job);
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

    #[test]
    fn what_is_given_follows_the_records() {
        let mut components = Components::new();
        let given = |components: &Components| components.given::<()>(&BTreeMap::new());
        let of = |live: bool| {
            let mut given = Given::default();
            given.add(Work { kind: JobKind::Rtsp, transcode: false }, live);
            given
        };
        put(&mut components, 1, Fact::Component(room("r"), component("c"), Some(camera(Some(job("g1", 1))))));
        assert_eq!(given(&components), BTreeMap::from([(job("g1", 1), of(false))]));
        put(&mut components, 2, told(IngestState::Live, "g1"));
        assert_eq!(given(&components), BTreeMap::from([(job("g1", 1), of(true))]));
        let moving = BTreeMap::from([((room("r"), component("c")), ())]);
        assert_eq!(components.given(&moving), BTreeMap::new());
        put(&mut components, 3, Fact::Component(room("r"), component("c"), Some(camera(Some(job("g2", 1))))));
        assert_eq!(given(&components), BTreeMap::from([(job("g2", 1), of(false))]), "it is not live there");
        put(&mut components, 4, Fact::Component(room("r"), component("c"), None));
        assert_eq!(given(&components), BTreeMap::new());
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
