//! Starts and stops ingests and broadcasts by what the store says, and passes on what workers say to them.

mod broadcasts;
mod farewell;
mod ingests;
mod publishers;
mod relapse;
mod telling;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::Instrument;
use velella_bus::{Bus, Subscription};
use velella_gateway_core::{Board, Change, Name, Progress, Task};
use velella_model::component::{ComponentRecord, ComponentSpec, IngestState, Job as Assigned, JobKind};
use velella_model::key::{self, Key};
use velella_model::record::{PeerRecord, RoomRecord, Subscriptions};
use velella_model::wire::announce::GatewayState;
use velella_model::wire::command::Assignment;
use velella_model::wire::ingest::INGEST_REPORT_INTERVAL_MS;
use velella_model::wire::signal::ToHolder;
use velella_model::wire::{self, Message};
use velella_model::{GatewayId, Generation, Incarnation, RoomId};
use velella_store::tenure::Standing as Tenure;
use velella_store::{Change as Stored, Follower, LeaseId, Step, Store};

use self::farewell::Farewell;
use self::publishers::Claimed;
use self::relapse::Relapse;
use crate::allowance::{Allowance, Carried};
use crate::announce::Standing;
use crate::broadcast::LISTENERS;
use crate::letter::{Letter, Lodging, MAIL_MAX};
use crate::listen::Ask;
use crate::metrics::Metrics;
use crate::origins::Origins;
use crate::readings::{Gauge, Place, Reading, Troubles};
use crate::report::{Report, Right};
use crate::source::{Means, Source};

/// What the driver is given.
pub(crate) struct Wiring {
    pub(crate) gateway: GatewayId,
    pub(crate) incarnation: Incarnation,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) means: Means,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) allowance: Allowance,
    pub(crate) origins: Arc<Origins>,
    pub(crate) lease: watch::Receiver<Option<LeaseId>>,
    pub(crate) standing: watch::Sender<Standing>,
}

/// What the driver listens to.
pub(crate) struct Ears {
    /// Of workers.
    pub(crate) signals: Subscription,
    /// Of publishers.
    pub(crate) asks: mpsc::Receiver<Ask>,
}

/// The driver.
pub(crate) struct Driver {
    wiring: Wiring,
    board: Board,
    jobs: BTreeMap<Place, Running>,
    /// By the number that session ids carry.
    places: BTreeMap<u64, Place>,
    tasks: JoinSet<()>,
    /// Jobs that ended in a bug, and when they begin again.
    relapsed: BTreeMap<Place, Instant>,
    farewell: Farewell,
    /// Publishers whose components are being claimed.
    claims: JoinSet<Claimed>,
    /// Of components that ingests here or publishers had.
    troubles: Troubles,
    /// Of the next session.
    next_number: u64,
}

/// How an ingest begins.
enum Beginning {
    /// By what the store says.
    Assigned,
    /// By a publisher that gives this.
    Published(Source),
}

impl Beginning {
    fn right(&self) -> Right {
        match self {
            Self::Assigned => Right::Assigned,
            Self::Published(_) => Right::Published,
        }
    }
}

/// A job that runs, or will again.
struct Running {
    /// Of its sessions at workers.
    numbers: Range<u64>,
    kind: JobKind,
    on_demand: bool,
    right: Right,
    mail: mpsc::Sender<Letter>,
    /// What the store is told, also between a bug and the next attempt.
    progress: watch::Sender<Option<Progress>>,
    relapse: Relapse,
    gauge: Gauge,
}

/// What a job is given by the driver.
struct Reins {
    /// Of its sessions at workers.
    numbers: Range<u64>,
    mail: mpsc::Receiver<Letter>,
    progress: watch::Sender<Option<Progress>>,
    reading: watch::Sender<Reading>,
}

impl Running {
    fn carried(&self) -> Carried {
        let live = self.progress.borrow().as_ref().is_some_and(|progress| progress.state == IngestState::Live);
        Carried { kind: self.kind, live }
    }
}

impl Driver {
    pub(crate) fn new(wiring: Wiring) -> Self {
        let board = Board::new(wiring.gateway.clone(), wiring.incarnation);
        Self {
            wiring,
            board,
            jobs: BTreeMap::new(),
            places: BTreeMap::new(),
            tasks: JoinSet::new(),
            relapsed: BTreeMap::new(),
            farewell: Farewell::default(),
            claims: JoinSet::new(),
            troubles: Troubles::default(),
            next_number: 1,
        }
    }

    /// Runs until `draining` says so and nothing is left to do, or for ever.
    pub(crate) async fn run(
        &mut self,
        mut ears: Ears,
        mut tenure: watch::Receiver<Tenure>,
        mut draining: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let mut readings = tokio::time::interval(Duration::from_millis(INGEST_REPORT_INTERVAL_MS));
        let mut follower = Follower::start(self.wiring.store.clone(), key::ROOT);
        loop {
            let drains = *draining.borrow_and_update();
            self.stand(*tenure.borrow_and_update(), drains);
            if drains {
                if self.is_idle() {
                    return Ok(());
                }
                self.farewell.begin(Instant::now());
            }
            let wakes_at = self.wakes_at();
            tokio::select! {
                step = follower.next() => match step {
                    Some(step) => self.followed(step).await,
                    None => anyhow::bail!("the store is followed no more"),
                },
                delivery = ears.signals.next() => match delivery {
                    Some(delivery) => self.signalled(&delivery.payload),
                    None => anyhow::bail!("the bus closed the signal subscription"),
                },
                Some(ask) = ears.asks.recv() => self.asked(ask),
                Some(Ok(claimed)) = self.claims.join_next() => self.claimed(claimed).await,
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "an ingest ended in a bug");
                    }
                    self.forget_ended(Instant::now());
                }
                _ = readings.tick() => self.tell_readings(Instant::now()).await,
                Ok(()) = tenure.changed() => {}
                Ok(()) = draining.changed() => {}
                () = sleep_until(wakes_at) => self.woken(Instant::now()).await,
            }
        }
    }

    /// Nothing is left to be done, and everybody who has to know does.
    fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.claims.is_empty() && self.tasks.is_empty()
    }

    fn wakes_at(&self) -> Option<Instant> {
        self.relapsed.values().copied().chain(self.farewell.due()).min()
    }

    async fn woken(&mut self, now: Instant) {
        if self.farewell.take_due(now) {
            self.send_publishers_on();
        }
        let due = self.relapsed.iter().filter(|(_, again_at)| **again_at <= now);
        let due: Vec<Place> = due.map(|(place, _)| place.clone()).collect();
        for place in due {
            self.begin_again(place).await;
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
                let Ok(record) = read::<ComponentRecord>(key, value) else { return };
                self.wiring.origins.assigned(&room, &component, record.as_ref());
                self.board.component(room, component, record.map(|record| Task { record, generation }))
            }
            Some(Key::Peer(room, peer)) => {
                let Ok(record) = read::<PeerRecord>(key, value) else { return };
                self.board.peer(room, peer, record.is_some_and(|record| record.connection.is_some()))
            }
            Some(Key::Ingest(room, component)) => {
                let Ok(record) = read(key, value) else { return };
                return self.reported(&(room, component), record);
            }
            Some(Key::Gateway(_) | Key::Worker(_) | Key::Cordon(_) | Key::Coordinator(_)) | None => None,
        };
        match change {
            Some(Change::Start(room, component, task)) => {
                self.start((room, component), &task, Beginning::Assigned).await;
            }
            Some(Change::Stop(room, component)) => self.stop(&(room, component)),
            Some(Change::Subscribed(room, component, of)) => self.chosen(&(room, component), of).await,
            Some(Change::Moved(room)) => self.moved(&room).await,
            Some(Change::Peopled(room)) => self.peopled(&room).await,
            None => {}
        }
    }

    async fn start(&mut self, place: Place, task: &Task, beginning: Beginning) {
        self.stop(&place);
        let (progress, seen) = watch::channel(None);
        let report = self.report(&place, task.generation, beginning.right());
        let (room, component) = &place;
        let span = tracing::error_span!("report", %room, %component);
        self.tasks.spawn(report.run(seen, self.wiring.lease.clone()).instrument(span));
        let relapse = Relapse::new(Instant::now(), self.next_number);
        self.begin(place, task, beginning, progress, relapse).await;
    }

    /// Runs it for the first time, or after a bug.
    async fn begin(
        &mut self,
        place: Place,
        task: &Task,
        beginning: Beginning,
        progress: watch::Sender<Option<Progress>>,
        relapse: Relapse,
    ) {
        let spec = &task.record.spec;
        let numbers = self.next_number..self.next_number + sessions(spec);
        self.next_number = numbers.end;
        let (mail, letters) = mpsc::channel(MAIL_MAX);
        let (reading, read) = watch::channel(Reading::default());
        let (now, right, kind) = (Instant::now(), beginning.right(), spec.kind());
        let reins = Reins { numbers: numbers.clone(), mail: letters, progress: progress.clone(), reading };
        if let ComponentSpec::Hls(spec) = spec {
            self.begin_broadcast(&place, task, spec, reins);
        } else {
            self.begin_ingest(&place, task, beginning, reins, now);
        }
        self.places.extend(numbers.clone().map(|number| (number, place.clone())));
        let (gauge, on_demand, room) = (Gauge::new(read, now), ingests::is_on_demand(spec), place.0.clone());
        self.jobs.insert(place, Running { numbers, kind, on_demand, right, mail, progress, relapse, gauge });
        self.moved(&room).await;
    }

    fn report(&self, (room, component): &Place, generation: Generation, right: Right) -> Report {
        let Wiring { gateway, incarnation, store, .. } = &self.wiring;
        let job = Assigned { gateway: gateway.clone(), incarnation: *incarnation };
        Report { store: store.clone(), key: key::ingest(room, component), job, generation, right }
    }

    /// Publishers that left, and what ended in a bug: a publisher comes again by itself, the rest has to be begun.
    fn forget_ended(&mut self, now: Instant) {
        let is_over = |place: &Place, running: &Running| running.mail.is_closed() && !self.relapsed.contains_key(place);
        let over = self.jobs.iter().filter(|(place, running)| is_over(place, running));
        let over: Vec<Place> = over.map(|(place, _)| place.clone()).collect();
        for place in over {
            match self.jobs.get_mut(&place) {
                Some(running) if running.right == Right::Assigned => {
                    running.progress.send_replace(Some(relapse::progress()));
                    let again_at = running.relapse.again_at(now);
                    self.wiring.metrics.crashed.inc();
                    self.relapsed.insert(place, again_at);
                }
                Some(_) | None => self.stop(&place),
            }
        }
    }

    /// What ended in a bug; by now it is still ours, or it would have been stopped.
    async fn begin_again(&mut self, place: Place) {
        self.relapsed.remove(&place);
        let Some(Running { numbers, progress, relapse, .. }) = self.jobs.remove(&place) else { return };
        self.forget_sessions(numbers);
        if let Some(task) = self.board.task(&place.0, &place.1).cloned() {
            self.begin(place, &task, Beginning::Assigned, progress, relapse).await;
        }
    }

    /// Dropping its mail ends it.
    fn stop(&mut self, place: &Place) {
        self.note_trouble(place);
        self.relapsed.remove(place);
        self.wiring.origins.packaged(place, None);
        if let Some(running) = self.jobs.remove(place) {
            self.forget_sessions(running.numbers);
        }
    }

    fn forget_sessions(&mut self, numbers: Range<u64>) {
        for number in numbers {
            self.places.remove(&number);
        }
    }

    /// Whom a broadcast receives of.
    async fn chosen(&self, place: &Place, of: Option<Subscriptions>) {
        // Whether it is everybody or a list was decided with the component.
        if let (Some(running), Some(of)) = (self.jobs.get(place), of) {
            let _ = running.mail.send(Letter::Chosen(of)).await;
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

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
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

/// So many it has at once.
fn sessions(spec: &ComponentSpec) -> u64 {
    if spec.kind() == JobKind::Hls { LISTENERS as u64 } else { 1 }
}

fn read<M: Message>(key: &str, value: Option<&[u8]>) -> Result<Option<M>, wire::WireError> {
    value.map(wire::decode).transpose().inspect_err(|error| {
        tracing::warn!(key, %error, "a record cannot be read");
    })
}
