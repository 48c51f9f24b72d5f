//! The task that talks to coordinators: commands and signals in, signals out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use velella_bus::{Bus, Delivery, Subscription};
use velella_model::wire::command::{Command, CommandReply, Holder, Refusal};
use velella_model::wire::holding::{HOLDING_INTERVAL_MS, HOLDING_ROOMS_MAX, Holding};
use velella_model::wire::signal::{SessionEvent, ToHolder, ToWorker};
use velella_model::wire::{decode, encode};
use velella_model::{Generation, Incarnation, RoomId, WorkerId, subject};
use velella_ops::Question;
use velella_store::{Store, tenure};
use velella_worker_core::{Input, Ledger, Routed};

use crate::announce::Standing;
use crate::audit::{Audit, Audited};
use crate::engine::Engine;
use crate::state::State;

/// Signals from shards waiting to be sent.
pub(crate) const SIGNALS_MAX: usize = 16_384;
/// How often an order that found a full mailbox is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// Orders that wait for room in a mailbox: closes, of which there are at most as many as sessions and rooms.
const LATE_ORDERS_MAX: usize = 65_536;

/// What the control task is given.
pub(crate) struct Wiring {
    pub(crate) worker: WorkerId,
    pub(crate) incarnation: Incarnation,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) engine: Engine,
    pub(crate) shards: Vec<mpsc::Sender<Input>>,
    pub(crate) signals: mpsc::Receiver<(Holder, ToHolder)>,
    pub(crate) standing: watch::Sender<Standing>,
    /// Cancelled when the worker shall give its rooms away.
    pub(crate) drain: CancellationToken,
    /// From the admin port.
    pub(crate) questions: mpsc::Receiver<Question>,
}

/// The control task.
pub(crate) struct Control {
    wiring: Wiring,
    ledger: Ledger,
    audits: JoinSet<Audited>,
    /// The claim of the worker's key whose audit was begun last; 0 before the first, and after one that failed.
    auditing: u64,
    /// The claim after which its rooms were looked after.
    audited: u64,
    late_orders: VecDeque<(usize, Input)>,
    bad_messages: u64,
    /// Another process holds the worker's key.
    taken: bool,
    /// The bus can be reached.
    reached: bool,
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
    pub(crate) fn new(wiring: Wiring, ledger: Ledger) -> Self {
        Self {
            wiring,
            ledger,
            audits: JoinSet::new(),
            auditing: 0,
            audited: 0,
            late_orders: VecDeque::new(),
            bad_messages: 0,
            taken: false,
            reached: true,
        }
    }

    /// Runs until the bus closes; lets people in while the worker's key in the store is its own.
    pub(crate) async fn run(
        mut self,
        mut ears: Ears,
        mut tenure: watch::Receiver<tenure::Standing>,
    ) -> anyhow::Result<()> {
        let mut retry = tokio::time::interval(RETRY_INTERVAL);
        let mut holding = tokio::time::interval(Duration::from_millis(HOLDING_INTERVAL_MS));
        let drain = self.wiring.drain.clone();
        let mut draining = false;
        let mut connected = self.wiring.bus.connected();
        loop {
            tokio::select! {
                Some((holder, signal)) = self.wiring.signals.recv() => {
                    self.send_signal(&holder, &signal).await;
                }
                delivery = ears.signals.next() => match delivery {
                    Some(delivery) => self.take_signal(&delivery),
                    None => anyhow::bail!("the bus closed"),
                },
                delivery = ears.commands.next() => match delivery {
                    Some(delivery) => self.take_command(delivery).await,
                    None => anyhow::bail!("the bus closed"),
                },
                changed = tenure.changed() => {
                    changed?;
                    let standing = *tenure.borrow_and_update();
                    self.tenure_changed(standing);
                }
                changed = connected.changed() => {
                    changed?;
                    self.bus_changed(*connected.borrow_and_update());
                }
                Some(audited) = self.audits.join_next() => self.audited(audited, *tenure.borrow()),
                Some(question) = self.wiring.questions.recv() => self.tell_state(question),
                _ = retry.tick() => self.retry_orders(),
                _ = holding.tick() => self.tell_holding().await,
                () = drain.cancelled(), if !draining => {
                    draining = true;
                    self.ledger.drain();
                }
            }
            self.show_standing();
        }
    }

    fn show_standing(&self) {
        let (rooms, sessions) = self.ledger.held();
        let (generation, assigned_total) = self.ledger.newest();
        let state = self.ledger.state(Instant::now());
        let (bad_messages, taken) = (self.bad_messages, self.taken);
        let standing = Standing { state, rooms, sessions, generation, assigned_total, bad_messages, taken };
        self.wiring.standing.send_if_modified(|old| std::mem::replace(old, standing) != standing);
    }

    fn tell_state(&self, question: Question) {
        let Wiring { worker, incarnation, .. } = &self.wiring;
        let state = State::of(worker, *incarnation, self.audited, &self.ledger, Instant::now());
        // Whoever asked may have hung up meanwhile.
        let _ = question.send(state.to_json());
    }

    /// Who cannot be reached by the bus and refuses connections looks dead, and its rooms may be given away before
    /// its lease ends. So it lets nobody in until it was reached again and has looked after its rooms.
    fn bus_changed(&mut self, connected: bool) {
        self.reached = connected;
        if !connected {
            self.ledger.admit_until(None);
            self.audits.abort_all();
            (self.auditing, self.audited) = (0, 0);
        }
    }

    /// A renewed claim lets people in for longer; a new one only after the audit.
    fn tenure_changed(&mut self, standing: tenure::Standing) {
        self.taken = standing == tenure::Standing::Taken;
        match standing {
            tenure::Standing::Held { .. } if !self.reached => {}
            tenure::Standing::Held { claim, until } if claim == self.audited => self.ledger.admit_until(Some(until)),
            // A renewal is no reason to begin anew: with a slow store the audit would never end.
            tenure::Standing::Held { claim, .. } if claim == self.auditing => {}
            tenure::Standing::Held { claim, .. } => {
                self.audits.abort_all();
                self.auditing = claim;
                let Wiring { worker, incarnation, store, .. } = &self.wiring;
                let rooms = self.ledger.rooms().map(|(room, generation)| (room.clone(), generation)).collect();
                let (store, worker, incarnation) = (store.clone(), worker.clone(), *incarnation);
                self.audits.spawn(Audit { store, worker, incarnation, claim, rooms }.run());
            }
            tenure::Standing::Out => self.ledger.admit_until(None),
            tenure::Standing::Taken => {
                self.ledger.admit_until(None);
                let worker = &self.wiring.worker;
                tracing::error!(%worker, "another process is this worker: give each its own VELELLA_WORKER_ID");
            }
        }
    }

    fn audited(&mut self, audited: Result<Audited, JoinError>, standing: tenure::Standing) {
        let Audited { claim, superseded } = match audited {
            Ok(audited) => audited,
            Err(error) if error.is_cancelled() => return,
            Err(error) => {
                tracing::error!(%error, "an audit ended in a panic; the next renewal begins another");
                self.auditing = 0;
                return;
            }
        };
        for (room, generation) in superseded {
            tracing::warn!(%room, generation = generation.0, "the room is elsewhere by now: closed here");
            self.close_superseded(room, generation);
        }
        // An audit of the time before the bus was lost says nothing of what happened since.
        if claim == self.auditing {
            self.audited = claim;
            self.tenure_changed(standing);
        }
    }

    fn close_superseded(&mut self, room: RoomId, generation: Generation) {
        if let Some(Routed::CloseRoom(shard, room)) = self.ledger.superseded(room, generation) {
            self.order_surely(shard, Input::CloseRoom(room));
        }
    }

    async fn tell_holding(&self) {
        let Wiring { worker, incarnation, .. } = &self.wiring;
        let rooms: Vec<_> = self.ledger.rooms().map(|(room, generation)| (room.clone(), generation)).collect();
        for rooms in rooms.chunks(HOLDING_ROOMS_MAX) {
            let holding = Holding { worker: worker.clone(), incarnation: *incarnation, rooms: rooms.to_vec() };
            self.publish(subject::HOLDINGS, encode(&holding)).await;
        }
    }

    async fn take_command(&mut self, delivery: Delivery) {
        let reply = match decode::<Command>(&delivery.payload) {
            Ok(command) => match self.carry_out(command) {
                Ok(()) => CommandReply::Done,
                // Another process of this name may be the one that is meant: let that one answer.
                Err(Refusal::WrongIncarnation) if self.ledger.is_fenced(Instant::now()) => return,
                Err(reason) => CommandReply::Refused { reason },
            },
            Err(error) => {
                self.bad_messages += 1;
                tracing::warn!(%error, "command not understood");
                CommandReply::Refused { reason: Refusal::Malformed }
            }
        };
        if let Some(subject) = delivery.reply {
            self.publish(&subject, encode(&reply)).await;
        }
    }

    fn carry_out(&mut self, command: Command) -> Result<(), Refusal> {
        match self.ledger.handle_command(command, Instant::now())? {
            Routed::Nothing => Ok(()),
            Routed::AssignRoom(shard, assignment) => self.order(shard, Input::AssignRoom(assignment)),
            Routed::AdoptSession(shard, session, holder) => self.order(shard, Input::AdoptSession(session, holder)),
            Routed::CloseRoom(shard, room) => {
                self.order_surely(shard, Input::CloseRoom(room));
                Ok(())
            }
            Routed::CloseSession(shard, session) => {
                self.order_surely(shard, Input::CloseSession(session));
                Ok(())
            }
            Routed::OpenSession(shard, session) => {
                let id = session.session.clone();
                let admitted = self.wiring.engine.admit(session, shard, Instant::now());
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
        let mailbox = self.wiring.shards.get(shard).ok_or(Refusal::Full)?;
        mailbox.try_send(input).map_err(|_| Refusal::Full)
    }

    /// An order that frees something: waits for room in the mailbox.
    fn order_surely(&mut self, shard: usize, input: Input) {
        let Some(mailbox) = self.wiring.shards.get(shard) else { return };
        let Err(mpsc::error::TrySendError::Full(input)) = mailbox.try_send(input) else { return };
        if self.late_orders.len() >= LATE_ORDERS_MAX {
            return tracing::error!(shard, "too many orders wait for a shard: one that frees something is lost");
        }
        self.late_orders.push_back((shard, input));
    }

    fn retry_orders(&mut self) {
        for (shard, input) in std::mem::take(&mut self.late_orders) {
            self.order_surely(shard, input);
        }
    }

    fn take_signal(&mut self, delivery: &Delivery) {
        let signal = match decode::<ToWorker>(&delivery.payload) {
            Ok(signal) => signal,
            Err(error) => {
                self.bad_messages += 1;
                return tracing::warn!(%error, "signal not understood");
            }
        };
        let session = signal.session.clone();
        // A session that is gone: its coordinator learns that from `Closed`.
        let Some(shard) = self.ledger.shard_of(&session) else { return };
        if self.order(shard, Input::Signal(signal)).is_err() {
            tracing::warn!(%session, shard, "shard overloaded, closing a session whose signal it could not take");
            self.order_surely(shard, Input::CloseSession(session));
        }
    }

    async fn send_signal(&mut self, holder: &Holder, signal: &ToHolder) {
        if matches!(signal.event, SessionEvent::Closed { .. }) {
            self.ledger.session_closed(&signal.session);
        }
        self.publish(&subject::holder_signals(holder), encode(signal)).await;
    }

    async fn publish(&self, subject: &str, payload: Vec<u8>) {
        if let Err(error) = self.wiring.bus.publish(subject, Bytes::from(payload)).await {
            tracing::warn!(%error, "message not sent");
        }
    }
}
