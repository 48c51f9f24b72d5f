//! Starts and stops ingests by what the store says, and passes on what workers say to them.

mod farewell;
mod relapse;
mod telling;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::Instrument;
use velella_bus::{Bus, Subscription};
use velella_gateway_core::{Board, Change, Counts, Ingest, Name, Progress, Task, Transcoding};
use velella_model::component::{
    ComponentSpec, IngestRecord, IngestState, Job as Assigned, JobKind, PublishSpec, Trouble,
};
use velella_model::key::{self, Key};
use velella_model::record::{PeerRecord, RoomRecord};
use velella_model::wire::announce::GatewayState;
use velella_model::wire::command::Assignment;
use velella_model::wire::ingest::INGEST_REPORT_INTERVAL_MS;
use velella_model::wire::signal::ToHolder;
use velella_model::wire::{self, Message};
use velella_model::{GatewayId, Generation, Incarnation, RoomId};
use velella_store::tenure::Standing as Tenure;
use velella_store::{Change as Stored, Follower, LeaseId, Step, Store};

use self::farewell::{Farewell, HANDFUL};
use self::relapse::Relapse;
use crate::allowance::{Allowance, Carried};
use crate::announce::Standing;
use crate::job::{Job, Letter, Lodging, MAIL_MAX};
use crate::listen::{Ask, Refusal, Terms};
use crate::metrics::Metrics;
use crate::readings::{Gauge, Place, Reading, Troubles};
use crate::report::{Failure, Report, Right};
use crate::source::{Means, Source};

/// Longest wait between attempts to open a file.
const FILE_WAIT_MAX: Duration = Duration::from_secs(15);

/// What the driver is given.
pub(crate) struct Wiring {
    pub(crate) gateway: GatewayId,
    pub(crate) incarnation: Incarnation,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) means: Means,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) allowance: Allowance,
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

/// What became of a publisher's claim.
struct Claimed {
    place: Place,
    task: Task,
    ask: Ask,
    refused: Option<Refusal>,
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

/// An ingest that runs, or will again.
struct Running {
    number: u64,
    kind: JobKind,
    on_demand: bool,
    right: Right,
    mail: mpsc::Sender<Letter>,
    /// What the store is told, also between a bug and the next attempt.
    progress: watch::Sender<Option<Progress>>,
    relapse: Relapse,
    gauge: Gauge,
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
            next_number: 0,
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
                let Ok(record) = read(key, value) else { return };
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
            Some(Change::Subscribed(..)) => {}
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
        self.next_number += 1;
        let number = self.next_number;
        let (room, component) = place.clone();
        let spec = task.record.spec.clone();
        let span = tracing::error_span!("ingest", %room, %component, kind = spec.kind().name());
        let Wiring { gateway, incarnation, bus, means, .. } = &self.wiring;
        let name = Name::new(gateway.clone(), *incarnation, number, task.generation, room.clone(), &component);
        let (now, on_demand, metadata) = (Instant::now(), is_on_demand(&spec), metadata(task));
        let (right, kind) = (beginning.right(), spec.kind());
        let transcoding = means.transcoding(task.record.transcode);
        let (ingest, source) = match beginning {
            Beginning::Assigned => {
                let wanted = !on_demand || self.board.is_peopled(&room);
                (Ingest::fetched(name, metadata, wait_max(&spec), wanted, transcoding, now), None)
            }
            Beginning::Published(source) => (Ingest::published(name, metadata, transcoding, now), Some(source)),
        };
        let (mail, letters) = mpsc::channel(MAIL_MAX);
        let (reading, read) = watch::channel(Reading::default());
        let job = Job {
            ingest,
            spec,
            key: key::component(&room, &component),
            means: means.clone(),
            metrics: self.wiring.metrics.clone(),
            counted: Counts::default(),
            bus: bus.clone(),
            mail: letters,
            progress: progress.clone(),
            reading,
            source,
            transcoder: None,
            socket: None,
            asking: JoinSet::new(),
        };
        tracing::info!(parent: &span, generation = task.generation.0, "an ingest begins");
        self.tasks.spawn(job.run().instrument(span));
        self.places.insert(number, place.clone());
        let gauge = Gauge::new(read, now);
        self.jobs.insert(place, Running { number, kind, on_demand, right, mail, progress, relapse, gauge });
        self.moved(&room).await;
    }

    fn report(&self, (room, component): &Place, generation: Generation, right: Right) -> Report {
        let Wiring { gateway, incarnation, store, .. } = &self.wiring;
        let job = Assigned { gateway: gateway.clone(), incarnation: *incarnation };
        Report { store: store.clone(), key: key::ingest(room, component), job, generation, right }
    }

    /// A publisher came: its component has to be claimed before it is let in.
    fn asked(&mut self, ask: Ask) {
        let known = self.board.tasks().find_map(|(room, id, task)| {
            let publish = publish_spec(&task.record.spec).filter(|publish| publish.key_digest == ask.key_digest)?;
            let is_kind = task.record.spec.kind() == ask.kind;
            is_kind.then(|| ((room.clone(), id.clone()), task.clone(), publish.takeover))
        });
        let Some((place, task, takeover)) = known else { return self.refuse(ask, None, Refusal::UnknownKey) };
        let Some(lease) = *self.wiring.lease.borrow() else { return self.refuse(ask, Some(&place), Refusal::Away) };
        if let Some(refusal) = self.keeps_out(ask.kind, &place, takeover) {
            return self.refuse(ask, Some(&place), refusal);
        }
        let report = self.report(&place, task.generation, Right::Published);
        self.claims.spawn(async move {
            let refused = match report.claim(takeover, lease).await {
                Ok(()) => None,
                Err(Failure::Superseded) => Some(Refusal::InUse),
                Err(Failure::Store(error)) => {
                    tracing::warn!(%error, "a publisher's component was not claimed");
                    Some(Refusal::Away)
                }
            };
            Claimed { place, task, ask, refused }
        });
    }

    /// Why no publisher is taken for this component now.
    fn keeps_out(&self, kind: JobKind, place: &Place, takeover: bool) -> Option<Refusal> {
        if self.wiring.standing.borrow().state != Some(GatewayState::Ready) {
            return Some(Refusal::Busy);
        }
        if self.jobs.get(place).is_some_and(|running| !takeover && !running.mail.is_closed()) {
            return Some(Refusal::InUse);
        }
        // Whoever is taken over from makes room.
        let others = self.jobs.iter().filter(|(of, _)| *of != place).map(|(_, running)| running.carried());
        let claiming = std::iter::repeat_n(Carried { kind, live: false }, self.claims.len());
        (!self.wiring.allowance.has_room_for(kind, others.chain(claiming))).then_some(Refusal::Full)
    }

    fn refuse(&mut self, ask: Ask, of: Option<&Place>, refusal: Refusal) {
        self.refused(of, refusal);
        // A publisher that is gone already needs no answer.
        let _ = ask.answer.send(Err(refusal));
    }

    /// Counts a publisher that was sent away, and keeps why where its key was right.
    fn refused(&mut self, of: Option<&Place>, refusal: Refusal) {
        self.wiring.metrics.publishers_refused.with_label_values(&[refusal.code()]).inc();
        if let Some(place) = of {
            let trouble = Trouble { code: refusal.code().into(), sentence: refusal.to_string() };
            self.troubles.note(place, trouble, Instant::now());
        }
    }

    async fn claimed(&mut self, Claimed { place, task, ask, refused }: Claimed) {
        let Ask { source, answer, .. } = ask;
        let stands = self.board.task(&place.0, &place.1).is_some_and(|standing| standing.record == task.record);
        let refused = refused.or_else(|| (!stands).then_some(Refusal::UnknownKey));
        let transcodes = self.wiring.means.transcoding(task.record.transcode) == Transcoding::Able;
        // A publisher that left meanwhile shows in its source.
        let _ = answer.send(refused.map_or(Ok(Terms { transcodes }), Err));
        match refused {
            Some(refusal) => self.refused(Some(&place), refusal),
            None => self.start(place, &task, Beginning::Published(source)).await,
        }
    }

    /// Another gateway has taken over what was published to us.
    fn reported(&mut self, place: &Place, record: Option<IngestRecord>) {
        let Wiring { gateway, incarnation, .. } = &self.wiring;
        let is_others = |record: IngestRecord| (&record.job.gateway, record.job.incarnation) != (gateway, *incarnation);
        let published = self.jobs.get(place).is_some_and(|running| running.right == Right::Published);
        if published && record.is_some_and(is_others) {
            tracing::info!(room = %place.0, component = %place.1, "another publisher took over");
            self.stop(place);
        }
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
        let Some(Running { number, progress, relapse, .. }) = self.jobs.remove(&place) else { return };
        self.places.remove(&number);
        if let Some(task) = self.board.task(&place.0, &place.1).cloned() {
            self.begin(place, &task, Beginning::Assigned, progress, relapse).await;
        }
    }

    /// The next of those that have to find another gateway, since this one ends.
    fn send_publishers_on(&mut self) {
        let published = self.jobs.iter().filter(|(_, running)| running.right == Right::Published);
        let leaving: Vec<Place> = published.map(|(place, _)| place.clone()).take(HANDFUL).collect();
        for place in leaving {
            tracing::info!(room = %place.0, component = %place.1, "a publisher has to find another gateway");
            self.wiring.metrics.publishers_sent_on.inc();
            self.stop(&place);
        }
    }

    /// Dropping its mail ends it.
    fn stop(&mut self, place: &Place) {
        self.note_trouble(place);
        self.relapsed.remove(place);
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

/// As published clients see a peer's metadata: what its server attached to it.
fn metadata(task: &Task) -> velella_model::Json {
    let server = &task.record.metadata;
    velella_model::Json::parse(&format!(r#"{{"peer":{{}},"server":{}}}"#, server.as_str()))
        .unwrap_or_else(|_| velella_model::Json::null())
}

fn publish_spec(spec: &ComponentSpec) -> Option<&PublishSpec> {
    match spec {
        ComponentSpec::Rtmp(publish) | ComponentSpec::Srt(publish) => Some(publish),
        ComponentSpec::Rtsp(_) | ComponentSpec::File(_) | ComponentSpec::Hls(_) => None,
    }
}

fn is_on_demand(spec: &ComponentSpec) -> bool {
    match spec {
        ComponentSpec::Rtsp(spec) => spec.on_demand,
        ComponentSpec::File(_) | ComponentSpec::Rtmp(_) | ComponentSpec::Srt(_) | ComponentSpec::Hls(_) => false,
    }
}

fn wait_max(spec: &ComponentSpec) -> Duration {
    match spec {
        ComponentSpec::Rtsp(spec) => Duration::from_millis(spec.reconnect_delay_ms.into()),
        ComponentSpec::File(_) | ComponentSpec::Rtmp(_) | ComponentSpec::Srt(_) | ComponentSpec::Hls(_) => {
            FILE_WAIT_MAX
        }
    }
}

fn read<M: Message>(key: &str, value: Option<&[u8]>) -> Result<Option<M>, wire::WireError> {
    value.map(wire::decode).transpose().inspect_err(|error| {
        tracing::warn!(key, %error, "a record cannot be read");
    })
}
