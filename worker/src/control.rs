//! The task that talks to coordinators: commands and signals in, signals out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use velella_bus::{Bus, Delivery, Subscription};
use velella_model::wire::command::{Command, CommandReply, Refusal};
use velella_model::wire::signal::{SessionEvent, ToCoordinator, ToWorker};
use velella_model::wire::{decode, encode};
use velella_model::{CoordinatorId, SessionId, WorkerId, subject};
use velella_worker_core::{Input, Ledger, Routed};

use crate::announce::Standing;
use crate::engine::Engine;

/// Signals from shards waiting to be sent.
pub(crate) const SIGNALS_MAX: usize = 16_384;
/// How often a close that found a full mailbox is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Closes that wait for room in a mailbox. A worker never holds more sessions than its limit.
const CLOSES_MAX: usize = 65_536;

/// What the control task is given.
pub(crate) struct Control {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) ledger: Ledger,
    pub(crate) engine: Engine,
    pub(crate) shards: Vec<mpsc::Sender<Input>>,
    pub(crate) signals: mpsc::Receiver<(CoordinatorId, ToCoordinator)>,
    pub(crate) standing: watch::Sender<Standing>,
    /// Sessions to close whose shard had no room for the order.
    closes: Vec<SessionId>,
}

/// The worker's ears on the bus.
pub(crate) struct Ears {
    commands: Subscription,
    signals: Subscription,
}

impl Ears {
    pub(crate) async fn open(bus: &dyn Bus, worker: &WorkerId) -> anyhow::Result<Self> {
        let commands = bus.subscribe(&subject::worker_commands(worker)).await?;
        let signals = bus.subscribe(&subject::worker_signals(worker)).await?;
        Ok(Self { commands, signals })
    }
}

impl Control {
    pub(crate) fn new(
        bus: Arc<dyn Bus>,
        ledger: Ledger,
        engine: Engine,
        shards: Vec<mpsc::Sender<Input>>,
        signals: mpsc::Receiver<(CoordinatorId, ToCoordinator)>,
        standing: watch::Sender<Standing>,
    ) -> Self {
        Self { bus, ledger, engine, shards, signals, standing, closes: Vec::new() }
    }

    /// Runs until the bus closes.
    pub(crate) async fn run(mut self, mut ears: Ears) -> anyhow::Result<()> {
        let mut retry = tokio::time::interval(RETRY_INTERVAL);
        loop {
            tokio::select! {
                Some((coordinator, signal)) = self.signals.recv() => self.send_signal(&coordinator, &signal).await,
                delivery = ears.signals.next() => match delivery {
                    Some(delivery) => self.take_signal(&delivery),
                    None => anyhow::bail!("the bus closed"),
                },
                delivery = ears.commands.next() => match delivery {
                    Some(delivery) => self.take_command(delivery).await,
                    None => anyhow::bail!("the bus closed"),
                },
                _ = retry.tick() => self.retry_closes(),
            }
            let (rooms, sessions) = self.ledger.held();
            let (generation, assigned_total) = self.ledger.newest();
            let standing = Standing { state: self.ledger.state(), rooms, sessions, generation, assigned_total };
            self.standing.send_if_modified(|old| std::mem::replace(old, standing) != standing);
        }
    }

    async fn take_command(&mut self, delivery: Delivery) {
        let reply = match decode::<Command>(&delivery.payload) {
            Ok(command) => match self.carry_out(command) {
                Ok(()) => CommandReply::Done,
                Err(reason) => CommandReply::Refused { reason },
            },
            Err(error) => {
                tracing::warn!(%error, "command not understood");
                CommandReply::Refused { reason: Refusal::Malformed }
            }
        };
        if let Some(subject) = delivery.reply {
            self.publish(&subject, encode(&reply)).await;
        }
    }

    fn carry_out(&mut self, command: Command) -> Result<(), Refusal> {
        match self.ledger.handle_command(command)? {
            Routed::Nothing => Ok(()),
            Routed::AssignRoom(shard, assignment) => self.order(shard, Input::AssignRoom(assignment)),
            Routed::CloseRoom(shard, room) => self.order(shard, Input::CloseRoom(room)),
            Routed::CloseSession(shard, session) => {
                if self.order(shard, Input::CloseSession(session.clone())).is_err() {
                    self.close_later(session);
                }
                Ok(())
            }
            Routed::OpenSession(shard, session) => {
                let id = session.session.clone();
                let admitted = self.engine.admit(session, shard, Instant::now());
                let opened = match admitted {
                    Ok(admission) => self.order(shard, Input::OpenSession(Box::new(admission))),
                    Err(error) => {
                        tracing::error!(%error, "no connection could be built");
                        Err(Refusal::Full)
                    }
                };
                if opened.is_err() {
                    self.ledger.session_closed(&id);
                }
                opened
            }
        }
    }

    fn order(&self, shard: usize, input: Input) -> Result<(), Refusal> {
        let mailbox = self.shards.get(shard).ok_or(Refusal::Full)?;
        mailbox.try_send(input).map_err(|_| Refusal::Full)
    }

    fn take_signal(&mut self, delivery: &Delivery) {
        let signal = match decode::<ToWorker>(&delivery.payload) {
            Ok(signal) => signal,
            Err(error) => return tracing::warn!(%error, "signal not understood"),
        };
        let session = signal.session.clone();
        // A session that is gone: its coordinator learns that from `Closed`.
        let Some(shard) = self.ledger.shard_of(&session) else { return };
        if self.order(shard, Input::Signal(signal)).is_err() {
            tracing::warn!(%session, shard, "shard overloaded, closing a session whose signal it could not take");
            self.close_later(session);
        }
    }

    fn close_later(&mut self, session: SessionId) {
        if self.closes.len() < CLOSES_MAX {
            self.closes.push(session);
        }
    }

    fn retry_closes(&mut self) {
        for session in std::mem::take(&mut self.closes) {
            if let Some(shard) = self.ledger.shard_of(&session)
                && self.order(shard, Input::CloseSession(session.clone())).is_err()
            {
                self.close_later(session);
            }
        }
    }

    async fn send_signal(&mut self, coordinator: &CoordinatorId, signal: &ToCoordinator) {
        if matches!(signal.event, SessionEvent::Closed { .. }) {
            self.ledger.session_closed(&signal.session);
        }
        self.publish(&subject::coordinator_signals(coordinator), encode(signal)).await;
    }

    async fn publish(&self, subject: &str, payload: Vec<u8>) {
        if let Err(error) = self.bus.publish(subject, Bytes::from(payload)).await {
            tracing::warn!(%error, "message not sent");
        }
    }
}
