//! The life of one peer: open the socket, join, move packets until the run is over, leave.
//!
//! Glue only: the session says what to do, the thread's ledger keeps what was seen.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use str0m::config::DtlsCert;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout};

use crate::record::{Arrival, Arrivals, Delays, Measurement, histogram};
use crate::session::{Counts, Output, Part, Session};
use crate::signal::Signal;
use crate::socket::{Buffers, PeerSocket};

/// A peer that is not connected by then has failed to join.
const JOIN_PATIENCE: Duration = Duration::from_secs(20);

/// Everything a peer needs to know to start.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) part: Part,
    pub(crate) socket_url: String,
    pub(crate) token: String,
    pub(crate) address: Ipv4Addr,
}

/// What all peers of the run share.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) measurement: Arc<Measurement>,
    pub(crate) cert: DtlsCert,
    /// Becomes true when everyone leaves.
    pub(crate) finish: watch::Receiver<bool>,
    /// One message per peer: it has joined, or will not.
    pub(crate) decided: mpsc::Sender<Decided>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Decided {
    /// The UDP port, if it joined.
    pub(crate) port: Option<u16>,
}

/// What the peers of one thread write to together; the thread is the only one that touches it.
pub(crate) struct Ledger {
    pub(crate) delays: Delays,
    /// How late the send loop came for its frames.
    pub(crate) lateness: Histogram<u64>,
    pub(crate) unsent_datagrams: u64,
    buffers: Buffers,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { delays: Delays::new(), lateness: histogram(), unsent_datagrams: 0, buffers: Buffers::new() }
    }
}

/// What became of one peer.
#[derive(Debug, Default)]
pub(crate) struct PeerReport {
    pub(crate) publishes: bool,
    /// From opening the socket to connected media transport.
    pub(crate) join: Option<Duration>,
    /// From opening the socket to the first packet of someone else's track.
    pub(crate) first_packet: Option<Duration>,
    pub(crate) failure: Option<String>,
    pub(crate) counts: Counts,
    pub(crate) arrivals: Arrivals,
}

/// Runs a peer to its end. Never fails: a failure is part of the report.
pub(crate) async fn run(launch: Launch, around: Surroundings, ledger: Rc<RefCell<Ledger>>) -> PeerReport {
    let decided = around.decided.clone();
    let mut report = PeerReport { publishes: !launch.part.publishes.is_empty(), ..PeerReport::default() };
    let lived = live(launch, around, &ledger, &mut report).await;
    if let Err(error) = lived {
        report.failure = Some(format!("{error:#}"));
    }
    if report.join.is_none() {
        // The conductor outlives its peers unless it was interrupted; then nobody waits.
        let _ = decided.send(Decided { port: None }).await;
    }
    report
}

async fn live(launch: Launch, around: Surroundings, ledger: &RefCell<Ledger>, report: &mut PeerReport) -> Result<()> {
    let opened = Instant::now();
    let signal = timeout(JOIN_PATIENCE, Signal::open(&launch.socket_url, &launch.token));
    let signal = signal.await.context("no answer to authentication")??;
    let socket = PeerSocket::bind(launch.address).context("no UDP port")?;
    let session =
        Session::new(&launch.part, around.cert.clone(), socket.local, around.measurement.clone(), Instant::now())?;
    let mut peer = Peer { session: Box::new(session), signal, socket, opened, ledger, report, around };
    let ended = peer.work().await;
    peer.report.counts = peer.session.counts();
    peer.signal.close().await;
    ended
}

struct Peer<'a> {
    session: Box<Session>,
    signal: Signal,
    socket: PeerSocket,
    opened: Instant,
    ledger: &'a RefCell<Ledger>,
    report: &'a mut PeerReport,
    around: Surroundings,
}

/// What woke the loop.
enum Woken {
    Finished,
    Datagrams,
    Heard(velella_proto::fishjam::media_events::server::media_event::Content),
    Timeout,
}

impl Peer<'_> {
    /// 1 do what the session wants, 2 wait for one input, 3 hand it in.
    async fn work(&mut self) -> Result<()> {
        loop {
            self.execute_outputs().await?;
            let deadline = self.deadline()?;
            let woken = tokio::select! {
                biased;
                _ = self.around.finish.wait_for(|finished| *finished) => Woken::Finished,
                // Before datagrams: an overloaded thread must still answer the server.
                heard = self.signal.next() => Woken::Heard(heard?),
                readable = self.socket.readable() => { readable?; Woken::Datagrams }
                () = sleep_until(deadline.into()) => Woken::Timeout,
            };
            match woken {
                Woken::Finished => return Ok(()),
                Woken::Datagrams => self.receive()?,
                Woken::Heard(event) => self.session.handle_event(event, Instant::now())?,
                Woken::Timeout => {}
            }
            // Under a flood of input the timer branch is never polled, yet time passes.
            let now = Instant::now();
            if self.session.poll_timeout() <= now {
                self.session.handle_timeout(now)?;
            }
        }
    }

    fn deadline(&self) -> Result<Instant> {
        let next = self.session.poll_timeout();
        if self.report.join.is_some() {
            return Ok(next);
        }
        let patience_ends = self.opened + JOIN_PATIENCE;
        anyhow::ensure!(Instant::now() < patience_ends, "not connected after {} s", JOIN_PATIENCE.as_secs());
        Ok(next.min(patience_ends))
    }

    async fn execute_outputs(&mut self) -> Result<()> {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Say(content) => self.signal.say(content).await?,
                Output::Transmit(transmit) => {
                    let sent = self.socket.send(&transmit);
                    self.ledger.borrow_mut().unsent_datagrams += u64::from(!sent);
                }
                Output::Media { payload, arrived } => self.record(&payload, arrived),
                Output::FrameWritten { lateness } => {
                    let lateness_ns = u64::try_from(lateness.as_nanos()).unwrap_or(u64::MAX);
                    self.ledger.borrow_mut().lateness.saturating_record(lateness_ns);
                }
                Output::Connected => {
                    self.report.join = Some(self.opened.elapsed());
                    let port = Some(self.socket.local.port());
                    let _ = self.around.decided.send(Decided { port }).await;
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<()> {
        let Self { session, socket, ledger, .. } = self;
        socket.receive(&mut ledger.borrow_mut().buffers, |source, bytes, arrived| {
            Ok::<(), anyhow::Error>(session.handle_datagram(source, bytes, arrived)?)
        })
    }

    fn record(&mut self, payload: &[u8], arrived: Instant) {
        let measurement = &self.around.measurement;
        let arrival = self.report.arrivals.record(measurement, payload);
        if let Arrival::New(stamp) = arrival {
            let (arrived_ns, read_ns) = (measurement.ns(arrived), measurement.ns(Instant::now()));
            self.ledger.borrow_mut().delays.record(stamp.sent_ns, arrived_ns, read_ns);
        }
        if arrival != Arrival::Foreign && self.report.first_packet.is_none() {
            self.report.first_packet = Some(self.opened.elapsed());
        }
    }
}
