//! The loop of one shard: receive a batch, let the core work, send, sleep until something happens.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use velella_model::wire::command::Holder;
use velella_model::wire::signal::{ToHolder, VoiceChanged};
use velella_worker_core::{AgentNews, Datagram, Input, Output, Routing, Shard, Stats};

use crate::socket::{BatchSocket, Sent};
use crate::strays::Strays;

/// Orders and signals waiting for a shard. A shard that is this far behind is overloaded; the
/// session whose signal finds no room is closed.
pub(crate) const MAILBOX_INPUTS_MAX: usize = 4_096;
/// Datagrams from other shards waiting; more are dropped like losses in the network.
pub(crate) const MAILBOX_STRAYS_MAX: usize = 1_024;
/// Batches read before sending, so that a flood in does not starve what goes out.
const BATCHES_PER_TURN_MAX: usize = 4;
/// Inputs taken per turn.
const INPUTS_PER_TURN_MAX: usize = 64;
/// How often counters are published.
const REPORT_INTERVAL: Duration = Duration::from_millis(250);

/// A datagram that came to another shard.
pub(crate) struct Stray {
    pub(crate) source: SocketAddr,
    pub(crate) contents: Box<[u8]>,
}

/// What a shard says about itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    pub(crate) stats: Stats,
    /// CPU time of the thread since its start.
    pub(crate) cpu: Duration,
    /// Calls to send.
    pub(crate) send_calls: u64,
    /// Datagrams that the kernel did not take.
    pub(crate) send_dropped: u64,
    /// Datagrams handed to other shards.
    pub(crate) strays_out: u64,
    /// Datagrams that another shard's full mailbox did not take.
    pub(crate) strays_dropped: u64,
    /// Signals that the control task's full mailbox did not take.
    pub(crate) signals_dropped: u64,
    /// Voices that found their queue full.
    pub(crate) voices_dropped: u64,
    /// News and packets that the full mailbox of the agents' thread did not take.
    pub(crate) agent_news_dropped: u64,
}

/// Everything a shard thread is given.
pub(crate) struct Wiring {
    pub(crate) index: usize,
    /// Names worker and shard in the log.
    pub(crate) span: tracing::Span,
    pub(crate) socket: std::net::UdpSocket,
    /// The address that clients sent to, as the engine knows it: by family.
    pub(crate) advertised: Vec<SocketAddr>,
    pub(crate) inputs: mpsc::Receiver<Input>,
    pub(crate) strays: mpsc::Receiver<Stray>,
    /// Mailboxes of all shards, this one included.
    pub(crate) shards: Vec<mpsc::Sender<Stray>>,
    pub(crate) signals: mpsc::Sender<(Holder, ToHolder)>,
    pub(crate) voices: mpsc::Sender<VoiceChanged>,
    pub(crate) agents: mpsc::Sender<(usize, AgentNews)>,
    pub(crate) report: watch::Sender<Report>,
}

/// Runs until its mailbox is closed.
pub(crate) fn run(wiring: Wiring) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let span = wiring.span.clone();
    let _entered = span.enter();
    // The socket registers with the runtime, so it is made inside.
    runtime.block_on(async { ShardLoop::new(wiring)?.run().await })
}

struct ShardLoop {
    wiring: Wiring,
    socket: BatchSocket,
    shard: Shard,
    routes: Strays,
    report: Report,
    next_report: Instant,
}

impl ShardLoop {
    fn new(wiring: Wiring) -> anyhow::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            socket: BatchSocket::new(wiring.socket.try_clone()?)?,
            wiring,
            shard: Shard::new(now),
            routes: Strays::default(),
            report: Report::default(),
            next_report: now,
        })
    }

    async fn run(mut self) -> anyhow::Result<()> {
        loop {
            let wake = self.shard.poll_timeout(Instant::now()).min(self.next_report);
            let mut input = None;
            let mut stray = None;
            tokio::select! {
                biased;
                received = self.wiring.inputs.recv() => match received {
                    Some(received) => input = Some(received),
                    None => return Ok(()),
                },
                Some(received) = self.wiring.strays.recv() => stray = Some(received),
                readable = self.socket.readable() => readable?,
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            let now = Instant::now();
            self.take_inputs(input, now);
            self.take_strays(stray, now);
            self.take_datagrams(now)?;
            self.shard.flush(now);
            self.deliver();
            if now >= self.next_report {
                self.next_report = now + REPORT_INTERVAL;
                self.publish_report();
            }
        }
    }

    fn take_inputs(&mut self, first: Option<Input>, now: Instant) {
        let mut next = first;
        for _ in 0..INPUTS_PER_TURN_MAX {
            let Some(input) = next.take().or_else(|| self.wiring.inputs.try_recv().ok()) else { return };
            self.shard.handle_input(input, now);
        }
    }

    fn take_strays(&mut self, first: Option<Stray>, now: Instant) {
        let mut next = first;
        for _ in 0..INPUTS_PER_TURN_MAX {
            let Some(stray) = next.take().or_else(|| self.wiring.strays.try_recv().ok()) else { return };
            if let Some(destination) = destination(&self.wiring.advertised, stray.source) {
                let datagram = Datagram { source: stray.source, destination, contents: &stray.contents };
                // Handed over once: what is not known here either belongs to a session that is gone.
                if self.shard.handle_datagram(datagram, now) == Routing::Unknown {
                    self.report.stats.unknown_source += 1;
                }
            }
        }
    }

    fn take_datagrams(&mut self, now: Instant) -> anyhow::Result<()> {
        for _ in 0..BATCHES_PER_TURN_MAX {
            let Self { socket, shard, routes, wiring, report, .. } = self;
            let more = socket.receive(|received| {
                let Some(destination) = destination(&wiring.advertised, received.source) else { return };
                let datagram = Datagram { source: received.source, destination, contents: received.contents };
                if shard.handle_datagram(datagram, now) == Routing::Unknown {
                    hand_over(wiring, routes, report, datagram);
                }
            })?;
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// Sends datagrams, and the rest to the tasks that talk to coordinators.
    fn deliver(&mut self) {
        let transmits = self.shard.transmits();
        let sent = self.socket.send(transmits);
        transmits.clear();
        self.count(sent);
        while let Some(output) = self.shard.poll_output() {
            // Never waits: media would stall. The coordinator sees the gap and closes the session.
            match output {
                Output::Signal(holder, message) => {
                    let taken = self.wiring.signals.try_send((holder, message));
                    self.report.signals_dropped += u64::from(taken.is_err());
                }
                Output::Voice(change) => {
                    let taken = self.wiring.voices.try_send(change);
                    self.report.voices_dropped += u64::from(taken.is_err());
                }
                Output::Agent(news) => {
                    let taken = self.wiring.agents.try_send((self.wiring.index, news));
                    self.report.agent_news_dropped += u64::from(taken.is_err());
                }
            }
        }
    }

    fn count(&mut self, sent: Sent) {
        self.report.stats.datagrams_out += sent.datagrams;
        self.report.stats.bytes_out += sent.bytes;
        self.report.send_calls += sent.calls;
        self.report.send_dropped += sent.dropped;
    }

    fn publish_report(&mut self) {
        let Stats { datagrams_out, bytes_out, unknown_source, .. } = self.report.stats;
        self.report.stats = Stats { datagrams_out, bytes_out, unknown_source, ..self.shard.stats() };
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        self.report.cpu = Duration::try_from(cpu).unwrap_or_default();
        self.wiring.report.send_replace(self.report);
    }
}

fn hand_over(wiring: &Wiring, routes: &mut Strays, report: &mut Report, datagram: Datagram<'_>) {
    let shard = routes.route(wiring.index, datagram.source, datagram.contents);
    let Some(mailbox) = shard.and_then(|shard| wiring.shards.get(shard)) else {
        report.stats.unknown_source += 1;
        return;
    };
    let stray = Stray { source: datagram.source, contents: datagram.contents.into() };
    match mailbox.try_send(stray) {
        Ok(()) => report.strays_out += 1,
        Err(_) => report.strays_dropped += 1,
    }
}

/// The advertised address of the source's family: the engine knows connections by what it
/// advertised, not by what the socket is bound to.
fn destination(advertised: &[SocketAddr], source: SocketAddr) -> Option<SocketAddr> {
    advertised.iter().copied().find(|a| a.is_ipv4() == source.is_ipv4())
}
