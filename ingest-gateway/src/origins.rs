//! Where the streams of rooms come from: what the store says of jobs, and gateways of themselves.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use hyper::Uri;
use tokio::sync::mpsc;
use velella_bus::Subscription;
use velella_edge::{Directory, Origin, Question};
use velella_model::component::{ComponentRecord, Job as Assigned, JobKind};
use velella_model::wire::announce::GatewayAnnounce;
use velella_model::wire::decode;
use velella_model::{ComponentId, GatewayId, Incarnation, RoomId};

use crate::readings::Place;

/// A gateway that was not heard for so long is asked no more. Its lease is over by then, and its jobs are given away.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct Origins(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Who packages the stream of a room.
    streams: BTreeMap<RoomId, Stream>,
    gateways: BTreeMap<GatewayId, Heard>,
}

#[derive(Debug)]
struct Stream {
    component: ComponentId,
    job: Option<Assigned>,
    /// The job, where it is done here.
    here: Option<mpsc::Sender<Question>>,
}

/// A gateway that announces where it serves.
#[derive(Debug)]
struct Heard {
    incarnation: Incarnation,
    inner: Uri,
    at: Instant,
}

impl Origins {
    /// A component's record stands like this.
    pub(crate) fn assigned(&self, room: &RoomId, component: &ComponentId, record: Option<&ComponentRecord>) {
        let mut known = self.write();
        let is_known = known.streams.get(room).is_some_and(|stream| stream.component == *component);
        match record.filter(|record| record.spec.kind() == JobKind::Hls) {
            Some(record) => {
                let here = if is_known { known.streams.remove(room).and_then(|stream| stream.here) } else { None };
                let stream = Stream { component: component.clone(), job: record.job.clone(), here };
                known.streams.insert(room.clone(), stream);
            }
            None if is_known => drop(known.streams.remove(room)),
            None => {}
        }
    }

    /// A job of this gateway packages the stream of a component, or does so no more.
    pub(crate) fn packaged(&self, (room, component): &Place, here: Option<mpsc::Sender<Question>>) {
        if let Some(stream) = self.write().streams.get_mut(room).filter(|stream| stream.component == *component) {
            stream.here = here;
        }
    }

    /// Listens to gateways; ends with the bus.
    pub(crate) async fn follow(&self, mut announcements: Subscription) -> anyhow::Result<()> {
        while let Some(delivery) = announcements.next().await {
            match decode::<GatewayAnnounce>(&delivery.payload) {
                Ok(announce) => self.announced(announce, Instant::now()),
                Err(error) => tracing::debug!(%error, "an announcement of a gateway cannot be read"),
            }
        }
        anyhow::bail!("the bus closed the subscription to gateways")
    }

    fn announced(&self, announce: GatewayAnnounce, now: Instant) {
        let GatewayAnnounce { gateway, incarnation, serves, .. } = announce;
        let mut known = self.write();
        known.gateways.retain(|_, heard| !heard.is_silent(now));
        let Some(inner) = serves.and_then(|serves| serves.inner.parse().ok()) else { return };
        known.gateways.insert(gateway, Heard { incarnation, inner, at: now });
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory for Origins {
    fn origin_of(&self, room: &RoomId) -> Origin {
        self.read().origin_of(room, Instant::now())
    }

    fn stream_of(&self, room: &RoomId) -> Option<ComponentId> {
        self.read().streams.get(room).map(|stream| stream.component.clone())
    }
}

impl Known {
    fn origin_of(&self, room: &RoomId, now: Instant) -> Origin {
        let Some(stream) = self.streams.get(room) else { return Origin::Nowhere };
        if let Some(here) = &stream.here {
            return Origin::Here(here.clone());
        }
        let Some(job) = &stream.job else { return Origin::Moving };
        let boots = |heard: &&Heard| heard.incarnation == job.incarnation && !heard.is_silent(now);
        let there = self.gateways.get(&job.gateway).filter(boots);
        there.map_or(Origin::Moving, |heard| Origin::There(heard.inner.clone()))
    }
}

impl Heard {
    fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= SILENCE_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use velella_model::Json;
    use velella_model::component::{ComponentSpec, FileSpec, HlsSpec};
    use velella_model::wire::announce::{GatewayState, Serves};

    use super::*;

    #[test]
    fn a_stream_is_asked_for_where_its_job_is_done() {
        let (origins, now) = (Origins::default(), Instant::now());
        assert!(matches!(origins.origin_of(&room()), Origin::Nowhere));
        let at = |now| match origins.read().origin_of(&room(), now) {
            Origin::Here(_) => "here".to_owned(),
            Origin::There(inner) => inner.to_string(),
            Origin::Moving => "moving".to_owned(),
            Origin::Nowhere => "nowhere".to_owned(),
        };
        let component = |id: &str| ComponentId::parse(id).unwrap();
        let stands = |id: &str, record: Option<&ComponentRecord>| origins.assigned(&room(), &component(id), record);
        stands("live", Some(&record(stream(), 3)));
        assert_eq!(at(now), "moving", "nobody heard of the gateway");
        origins.announced(announce(2), now);
        assert_eq!(at(now), "moving", "it was another boot");
        origins.announced(announce(3), now);
        assert_eq!(at(now), "http://g/");
        stands("film", Some(&record(film(), 3)));
        stands("film", None);
        assert_eq!((at(now).as_str(), at(now + SILENCE_MAX).as_str()), ("http://g/", "moving"));
        let place = (room(), component("live"));
        origins.packaged(&place, Some(mpsc::channel(1).0));
        stands("live", Some(&record(stream(), 4)));
        assert_eq!(at(now), "here", "it is, until the job ends");
        origins.packaged(&place, None);
        assert_eq!(at(now), "moving");
        assert_eq!(origins.stream_of(&room()), Some(component("live")));
        stands("live", None);
        origins.packaged(&place, Some(mpsc::channel(1).0));
        assert_eq!(at(now), "nowhere", "nobody wants it");
    }

    fn room() -> RoomId {
        RoomId::parse("r").unwrap()
    }

    fn record(spec: ComponentSpec, boot: u64) -> ComponentRecord {
        let job = Some(Assigned { gateway: GatewayId::parse("g").unwrap(), incarnation: Incarnation(boot) });
        ComponentRecord { spec, metadata: Json::null(), transcode: false, subscriptions: None, job }
    }

    fn film() -> ComponentSpec {
        ComponentSpec::File(FileSpec { path: "a.h264".into(), framerate: None })
    }

    fn stream() -> ComponentSpec {
        let (low_latency, target_duration_s, part_target_ms, window_s, persistent) = (true, 4, 500, None, false);
        ComponentSpec::Hls(HlsSpec { low_latency, target_duration_s, part_target_ms, window_s, persistent })
    }

    fn announce(boot: u64) -> GatewayAnnounce {
        GatewayAnnounce {
            gateway: GatewayId::parse("g").unwrap(),
            incarnation: Incarnation(boot),
            seq: 1,
            state: GatewayState::Ready,
            region: String::new(),
            version: String::new(),
            probe: None,
            offers: BTreeMap::new(),
            listens: BTreeMap::new(),
            transcoder: None,
            listens_encrypted: BTreeMap::new(),
            serves: Some(Serves { public: "http://live".into(), inner: "http://g".into() }),
            capacity_permille: 1_000,
            load_permille: 0,
            jobs: 0,
        }
    }
}
