//! Carrying out what the core asks of the store and of workers; each effect ends in an input.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use velella_bus::{Bus, BusError};
use velella_coordinator_core::{
    CommandOutcome, Entry, Expect, Fact, FleetFact, Input, OpId, Revision, Suspect, WriteOutcome,
};
use velella_model::component::JobKind;
use velella_model::key::{self, Key};
use velella_model::wire::command::{Command, CommandReply, Order};
use velella_model::wire::{self, WireError};
use velella_model::{Incarnation, RoomId, WorkerId, subject};
use velella_store::{Store, StoreError, Versioned, Written};

use crate::metrics::Metrics;

/// A worker that needs longer for a command counts as silent. Opening a session takes a few ms.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

/// A port that takes longer is behind a broken path, which proves nothing.
const PROBE_TIMEOUT: Duration = Duration::from_millis(300);

/// A paused store still accepts connections, so each call needs its own end.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// What effects act on.
#[derive(Clone)]
pub(crate) struct Effects {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Effects {
    pub(crate) async fn write(&self, op: OpId, fact: Fact, expect: Expect) -> Input {
        let expect = match expect {
            Expect::Any => velella_store::Expect::Any,
            Expect::Absent => velella_store::Expect::Absent,
            Expect::Revision(Revision(at)) => velella_store::Expect::Revision(velella_store::Revision(at)),
        };
        let (key, value) = encode(&fact);
        let written = async {
            match value {
                Some(value) => {
                    if expect == velella_store::Expect::Absent {
                        self.begin_stream(&key, &fact).await?;
                    }
                    self.store.put(&key, value, expect, None).await
                }
                None => self.store.delete(&key, expect).await,
            }
        };
        let outcome = match in_time(written).await {
            Ok(Written::Done(revision)) => WriteOutcome::Done(Revision(revision.0)),
            Ok(Written::Conflict(standing)) => {
                WriteOutcome::Conflict(standing.and_then(|versioned| self.entry(&key, &versioned)))
            }
            Err(error) => {
                tracing::warn!(%key, %error, "a write failed");
                WriteOutcome::Failed
            }
        };
        if let (Fact::Component(_, _, None), WriteOutcome::Done(_)) = (&fact, &outcome) {
            self.forget_stream(&fact).await;
        }
        Input::Written { op, outcome }
    }

    /// Nothing of a broadcast that is over goes on in the next one of the same id.
    async fn begin_stream(&self, key: &str, component: &Fact) -> Result<(), StoreError> {
        let Some(stream) = stream_of(component) else { return Ok(()) };
        if self.store.get(key).await?.is_none() {
            self.store.delete(&stream, velella_store::Expect::Any).await?;
        }
        Ok(())
    }

    /// What stands beside a component goes with it. If that fails, the sweep or the next one of its id sees to it.
    async fn forget_stream(&self, component: &Fact) {
        let Some(stream) = stream_of(component) else { return };
        if let Err(error) = in_time(self.store.delete(&stream, velella_store::Expect::Any)).await {
            tracing::warn!(stream, %error, "what is left of a broadcast cannot be removed");
        }
    }

    pub(crate) async fn load(&self, op: OpId, room: RoomId) -> Input {
        let room_key = key::room(&room);
        let found = in_time(async {
            let found = self.store.get(&room_key).await?;
            let mut within = Vec::new();
            for prefix in [key::peers_of(&room), key::components_of(&room), key::ingests_of(&room)] {
                within.extend(self.store.list(&prefix).await?.entries);
            }
            Ok((found, within))
        });
        let entries = match found.await {
            Ok((found, within)) => {
                let room = found.and_then(|versioned| self.entry(&room_key, &versioned));
                let within = within.into_iter().filter_map(|(key, versioned)| self.entry(&key, &versioned));
                Some(room.into_iter().chain(within).collect())
            }
            Err(error) => {
                tracing::warn!(%room, %error, "a room cannot be read");
                None
            }
        };
        Input::Loaded { op, entries }
    }

    pub(crate) async fn command(&self, op: OpId, worker: WorkerId, incarnation: Incarnation, order: Order) -> Input {
        let command = Bytes::from(wire::encode(&Command { incarnation, order }));
        let answer = self.bus.request(&subject::worker_commands(&worker), command, COMMAND_TIMEOUT).await;
        let outcome = match answer.map(|bytes| wire::decode(&bytes)) {
            Ok(Ok(CommandReply::Done)) => CommandOutcome::Done,
            Ok(Ok(CommandReply::Refused { reason })) => CommandOutcome::Refused(reason),
            Ok(Err(error)) => {
                self.bad_message("command", &error);
                CommandOutcome::TimedOut
            }
            Err(BusError::NoResponders { .. }) => CommandOutcome::NoResponders,
            Err(BusError::TimedOut { .. } | BusError::TooLarge { .. } | BusError::Down(_)) => CommandOutcome::TimedOut,
        };
        Input::Answered { op, outcome }
    }

    /// Whether a silent process is dead: nobody answers for it on the bus, and its port refuses. Anything
    /// else proves nothing.
    pub(crate) async fn probe(&self, whom: Suspect, incarnation: Incarnation, at: Option<SocketAddr>) -> Input {
        let (subject, ping) = match &whom {
            Suspect::Worker(worker) => {
                let ping = wire::encode(&Command { incarnation, order: Order::Ping });
                (subject::worker_commands(worker), Bytes::from(ping))
            }
            Suspect::Gateway(gateway) => (subject::gateway_life(gateway), Bytes::new()),
        };
        let answer = self.bus.request(&subject, ping, PROBE_TIMEOUT).await;
        let unheard = matches!(answer, Err(BusError::NoResponders { .. }));
        let dead = match at.filter(|_| unheard) {
            Some(at) => refuses(at).await,
            None => false,
        };
        Input::Probed { whom, incarnation, dead }
    }

    /// One key of the store; `None` for keys and values that this build does not understand.
    pub(crate) fn entry(&self, key: &str, versioned: &Versioned) -> Option<Entry> {
        match fact(key, Some(&versioned.value)) {
            Ok(fact) => Some(Entry { fact: fact?, revision: Revision(versioned.revision.0) }),
            Err(error) => {
                tracing::warn!(key, %error, "a record cannot be read");
                self.metrics.records_bad.inc();
                None
            }
        }
    }

    pub(crate) fn bad_message(&self, conversation: &str, error: &WireError) {
        tracing::warn!(conversation, %error, "a message of the bus cannot be read");
        self.metrics.bus_messages_bad.with_label_values(&[conversation]).inc();
    }
}

/// What a key and its value say; `None` for keys that are none of ours.
pub(crate) fn fact(key: &str, value: Option<&[u8]>) -> Result<Option<Fact>, WireError> {
    Ok(match key::parse(key) {
        Some(Key::Room(room)) => Some(Fact::Room(room, read(value)?)),
        Some(Key::Peer(room, peer)) => Some(Fact::Peer(room, peer, read(value)?)),
        Some(Key::Worker(worker)) => Some(Fact::Fleet(FleetFact::Worker(worker, read(value)?))),
        Some(Key::Cordon(worker)) => Some(Fact::Fleet(FleetFact::Cordon(worker, read(value)?))),
        Some(Key::Coordinator(id)) => Some(Fact::Fleet(FleetFact::Coordinator(id, read(value)?))),
        Some(Key::Component(room, id)) => Some(Fact::Component(room, id, read(value)?)),
        Some(Key::Ingest(room, id)) => Some(Fact::Ingest(room, id, read(value)?)),
        Some(Key::Gateway(gateway)) => Some(Fact::Gateway(gateway, read(value)?)),
        None => None,
    })
}

fn encode(fact: &Fact) -> (String, Option<Bytes>) {
    match fact {
        Fact::Room(room, record) => (key::room(room), written(record.as_ref())),
        Fact::Peer(room, peer, record) => (key::peer(room, peer), written(record.as_ref())),
        Fact::Component(room, id, record) => (key::component(room, id), written(record.as_ref())),
        Fact::Ingest(room, id, record) => (key::ingest(room, id), written(record.as_ref())),
        Fact::Gateway(gateway, record) => (key::gateway(gateway), written(record.as_ref())),
        Fact::Fleet(FleetFact::Worker(worker, record)) => (key::worker(worker), written(record.as_ref())),
        Fact::Fleet(FleetFact::Cordon(worker, cordon)) => (key::cordon(worker), written(cordon.as_ref())),
        Fact::Fleet(FleetFact::Coordinator(id, record)) => (key::coordinator(id), written(record.as_ref())),
    }
}

/// Where it is kept how far a component's broadcast has come, if it may be one.
fn stream_of(fact: &Fact) -> Option<String> {
    match fact {
        Fact::Component(_, _, Some(record)) if record.spec.kind() != JobKind::Hls => None,
        Fact::Component(room, id, _) => Some(key::stream(room, id)),
        Fact::Room(..) | Fact::Peer(..) | Fact::Ingest(..) | Fact::Gateway(..) | Fact::Fleet(_) => None,
    }
}

fn written<M: wire::Message>(record: Option<&M>) -> Option<Bytes> {
    record.map(|record| wire::encode(record).into())
}

fn read<M: wire::Message>(value: Option<&[u8]>) -> Result<Option<M>, WireError> {
    value.map(wire::decode).transpose()
}

async fn refuses(at: SocketAddr) -> bool {
    let connecting = tokio::time::timeout(PROBE_TIMEOUT, TcpStream::connect(at));
    matches!(connecting.await, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused)
}

pub(crate) async fn in_time<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| Err(StoreError::Down(format!("no answer within {STORE_TIMEOUT:?}")));
    tokio::time::timeout(STORE_TIMEOUT, call).await.unwrap_or_else(late)
}
