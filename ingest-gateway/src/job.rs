//! One ingest: feeds its machine and does what that wants.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use velella_bus::Bus;
use velella_gateway_core::{Counts, Home, Ingest, Input, Output, Packet, Progress};
use velella_media::Picture;
use velella_model::component::ComponentSpec;
use velella_model::wire::command::{Assignment, Command, CommandReply, OpenSession, Order};
use velella_model::wire::signal::ToHolder;
use velella_model::wire::{decode, encode};
use velella_model::{Incarnation, SessionId, WorkerId, subject};

use crate::metrics::Metrics;
use crate::readings::Reading;
use crate::source::{End, Event, Means, Source};
use crate::transcoder::Transcoder;
use crate::uplink_socket::{self, DATAGRAM_BYTES_MAX};

/// Letters to one ingest; signals of its worker, mostly.
pub(crate) const MAIL_MAX: usize = 256;

/// A worker that needs longer for a command counts as silent.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

/// What the driver tells an ingest.
#[derive(Debug)]
pub(crate) enum Letter {
    /// Its room lives there; nowhere while it is being placed.
    Homed(Option<Lodging>),
    /// Whether somebody is there to see it.
    Wanted(bool),
    /// Its worker said something.
    Said(ToHolder),
}

/// Where a room lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lodging {
    pub(crate) worker: WorkerId,
    pub(crate) incarnation: Incarnation,
    pub(crate) assignment: Assignment,
    /// Of the worker.
    pub(crate) endpoint: Option<SocketAddr>,
}

/// A job with its hands. Runs until the sender of its mail is dropped, or what was published to it ends.
pub(crate) struct Job {
    pub(crate) ingest: Ingest,
    pub(crate) spec: ComponentSpec,
    /// Where its record stands.
    pub(crate) key: String,
    pub(crate) means: Means,
    pub(crate) metrics: Arc<Metrics>,
    /// What the metrics know of it already.
    pub(crate) counted: Counts,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) mail: mpsc::Receiver<Letter>,
    pub(crate) progress: watch::Sender<Option<Progress>>,
    /// For whoever wants to know how much comes through.
    pub(crate) reading: watch::Sender<Reading>,
    pub(crate) source: Option<Source>,
    pub(crate) transcoder: Option<Transcoder>,
    pub(crate) socket: Option<UdpSocket>,
    /// Commands under way.
    pub(crate) asking: JoinSet<(SessionId, bool)>,
}

/// What woke the loop.
enum Woken {
    Mail(Option<Letter>),
    Source(Result<Event, End>),
    Transcoder(Result<Picture, String>),
    Datagram(io::Result<(usize, SocketAddr)>),
    Asked(SessionId, bool),
    Timeout,
}

impl Job {
    pub(crate) async fn run(mut self) {
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            if self.execute().await {
                return;
            }
            let timeout = self.ingest.poll_timeout();
            let woken = tokio::select! {
                letter = self.mail.recv() => Woken::Mail(letter),
                Some(Ok((session, done))) = self.asking.join_next() => Woken::Asked(session, done),
                received = receive(self.socket.as_ref(), &mut datagram) => Woken::Datagram(received),
                event = next(self.source.as_mut()) => Woken::Source(event),
                picture = transcoded(self.transcoder.as_mut()) => Woken::Transcoder(picture),
                () = sleep_until(timeout) => Woken::Timeout,
            };
            let now = Instant::now();
            match woken {
                Woken::Mail(None) => return self.end().await,
                Woken::Mail(Some(letter)) => self.letter(letter, now).await,
                Woken::Source(Ok(event)) => self.ingest.handle_input(event.into(), now),
                Woken::Source(Err(End { trouble, retry })) => {
                    self.source = None;
                    self.ingest.handle_input(Input::Ended { trouble, retry }, now);
                }
                Woken::Transcoder(Ok(picture)) => self.ingest.handle_input(Input::Transcoded(picture), now),
                Woken::Transcoder(Err(why)) => {
                    self.transcoder = None;
                    self.ingest.handle_input(Input::TranscoderEnded(&why), now);
                }
                Woken::Datagram(Ok((length, source))) => {
                    let contents = datagram.get(..length).unwrap_or_default();
                    self.ingest.handle_input(Input::Datagram { source, contents }, now);
                }
                // A port that refuses: the worker is gone, which ICE finds out by itself.
                Woken::Datagram(Err(error)) => tracing::debug!(%error, "a datagram was not received"),
                Woken::Asked(session, done) => self.ingest.handle_input(Input::Opened { session, done }, now),
                Woken::Timeout => self.ingest.handle_input(Input::Timeout, now),
            }
        }
    }

    async fn letter(&mut self, letter: Letter, now: Instant) {
        let input = match letter {
            Letter::Homed(lodging) => Input::Homed(self.move_to(lodging).await),
            Letter::Wanted(wanted) => Input::Wanted(wanted),
            Letter::Said(message) => Input::Said(message),
        };
        self.ingest.handle_input(input, now);
    }

    /// The way there; none when there is no way.
    async fn move_to(&mut self, lodging: Option<Lodging>) -> Option<Home> {
        let Lodging { worker, incarnation, assignment, endpoint } = lodging?;
        match uplink_socket::towards(endpoint?).await {
            Ok((socket, local)) => {
                self.socket = Some(socket);
                Some(Home { worker, incarnation, assignment, local })
            }
            Err(error) => {
                tracing::warn!(%worker, %error, "no way to the worker");
                None
            }
        }
    }

    /// Does what the machine wants; whether it is finished.
    async fn execute(&mut self) -> bool {
        let counts = self.ingest.counts();
        self.metrics.add(std::mem::replace(&mut self.counted, counts), counts);
        self.reading.send_if_modified(|reading| {
            reading.take(&self.ingest);
            // It is looked at by the clock; nobody waits for it.
            false
        });
        while let Some(output) = self.ingest.poll_output() {
            match output {
                Output::OpenSource => self.source = Some(Source::open(&self.spec, &self.key, &self.means)),
                Output::CloseSource => self.source = None,
                Output::StartTranscoder(encoding) => self.transcoder = self.means.transcoder(encoding),
                Output::Transcode(coded) => {
                    if let Some(transcoder) = &self.transcoder {
                        transcoder.give(coded);
                    }
                }
                Output::StopTranscoder => self.transcoder = None,
                Output::Open { session, worker, incarnation, order } => self.ask(session, worker, incarnation, order),
                Output::Close { worker, incarnation, order } => self.tell(&worker, incarnation, order).await,
                Output::Signal { worker, message } => {
                    self.publish(&subject::worker_signals(&worker), encode(&message)).await;
                }
                Output::Send(packet) => self.send(&packet),
                Output::Progress(progress) => drop(self.progress.send_replace(Some(progress))),
                Output::Finished => return true,
            }
        }
        false
    }

    async fn end(mut self) {
        self.ingest.close(Instant::now());
        self.execute().await;
    }

    fn ask(&mut self, session: SessionId, worker: WorkerId, incarnation: Incarnation, order: Box<OpenSession>) {
        let bus = self.bus.clone();
        self.asking.spawn(async move {
            let command = encode(&Command { incarnation, order: Order::OpenSession { session: *order } });
            let answer = bus.request(&subject::worker_commands(&worker), command.into(), COMMAND_TIMEOUT).await;
            let reply = answer.map(|bytes| decode::<CommandReply>(&bytes));
            let done = matches!(reply, Ok(Ok(CommandReply::Done)));
            if !done {
                tracing::info!(%worker, ?reply, "the worker did not open a session");
            }
            (session, done)
        });
    }

    /// Without an answer: a worker that does not hear it closes the session by its own timeout.
    async fn tell(&self, worker: &WorkerId, incarnation: Incarnation, order: Order) {
        self.publish(&subject::worker_commands(worker), encode(&Command { incarnation, order })).await;
    }

    async fn publish(&self, subject: &str, message: Vec<u8>) {
        if let Err(error) = self.bus.publish(subject, Bytes::from(message)).await {
            tracing::info!(subject, %error, "a message was not sent");
        }
    }

    /// Never waits: a datagram that finds no room is lost, as on the network.
    fn send(&self, packet: &Packet) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.try_send_to(&packet.contents, packet.destination)
        {
            tracing::trace!(%error, "a datagram was not sent");
        }
    }
}

async fn receive(socket: Option<&UdpSocket>, datagram: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(datagram).await,
        None => std::future::pending().await,
    }
}

async fn next(source: Option<&mut Source>) -> Result<Event, End> {
    match source {
        Some(source) => source.next().await,
        None => std::future::pending().await,
    }
}

async fn transcoded(transcoder: Option<&mut Transcoder>) -> Result<Picture, String> {
    match transcoder {
        Some(transcoder) => transcoder.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
