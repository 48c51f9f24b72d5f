//! Puts a worker together and runs it.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use velella_model::record::WorkerRecord;
use velella_model::wire::agent::Heard;
use velella_model::wire::announce::WorkerState;
use velella_model::wire::command::Holder;
use velella_model::wire::encode;
use velella_model::wire::signal::{ToHolder, VoiceChanged};
use velella_model::{Incarnation, key, subject};
use velella_ops::{Deps, Latch};
use velella_store::Keeper;
use velella_worker_core::{AgentNews, Input, Ledger};

use crate::agents::{self, AgentReport};
use crate::announce::{self, Identity, Standing};
use crate::config::Config;
use crate::control::{self, Control, Ears, Wiring as ControlWiring};
use crate::engine::Engine;
use crate::metrics;
use crate::shard_thread::{self, MAILBOX_INPUTS_MAX, MAILBOX_STRAYS_MAX, Report, Wiring};
use crate::socket::bind_shared;
use crate::voices;

/// A worker whose sockets are bound and whose ears are open.
pub struct Service {
    control: Control,
    ears: Ears,
    identity: Identity,
    standing: watch::Receiver<Standing>,
    reports: Vec<watch::Receiver<Report>>,
    voices: mpsc::Receiver<VoiceChanged>,
    heard: mpsc::Receiver<(Holder, Heard)>,
    failures: mpsc::Receiver<anyhow::Error>,
    drain: CancellationToken,
    drain_deadline: Duration,
    claimed: Latch,
    deps: Deps,
}

/// Binds sockets, starts the shard threads and subscribes; nobody knows of the worker before
/// [`Service::run`] announces it.
pub async fn build(config: Config, deps: Deps) -> anyhow::Result<Service> {
    let latch = deps.readiness.latch("worker sockets and bus");
    let claimed = deps.readiness.latch("worker lease");
    let shards = config.shard_count();
    let (sockets, bound) = bind_shared(config.udp, shards)?;
    let advertised = config.advertised(bound)?;
    let incarnation = Incarnation(boot_number()?);
    let (signals, signal_receiver) = mpsc::channel(control::SIGNALS_MAX);
    let (voices, voice_receiver) = mpsc::channel(voices::VOICES_MAX);
    let (agents, agent_news) = mpsc::channel(agents::NEWS_MAX);
    let (failure, failures) = mpsc::channel(shards + 1);
    let outlets = Outlets { signals, voices, agents };
    let (inputs, reports) = start_shards(&config, sockets, &advertised, &outlets, &failure)?;
    let (agent_report, heard) = start_agents(&deps, &config, agent_news, inputs.clone(), failure).await?;
    let ledger = Ledger::new(incarnation, config.capacity(), shards);
    let (standing, watched_standing) = watch::channel(Standing::default());
    let (registry, worker) = (&deps.registry, config.worker_id.as_str());
    metrics::register(registry, worker, reports.clone(), agent_report, watched_standing.clone())?;
    let ears = Ears::open(&*deps.bus, &config.worker_id).await?;
    let engine = Engine::new(&advertised)?;
    let drain = CancellationToken::new();
    let wiring = ControlWiring {
        worker: config.worker_id.clone(),
        incarnation,
        bus: deps.bus.clone(),
        store: deps.store.clone(),
        engine,
        shards: inputs,
        signals: signal_receiver,
        standing,
        drain: drain.clone(),
        questions: deps.inquiries.open(),
    };
    let control = Control::new(wiring, ledger);
    tracing::info!(worker = %config.worker_id, udp = %bound, ?advertised, shards, "worker ready");
    let identity = Identity {
        worker: config.worker_id.clone(),
        incarnation,
        region: config.region.clone(),
        probe: Config::probe(deps.admin, &advertised),
        endpoints: advertised,
        capacity: config.capacity(),
    };
    drop(latch);
    Ok(Service {
        control,
        ears,
        identity,
        standing: watched_standing,
        reports,
        voices: voice_receiver,
        heard,
        failures,
        drain,
        drain_deadline: config.drain_deadline,
        claimed,
        deps,
    })
}

impl Service {
    /// Addresses that clients reach it at.
    pub fn endpoints(&self) -> &[SocketAddr] {
        &self.identity.endpoints
    }

    /// Serves until its rooms are moved away after a shutdown, or the deadline for that passes, or a part of
    /// it fails.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { control, ears, identity, standing, reports, voices, heard, mut failures, deps, .. } = self;
        let span = tracing::error_span!("worker", worker = %identity.worker);
        let record = encode(&WorkerRecord { incarnation: identity.incarnation });
        let keeper = Keeper::start(deps.store.clone(), key::worker(&identity.worker), record.into());
        let ending = Ending { standing: standing.clone(), drain: self.drain, deadline: self.drain_deadline };
        let serving = async {
            tokio::select! {
                () = ending.drained(&deps.shutdown) => Ok(()),
                result = control.run(ears, keeper.standing()) => result,
                result = announce::run(deps.bus.clone(), identity, standing.clone(), reports) => result,
                () = voices::run(deps.bus.clone(), voices) => Ok(()),
                () = agents::publish(deps.bus.clone(), heard) => Ok(()),
                Some(error) = failures.recv() => Err(error),
                () = ready(standing.clone(), self.claimed) => Ok(()),
            }
        };
        let ended = serving.instrument(span).await;
        keeper.resign().await;
        ended
    }
}

/// Ready once others count it as alive; never ends.
async fn ready(mut standing: watch::Receiver<Standing>, claimed: Latch) {
    // An error means that the control task is gone, and with it the worker.
    let _ = standing.wait_for(|standing| standing.state != WorkerState::Starting).await;
    drop(claimed);
    std::future::pending().await
}

/// How a worker ends: its rooms first.
struct Ending {
    standing: watch::Receiver<Standing>,
    drain: CancellationToken,
    deadline: Duration,
}

impl Ending {
    async fn drained(mut self, shutdown: &CancellationToken) {
        shutdown.cancelled().await;
        if self.deadline.is_zero() || self.standing.borrow().rooms == 0 {
            return;
        }
        tracing::info!(rooms = self.standing.borrow().rooms, deadline = ?self.deadline, "draining before the end");
        self.drain.cancel();
        let empty = self.standing.wait_for(|standing| standing.rooms == 0);
        let drained = tokio::time::timeout(self.deadline, empty).await.is_ok();
        let rooms_left = self.standing.borrow().rooms;
        tracing::info!(drained, rooms_left, "draining has ended");
    }
}

/// What all shards send to.
struct Outlets {
    signals: mpsc::Sender<(Holder, ToHolder)>,
    voices: mpsc::Sender<VoiceChanged>,
    agents: mpsc::Sender<(usize, AgentNews)>,
}

/// The mailboxes of the shards, and what they say of themselves.
type Shards = (Vec<mpsc::Sender<Input>>, Vec<watch::Receiver<Report>>);

/// One thread for each socket.
fn start_shards(
    config: &Config,
    sockets: Vec<UdpSocket>,
    advertised: &[SocketAddr],
    outlets: &Outlets,
    failure: &mpsc::Sender<anyhow::Error>,
) -> anyhow::Result<Shards> {
    let (stray_senders, stray_receivers): (Vec<_>, Vec<_>) =
        sockets.iter().map(|_| mpsc::channel(MAILBOX_STRAYS_MAX)).unzip();
    let (mut inputs, mut reports) = (Vec::new(), Vec::new());
    for ((index, socket), strays) in sockets.into_iter().enumerate().zip(stray_receivers) {
        let (input, input_receiver) = mpsc::channel::<Input>(MAILBOX_INPUTS_MAX);
        let (report, watched) = watch::channel(Report::default());
        inputs.push(input);
        reports.push(watched);
        let Outlets { signals, voices, agents } = outlets;
        let wiring = Wiring {
            index,
            span: tracing::error_span!("shard", worker = %config.worker_id, shard = index),
            socket,
            advertised: advertised.to_vec(),
            inputs: input_receiver,
            strays,
            shards: stray_senders.clone(),
            signals: signals.clone(),
            voices: voices.clone(),
            agents: agents.clone(),
            report,
        };
        start_thread(format!("shard-{index}"), move || shard_thread::run(wiring), failure.clone())?;
    }
    Ok((inputs, reports))
}

/// Starts the thread that turns the sound of agents; returns what it says of itself, and for them.
async fn start_agents(
    deps: &Deps,
    config: &Config,
    news: mpsc::Receiver<(usize, AgentNews)>,
    shards: Vec<mpsc::Sender<Input>>,
    failure: mpsc::Sender<anyhow::Error>,
) -> anyhow::Result<(watch::Receiver<AgentReport>, mpsc::Receiver<(Holder, Heard)>)> {
    let said = deps.bus.subscribe(&subject::worker_agents(&config.worker_id)).await?;
    let (heard, heard_receiver) = mpsc::channel(agents::HEARD_MAX);
    let (report, watched) = watch::channel(AgentReport::default());
    let wiring = agents::Wiring { news, said, shards, heard, report };
    start_thread("agents".into(), move || agents::run(wiring), failure)?;
    Ok((watched, heard_receiver))
}

fn start_thread(
    name: String,
    work: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    failure: mpsc::Sender<anyhow::Error>,
) -> anyhow::Result<()> {
    let who = name.clone();
    let run = move || {
        // A panic that reaches this point is a bug outside of any session; the worker ends, and its
        // rooms are placed elsewhere.
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        let error = match ended {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.context(format!("{who} stopped")),
            Err(_) => anyhow::anyhow!("{who} panicked"),
        };
        // Nobody listens when the worker is going down anyway.
        let _ = failure.blocking_send(error);
    };
    thread::Builder::new().name(name).spawn(run).context("no thread for it")?;
    Ok(())
}

/// Differs from boot to boot of one worker; nothing compares it but for equality and age.
fn boot_number() -> anyhow::Result<u64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock stands before 1970")?;
    Ok(u64::try_from(since.as_nanos())?)
}
