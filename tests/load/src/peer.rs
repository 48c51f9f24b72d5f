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

use crate::gaps::Gap;
use crate::live::Tally;
use crate::record::{Arrival, Arrivals, Delays, Measurement, histogram};
use crate::session::{Counts, Output, Part, Session};
use crate::signal::Signal;
use crate::socket::{Buffers, PeerSocket};

/// A peer that is not connected by then has failed to join.
const JOIN_PATIENCE: Duration = Duration::from_secs(20);

/// Wait before the first return, and so much more after each that failed.
const RETURN_AFTER: Duration = Duration::from_millis(500);

/// A peer that fails so often in a row stays away.
const RETURNS_IN_VAIN_MAX: u32 = 20;

/// Everything a peer needs to know to start.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) part: Part,
    /// Its number among all of the run.
    pub(crate) number: usize,
    /// Which of the run's rooms.
    pub(crate) room: u32,
    /// Where to go first, and next when that one closes the socket.
    pub(crate) socket_urls: Vec<String>,
    /// Whether it comes back.
    pub(crate) reconnect: bool,
    pub(crate) token: String,
    pub(crate) address: Ipv4Addr,
}

/// What all peers of the run share.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) measurement: Arc<Measurement>,
    pub(crate) tally: Arc<Tally>,
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
    pub(crate) room: u32,
    pub(crate) publishes: bool,
    /// Times that it came back after its socket was closed.
    pub(crate) returns: u64,
    /// Its silences, in the measured window.
    pub(crate) gaps: Vec<Gap>,
    /// Its newest session has connected.
    pub(crate) connected: bool,
    /// From opening its first socket to connected media transport.
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
    let (room, publishes) = (launch.room, !launch.part.publishes.is_empty());
    let mut report = PeerReport { room, publishes, ..PeerReport::default() };
    let measurement = around.measurement.clone();
    let lived = live(&launch, around, &ledger, &mut report).await;
    report.gaps = report.arrivals.gaps(&measurement);
    if let Err(error) = lived {
        report.failure = Some(format!("{error:#}"));
    }
    if report.join.is_none() {
        // The conductor outlives its peers unless it was interrupted; then nobody waits.
        let _ = decided.send(Decided { port: None }).await;
    }
    report
}

/// One session after the other until the run ends; only the first must succeed.
async fn live(launch: &Launch, around: Surroundings, ledger: &RefCell<Ledger>, report: &mut PeerReport) -> Result<()> {
    let (mut former, mut failures) = (None, 0);
    for url in launch.socket_urls.iter().cycle() {
        let error = match visit(launch, url, &around, ledger, report, &mut former).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        failures = if report.connected { 1 } else { failures + 1 };
        if !launch.reconnect || report.join.is_none() || failures > RETURNS_IN_VAIN_MAX {
            return Err(error);
        }
        let mut finish = around.finish.clone();
        let finished = finish.wait_for(|finished| *finished);
        if timeout(RETURN_AFTER * failures, finished).await.is_ok() {
            return Ok(());
        }
        report.returns += 1;
    }
    Ok(())
}

/// One session, from opening the socket to the end of the run or of the socket.
async fn visit(
    launch: &Launch,
    url: &str,
    around: &Surroundings,
    ledger: &RefCell<Ledger>,
    report: &mut PeerReport,
    former: &mut Option<Box<Session>>,
) -> Result<()> {
    report.connected = false;
    let opened = Instant::now();
    let signal = timeout(JOIN_PATIENCE, Signal::open(url, &launch.token));
    let signal = signal.await.context("no answer to authentication")??;
    let socket = PeerSocket::bind(launch.address).context("no UDP port")?;
    let (part, cert, local, now) = (&launch.part, around.cert.clone(), socket.local, Instant::now());
    let session = match former.take() {
        Some(former) => former.again(part, cert, local, now)?,
        None => Session::new(part, cert, local, around.measurement.clone(), now)?,
    };
    let (number, session, around) = (launch.number, Box::new(session), around.clone());
    let mut peer = Peer { number, session, signal, socket, opened, ledger, report, around };
    let ended = peer.work().await;
    peer.report.counts = peer.session.counts();
    *former = Some(peer.session);
    peer.signal.close().await;
    ended
}

struct Peer<'a> {
    number: usize,
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
        if self.report.connected {
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
                Output::Connected => self.connected().await,
            }
        }
        Ok(())
    }

    async fn connected(&mut self) {
        self.report.connected = true;
        if self.report.join.is_none() {
            self.report.join = Some(self.opened.elapsed());
            let port = Some(self.socket.local.port());
            let _ = self.around.decided.send(Decided { port }).await;
        }
    }

    fn receive(&mut self) -> Result<()> {
        let Self { session, socket, ledger, .. } = self;
        socket.receive(&mut ledger.borrow_mut().buffers, |source, bytes, arrived| {
            Ok::<(), anyhow::Error>(session.handle_datagram(source, bytes, arrived)?)
        })
    }

    fn record(&mut self, payload: &[u8], arrived: Instant) {
        let measurement = &self.around.measurement;
        let arrived_ns = measurement.ns(arrived);
        let arrival = self.report.arrivals.record(measurement, payload, arrived_ns);
        if let Arrival::New(stamp) = arrival {
            let read_ns = measurement.ns(Instant::now());
            self.ledger.borrow_mut().delays.record(stamp.sent_ns, arrived_ns, read_ns);
        }
        if arrival != Arrival::Foreign {
            self.around.tally.received(self.number);
            self.report.first_packet.get_or_insert_with(|| self.opened.elapsed());
        }
    }
}
