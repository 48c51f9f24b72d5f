//! Starts and stops ingests by what the store says, and passes on what workers say to them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::Instrument;
use velella_bus::{Bus, Subscription};
use velella_gateway_core::{Board, Change, Ingest, Name, Task};
use velella_model::component::{ComponentSpec, Job as Assigned};
use velella_model::key::{self, Key};
use velella_model::record::{PeerRecord, RoomRecord};
use velella_model::wire::announce::GatewayState;
use velella_model::wire::command::Assignment;
use velella_model::wire::signal::ToHolder;
use velella_model::wire::{self, Message};
use velella_model::{ComponentId, GatewayId, Generation, Incarnation, RoomId};
use velella_store::tenure::Standing as Tenure;
use velella_store::{Change as Stored, Follower, LeaseId, Step, Store};

use crate::announce::Standing;
use crate::job::{Job, Letter, Lodging, MAIL_MAX};
use crate::report::Report;
use crate::source::Means;

/// Longest wait between attempts to open a file.
const FILE_WAIT_MAX: Duration = Duration::from_secs(15);

/// Which component of which room.
type Place = (RoomId, ComponentId);

/// What the driver is given.
pub(crate) struct Wiring {
    pub(crate) gateway: GatewayId,
    pub(crate) incarnation: Incarnation,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) means: Means,
    pub(crate) lease: watch::Receiver<Option<LeaseId>>,
    pub(crate) standing: watch::Sender<Standing>,
}

/// The driver.
pub(crate) struct Driver {
    wiring: Wiring,
    board: Board,
    jobs: BTreeMap<Place, Running>,
    /// By the number that session ids carry.
    places: BTreeMap<u64, Place>,
    tasks: JoinSet<()>,
    next_number: u64,
}

/// An ingest that runs.
struct Running {
    number: u64,
    on_demand: bool,
    mail: mpsc::Sender<Letter>,
}

impl Driver {
    pub(crate) fn new(wiring: Wiring) -> Self {
        let board = Board::new(wiring.gateway.clone(), wiring.incarnation);
        let (jobs, places) = (BTreeMap::new(), BTreeMap::new());
        Self { wiring, board, jobs, places, tasks: JoinSet::new(), next_number: 0 }
    }

    /// Runs until `draining` says so and no job is left, or for ever.
    pub(crate) async fn run(
        mut self,
        mut signals: Subscription,
        mut tenure: watch::Receiver<Tenure>,
        mut draining: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let mut follower = Follower::start(self.wiring.store.clone(), key::ROOT);
        loop {
            self.stand(*tenure.borrow_and_update(), *draining.borrow_and_update());
            tokio::select! {
                step = follower.next() => match step {
                    Some(step) => self.followed(step).await,
                    None => anyhow::bail!("the store is followed no more"),
                },
                delivery = signals.next() => match delivery {
                    Some(delivery) => self.signalled(&delivery.payload),
                    None => anyhow::bail!("the bus closed the signal subscription"),
                },
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "an ingest ended in a bug");
                    }
                }
                Ok(()) = tenure.changed() => {}
                Ok(()) = draining.changed() => {}
            }
        }
    }

    fn stand(&self, tenure: Tenure, draining: bool) {
        let held = matches!(tenure, Tenure::Held { until, .. } if Instant::now() < until);
        let jobs = u32::try_from(self.jobs.len()).unwrap_or(u32::MAX);
        self.wiring.standing.send_if_modified(|standing| {
            let state = match (held, draining) {
                (false, _) => standing.state.map(|_| GatewayState::Fenced),
                (true, true) => Some(GatewayState::Draining),
                (true, false) => Some(GatewayState::Ready),
            };
            let new = Standing { state, jobs };
            std::mem::replace(standing, new) != new
        });
    }

    async fn followed(&mut self, step: Step) {
        match step {
            Step::Listed(listing) => {
                let listed: Vec<&String> = listing.entries.iter().map(|(key, _)| key).collect();
                for gone in self.gone(&listed) {
                    self.changed(&gone, None, Generation(listing.revision.0)).await;
                }
                for (key, versioned) in &listing.entries {
                    self.changed(key, Some(&versioned.value), Generation(versioned.revision.0)).await;
                }
            }
            Step::Changed(Stored::Put { key, versioned }) => {
                self.changed(&key, Some(&versioned.value), Generation(versioned.revision.0)).await;
            }
            Step::Changed(Stored::Deleted { key, revision }) => {
                self.changed(&key, None, Generation(revision.0)).await;
            }
            Step::Changed(Stored::Lost) => {}
        }
    }

    /// Keys that are known and not listed any more.
    fn gone(&self, listed: &[&String]) -> Vec<String> {
        let components = self.board.tasks().map(|(room, id, _)| key::component(room, id));
        let rooms = self.board.rooms().map(key::room);
        let peers = self.board.peers().map(|(room, peer)| key::peer(room, peer));
        components.chain(rooms).chain(peers).filter(|key| listed.binary_search(&key).is_err()).collect()
    }

    async fn changed(&mut self, key: &str, value: Option<&[u8]>, generation: Generation) {
        let change = match key::parse(key) {
            Some(Key::Room(room)) => {
                let Ok(record) = read::<RoomRecord>(key, value) else { return };
                self.board.placed(room, record.map(|record| record.read_at(generation.0)))
            }
            Some(Key::Component(room, component)) => {
                let Ok(record) = read(key, value) else { return };
                self.board.component(room, component, record.map(|record| Task { record, generation }))
            }
            Some(Key::Peer(room, peer)) => {
                let Ok(record) = read::<PeerRecord>(key, value) else { return };
                self.board.peer(room, peer, record.is_some_and(|record| record.connection.is_some()))
            }
            Some(Key::Ingest(..) | Key::Gateway(_) | Key::Worker(_) | Key::Cordon(_) | Key::Coordinator(_)) | None => {
                None
            }
        };
        match change {
            Some(Change::Start(room, component, task)) => self.start((room, component), &task).await,
            Some(Change::Stop(room, component)) => self.stop(&(room, component)),
            Some(Change::Moved(room)) => self.moved(&room).await,
            Some(Change::Peopled(room)) => self.peopled(&room).await,
            None => {}
        }
    }

    async fn start(&mut self, place: Place, task: &Task) {
        self.stop(&place);
        self.next_number += 1;
        let number = self.next_number;
        let (room, component) = place.clone();
        let span = tracing::error_span!("ingest", %room, %component, kind = task.record.spec.kind().name());
        let Wiring { gateway, incarnation, bus, store, means, lease, .. } = &self.wiring;
        let on_demand = is_on_demand(&task.record.spec);
        let wanted = !on_demand || self.board.is_peopled(&room);
        let name = Name::new(gateway.clone(), *incarnation, number, room.clone(), &component);
        let ingest = Ingest::fetched(name, metadata(task), wait_max(&task.record.spec), wanted, Instant::now());
        let (mail, letters) = mpsc::channel(MAIL_MAX);
        let (progress, seen) = watch::channel(None);
        let report = Report {
            store: store.clone(),
            key: key::ingest(&room, &component),
            job: Assigned { gateway: gateway.clone(), incarnation: *incarnation },
            generation: task.generation,
        };
        self.tasks.spawn(report.run(seen, lease.clone()).instrument(span.clone()));
        let job = Job {
            ingest,
            spec: task.record.spec.clone(),
            means: means.clone(),
            bus: bus.clone(),
            mail: letters,
            progress,
            source: None,
            socket: None,
            asking: JoinSet::new(),
        };
        tracing::info!(parent: &span, generation = task.generation.0, "an ingest begins");
        self.tasks.spawn(job.run().instrument(span));
        self.places.insert(number, place.clone());
        self.jobs.insert(place, Running { number, on_demand, mail });
        self.moved(&room).await;
    }

    /// Dropping its mail ends it.
    fn stop(&mut self, place: &Place) {
        if let Some(running) = self.jobs.remove(place) {
            self.places.remove(&running.number);
        }
    }

    async fn moved(&self, room: &RoomId) {
        let lodging = self.board.room(room).map(|record| lodging(room, record));
        for running in self.jobs_of(room) {
            // One that is over already needs no letters.
            let _ = running.mail.send(Letter::Homed(lodging.clone())).await;
        }
    }

    async fn peopled(&self, room: &RoomId) {
        let wanted = self.board.is_peopled(room);
        for running in self.jobs_of(room).filter(|running| running.on_demand) {
            let _ = running.mail.send(Letter::Wanted(wanted)).await;
        }
    }

    fn jobs_of(&self, room: &RoomId) -> impl Iterator<Item = &Running> {
        self.jobs.iter().filter(move |((of, _), _)| of == room).map(|(_, running)| running)
    }

    fn signalled(&self, payload: &[u8]) {
        let message: ToHolder = match wire::decode(payload) {
            Ok(message) => message,
            Err(error) => return tracing::warn!(%error, "a signal of a worker cannot be read"),
        };
        let place = Name::job_of(&message.session).and_then(|number| self.places.get(&number));
        // One that finds no room is lost, and its session with it: the next number shows the gap.
        if let Some(running) = place.and_then(|place| self.jobs.get(place))
            && let Err(error) = running.mail.try_send(Letter::Said(message))
        {
            tracing::warn!(%error, "a signal was dropped");
        }
    }
}

fn lodging(room: &RoomId, record: &RoomRecord) -> Lodging {
    let placement = &record.placement;
    Lodging {
        worker: placement.worker.clone(),
        incarnation: placement.incarnation,
        assignment: Assignment {
            room: room.clone(),
            generation: placement.generation,
            room_type: record.spec.room_type,
            video_codec: record.spec.video_codec,
        },
        endpoint: placement.endpoints.first().copied(),
    }
}

/// As published clients see a peer's metadata: what its server attached to it.
fn metadata(task: &Task) -> velella_model::Json {
    let server = &task.record.metadata;
    velella_model::Json::parse(&format!(r#"{{"peer":{{}},"server":{}}}"#, server.as_str()))
        .unwrap_or_else(|_| velella_model::Json::null())
}

fn is_on_demand(spec: &ComponentSpec) -> bool {
    match spec {
        ComponentSpec::Rtsp(spec) => spec.on_demand,
        ComponentSpec::File(_) | ComponentSpec::Rtmp(_) | ComponentSpec::Srt(_) => false,
    }
}

fn wait_max(spec: &ComponentSpec) -> Duration {
    match spec {
        ComponentSpec::Rtsp(spec) => Duration::from_millis(spec.reconnect_delay_ms.into()),
        ComponentSpec::File(_) | ComponentSpec::Rtmp(_) | ComponentSpec::Srt(_) => FILE_WAIT_MAX,
    }
}

fn read<M: Message>(key: &str, value: Option<&[u8]>) -> Result<Option<M>, wire::WireError> {
    value.map(wire::decode).transpose().inspect_err(|error| {
        tracing::warn!(key, %error, "a record cannot be read");
    })
}
