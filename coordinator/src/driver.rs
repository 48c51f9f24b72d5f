//! The one task that owns the core: take one input, carry out its outputs, sleep until a timeout.
//!
//! Signals are published here, in order. Store calls and commands run beside it, a bounded number
//! at a time, and come back as inputs; while too many are out, no new mail is taken.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch::Receiver;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use velella_bus::{Delivery, Subscription};
use velella_coordinator_core::chronicle::Chronicle;
use velella_coordinator_core::{
    Arrival, Close, Coordinator, Entry, Fact, FleetFact, Input, Noun, Output, Reply, Request, Said, Ticket,
};
use velella_model::wire::{self, Message};
use velella_model::{CoordinatorId, SessionId, subject};
use velella_ops::Latch;
use velella_store::tenure::Standing;

use crate::effects::Effects;
use crate::notices::Notices;
use crate::notices::report::{self, Reports};
use crate::resources::Adoption;
use crate::socket::{OUTBOX_MAX, Outgoing};
use crate::watch::{Step, Watch};

/// Letters of sockets and requests that wait for the driver; senders wait when it is full.
const MAIL_MAX: usize = 4096;

/// Store calls and commands that run at once; more wait, and mail waits with them.
const EFFECTS_MAX: usize = 512;

/// A bus that takes longer for one message counts as having lost it.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(1);

/// What of the store the core looks at, in the order in which it wants to know it.
const NOUNS: [Noun; 8] = [
    Noun::Workers,
    Noun::Gateways,
    Noun::Cordons,
    Noun::Coordinators,
    Noun::Rooms,
    Noun::Peers,
    Noun::Components,
    Noun::Ingests,
];

/// How often the core's counts become metrics.
const OBSERVE_INTERVAL: Duration = Duration::from_secs(1);

/// What sockets and HTTP handlers send to the driver.
#[derive(Debug)]
pub(crate) enum Letter {
    Ask { request: Request, answer: oneshot::Sender<Reply> },
    Attach { arrival: Arrival, outbox: mpsc::Sender<Outgoing> },
    Said { session: SessionId, said: Said },
    Gone { session: SessionId },
}

/// The driver's mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox(mpsc::Sender<Letter>);

/// The driver has ended: the process is going down.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the coordinator is shutting down")]
pub(crate) struct DriverGone;

impl Mailbox {
    /// Nobody reads it.
    #[cfg(test)]
    pub(crate) fn to_nobody() -> Self {
        Self(mpsc::channel(1).0)
    }

    pub(crate) async fn send(&self, letter: Letter) -> Result<(), DriverGone> {
        self.0.send(letter).await.map_err(|_| DriverGone)
    }

    pub(crate) async fn ask(&self, request: Request) -> Result<Reply, DriverGone> {
        let (answer, reply) = oneshot::channel();
        self.send(Letter::Ask { request, answer }).await?;
        reply.await.map_err(|_| DriverGone)
    }
}

/// The core with its ears and hands.
pub(crate) struct Driver {
    core: Coordinator,
    chronicle: Chronicle,
    effects: Effects,
    mail: mpsc::Receiver<Letter>,
    announcements: Subscription,
    gateways: Subscription,
    signals: Subscription,
    voices: Subscription,
    holdings: Subscription,
    readings: Subscription,
    notices: Notices,
    reports: Reports,
    running: JoinSet<Input>,
    waiting: VecDeque<Output>,
    sockets: BTreeMap<SessionId, mpsc::Sender<Outgoing>>,
    asking: BTreeMap<Ticket, oneshot::Sender<Reply>>,
    adoptions: mpsc::Sender<Adoption>,
    next_ticket: u64,
}

impl Driver {
    /// Subscribes before anything is asked of a worker: its first events may overtake its answer.
    pub(crate) async fn start(
        id: CoordinatorId,
        region: String,
        effects: Effects,
        adoptions: mpsc::Sender<Adoption>,
        (notices, reports): (Notices, Reports),
    ) -> anyhow::Result<(Self, Mailbox)> {
        let announcements = effects.bus.subscribe(subject::ANNOUNCEMENTS).await?;
        let gateways = effects.bus.subscribe(subject::GATEWAY_ANNOUNCEMENTS).await?;
        let signals = effects.bus.subscribe(&subject::holder_signals(&id.clone().into())).await?;
        let voices = effects.bus.subscribe(subject::VOICES).await?;
        let holdings = effects.bus.subscribe(subject::HOLDINGS).await?;
        let readings = effects.bus.subscribe(subject::INGEST_REPORTS).await?;
        let (sender, mail) = mpsc::channel(MAIL_MAX);
        let driver = Self {
            core: Coordinator::new(id, region),
            chronicle: Chronicle::new(),
            effects,
            mail,
            announcements,
            gateways,
            signals,
            voices,
            holdings,
            readings,
            notices,
            reports,
            running: JoinSet::new(),
            waiting: VecDeque::new(),
            sockets: BTreeMap::new(),
            asking: BTreeMap::new(),
            adoptions,
            next_ticket: 0,
        };
        Ok((driver, Mailbox(sender)))
    }

    /// Runs until `shutdown`; drops `listed` when the store was read once.
    pub(crate) async fn run(
        mut self,
        shutdown: CancellationToken,
        listed: Latch,
        mut leadership: Receiver<Standing>,
    ) -> anyhow::Result<()> {
        let mut watch = Watch::start(self.effects.clone(), None);
        let mut listed = Some(listed);
        let mut observe = tokio::time::interval(OBSERVE_INTERVAL);
        loop {
            let timeout = self.core.poll_timeout().map(|(at, _)| at);
            let takes_mail = self.waiting.is_empty();
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(done) = self.running.join_next() => self.effect_done(done).await,
                Some(step) = watch.next() => {
                    self.followed(step).await;
                    drop(listed.take());
                }
                delivery = self.signals.next() => self.delivered(delivery, "signal", Input::Signalled).await?,
                delivery = self.announcements.next() => {
                    self.delivered(delivery, "announce", Input::Announced).await?;
                }
                delivery = self.gateways.next() => {
                    self.delivered(delivery, "gateway", Input::GatewayAnnounced).await?;
                }
                delivery = self.holdings.next() => self.delivered(delivery, "holding", Input::Holds).await?,
                delivery = self.readings.next() => {
                    self.delivered(delivery, "ingest", Input::IngestsReported).await?;
                }
                Ok(()) = leadership.changed() => {
                    let leads = leads(*leadership.borrow_and_update());
                    self.input(Input::Leads(leads)).await;
                }
                delivery = self.voices.next() => {
                    if let Some(voice) = self.read(delivery, "voice")? {
                        self.chronicle.heard(voice);
                        self.tell_notices();
                    }
                }
                letter = self.mail.recv(), if takes_mail => {
                    let Some(letter) = letter else { break };
                    self.letter(letter).await;
                }
                () = sleep_until(timeout) => self.input(Input::Timeout).await,
                _ = observe.tick() => {
                    // A leader whose store is away stops counting as one without being told.
                    let leads = leads(*leadership.borrow());
                    self.input(Input::Leads(leads)).await;
                    self.observe();
                }
            }
        }
        Ok(())
    }

    fn observe(&self) {
        let stats = self.core.stats();
        let now = Instant::now();
        self.effects.metrics.observe(stats);
        self.effects.metrics.observe_components(&self.core.components(), self.core.gateways_ready(now));
        self.reports.publish(|| report::encode(stats, &self.core.workers(now)));
    }

    async fn letter(&mut self, letter: Letter) {
        let input = match letter {
            Letter::Ask { request, answer } => {
                self.next_ticket += 1;
                let ticket = Ticket(self.next_ticket);
                self.asking.insert(ticket, answer);
                Input::Requested { ticket, request }
            }
            Letter::Attach { arrival, outbox } => {
                self.sockets.insert(arrival.session.clone(), outbox);
                Input::Arrived(arrival)
            }
            Letter::Said { session, said } => Input::PeerSaid { session, said },
            Letter::Gone { session } => {
                self.sockets.remove(&session);
                Input::SocketClosed { session }
            }
        };
        self.input(input).await;
    }

    async fn delivered<M: Message>(
        &mut self,
        delivery: Option<Delivery>,
        conversation: &'static str,
        input: fn(M) -> Input,
    ) -> anyhow::Result<()> {
        if let Some(message) = self.read(delivery, conversation)? {
            self.input(input(message)).await;
        }
        Ok(())
    }

    fn read<M: Message>(&self, delivery: Option<Delivery>, conversation: &'static str) -> anyhow::Result<Option<M>> {
        let Some(delivery) = delivery else { anyhow::bail!("the bus closed the {conversation} subscription") };
        let read = wire::decode(&delivery.payload);
        Ok(read.inspect_err(|error| self.effects.bad_message(conversation, error)).ok())
    }

    /// What the store shows goes to the core and to the chronicle, which only looks at that.
    async fn followed(&mut self, step: Step) {
        match step {
            Step::Listed { entries, revision } => {
                self.notices.begin(revision);
                self.chronicle.listed(entries.clone(), revision);
                let mut parts: BTreeMap<Noun, Vec<Entry>> = BTreeMap::new();
                for entry in entries {
                    parts.entry(noun(&entry.fact)).or_default().push(entry);
                }
                for noun in NOUNS {
                    let entries = parts.remove(&noun).unwrap_or_default();
                    self.input(Input::Listed { noun, entries, revision }).await;
                }
            }
            Step::Changed(entry) => {
                self.chronicle.changed(entry.clone());
                self.input(Input::Changed(entry)).await;
            }
            Step::Passed(revision) => self.chronicle.passed(revision),
        }
        self.tell_notices();
    }

    fn tell_notices(&mut self) {
        while let Some(notice) = self.chronicle.poll_output() {
            self.notices.tell(notice);
        }
    }

    async fn effect_done(&mut self, done: Result<Input, tokio::task::JoinError>) {
        match done {
            Ok(input) => self.input(input).await,
            Err(error) => tracing::error!(%error, "an effect ended in a panic"),
        }
        while self.running.len() < EFFECTS_MAX
            && let Some(effect) = self.waiting.pop_front()
        {
            self.spawn(effect);
        }
    }

    /// Feeds the core and carries out what it wants; what fails at once is fed back.
    async fn input(&mut self, input: Input) {
        self.core.handle_input(input, Instant::now());
        while let Some(output) = self.core.poll_output() {
            if let Some(failed) = self.execute(output).await {
                self.core.handle_input(failed, Instant::now());
            }
        }
    }

    async fn execute(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Write { .. } | Output::Load { .. } | Output::Command { .. } | Output::Probe { .. } => {
                if self.running.len() < EFFECTS_MAX {
                    self.spawn(output);
                } else {
                    self.waiting.push_back(output);
                }
                None
            }
            Output::Signal { worker, message } => {
                let (subject, payload) = (subject::worker_signals(&worker), Bytes::from(wire::encode(&message)));
                let publish = self.effects.bus.publish(&subject, payload);
                let failed = !matches!(tokio::time::timeout(PUBLISH_TIMEOUT, publish).await, Ok(Ok(())));
                failed.then_some(Input::SignalFailed { session: message.session })
            }
            Output::Welcome { session, room_type } => self.tell(session, Outgoing::Welcome(room_type)),
            Output::ToSocket { session, event } => self.tell(session, Outgoing::Event(event)),
            Output::TrackTaken { session, track, worker } => self.tell(session, Outgoing::TrackTaken { track, worker }),
            Output::Adopt { session } => self.adopt(session).await,
            Output::Adopted { session, offer } => self.tell(session, Outgoing::Adopted { offer }),
            Output::CloseSocket { session, close } => {
                self.close(&session, close);
                None
            }
            Output::Reply { ticket, reply } => {
                if let Some(answer) = self.asking.remove(&ticket) {
                    // Whoever asked may have hung up meanwhile.
                    let _ = answer.send(reply);
                }
                None
            }
        }
    }

    fn spawn(&mut self, output: Output) {
        let effects = self.effects.clone();
        match output {
            Output::Write { op, fact, expect } => {
                self.running.spawn(async move { effects.write(op, fact, expect).await });
            }
            Output::Load { op, room } => {
                self.running.spawn(async move { effects.load(op, room).await });
            }
            Output::Command { op, worker, incarnation, order } => {
                let span = tracing::error_span!("command", %worker);
                self.running
                    .spawn(async move { effects.command(op, worker, incarnation, order).await }.instrument(span));
            }
            Output::Probe { whom, incarnation, at } => {
                self.running.spawn(async move { effects.probe(whom, incarnation, at).await });
            }
            Output::Signal { .. }
            | Output::Welcome { .. }
            | Output::ToSocket { .. }
            | Output::TrackTaken { .. }
            | Output::Adopt { .. }
            | Output::Adopted { .. }
            | Output::CloseSocket { .. }
            | Output::Reply { .. } => {}
        }
    }

    /// Nobody takes it when this process is going down.
    async fn adopt(&mut self, session: SessionId) -> Option<Input> {
        let (outbox, outgoing) = mpsc::channel(OUTBOX_MAX);
        self.sockets.insert(session.clone(), outbox);
        let adoption = Adoption { session: session.clone(), outgoing };
        self.adoptions.send(adoption).await.is_err().then_some(Input::SocketClosed { session })
    }

    /// A socket whose queue is full reads too slowly: dropping its queue closes it.
    fn tell(&mut self, session: SessionId, outgoing: Outgoing) -> Option<Input> {
        let outbox = self.sockets.get(&session)?;
        if outbox.try_send(outgoing).is_ok() {
            return None;
        }
        self.sockets.remove(&session);
        self.effects.metrics.outbox_overflows.inc();
        Some(Input::SocketClosed { session })
    }

    fn close(&mut self, session: &SessionId, close: Close) {
        if let Some(outbox) = self.sockets.remove(session) {
            // A full queue closes the socket as well, by being dropped.
            let _ = outbox.try_send(Outgoing::Close(close));
        }
    }
}

fn noun(fact: &Fact) -> Noun {
    match fact {
        Fact::Room(..) => Noun::Rooms,
        Fact::Peer(..) => Noun::Peers,
        Fact::Component(..) => Noun::Components,
        Fact::Ingest(..) => Noun::Ingests,
        Fact::Gateway(..) => Noun::Gateways,
        Fact::Fleet(FleetFact::Worker(..)) => Noun::Workers,
        Fact::Fleet(FleetFact::Cordon(..)) => Noun::Cordons,
        Fact::Fleet(FleetFact::Coordinator(..)) => Noun::Coordinators,
    }
}

pub(crate) fn leads(standing: Standing) -> bool {
    matches!(standing, Standing::Held { until, .. } if Instant::now() < until)
}

pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
