//! The way from a room to whoever records or broadcasts it: a session at the room's worker that receives, and another
//! one when that ends.
//!
//! opened by command → told of tracks → offers lines → answered → frames come. One listener receives one encoding of
//! each track, so several listen to a room whose encodings are all wanted. Whatever fails, fails the session: the next
//! one begins after a wait, at wherever the room lives by then. A room that moves begins one at once.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use velella_model::record::Subscriptions;
use velella_model::wire::command::{Client, OpenSession, Order, Rights, SubscribeMode};
use velella_model::wire::signal::{PeerEvent, ServerEvent, SessionEvent, ToHolder, ToWorker};
use velella_model::{Json, MediaKind, PeerId, SessionId, TrackId, Variant};

use crate::backoff::Backoff;
use crate::ear::{Ear, Heard, Heards};
use crate::errand::Errand;
use crate::ingest::Name;
use crate::leg::{Home, LegState};

/// A session whose worker says nothing for so long after it was opened is given up.
const WELCOME_PATIENCE: Duration = Duration::from_secs(8);

/// A session that has tracks does not stand by then is given up.
const CONNECT_PATIENCE: Duration = Duration::from_secs(8);

/// Wait before the next session after one failed.
const RETRY_FIRST: Duration = Duration::from_millis(200);

/// Longest such wait.
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// What a listener receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Whether sound.
    pub audio: bool,
    /// Which encoding of video, and never another in its place.
    pub video: Option<Variant>,
    /// Of whom; everybody without a list.
    pub of: Option<Subscriptions>,
}

/// What happened to a listener.
#[derive(Debug)]
pub enum ListenerInput<'a> {
    /// The room lives there from now on; nowhere while it is being placed.
    Homed(Option<Home>),
    /// The worker answered `Open`.
    Opened {
        /// Which.
        session: SessionId,
        /// Whether it did.
        done: bool,
    },
    /// The worker said something about a session.
    Said(ToHolder),
    /// A datagram came.
    Datagram {
        /// From where.
        source: SocketAddr,
        /// What.
        contents: &'a [u8],
    },
    /// A picture of this track cannot be shown without a key frame.
    WantKeyframe(TrackId),
    /// Receive of these alone from now on; of no effect for who listens to everybody.
    Choose(Subscriptions),
    /// The time of `poll_timeout` came.
    Timeout,
}

/// What a listener wants done, or has to tell.
#[derive(Debug)]
pub enum ListenerOutput {
    /// For its session.
    Do(Errand),
    /// It receives a track from now on.
    TrackAdded {
        /// Whose.
        endpoint: PeerId,
        /// Which.
        track: TrackId,
        /// Its kind.
        kind: MediaKind,
        /// As its publisher set it.
        metadata: Json,
    },
    /// It receives it no longer: it ended, or the session did.
    TrackRemoved {
        /// Which.
        track: TrackId,
    },
    /// A frame.
    Heard(Heard),
}

/// The machine.
pub struct Listener {
    name: Name,
    listening: Listening,
    home: Option<Home>,
    state: State,
    backoff: Backoff,
    sessions: u64,
    outputs: VecDeque<ListenerOutput>,
}

enum State {
    /// The room lives nowhere.
    Idle,
    /// Until the next attempt.
    Waiting(Instant),
    /// A session on its way or standing.
    Session(Box<Session>),
}

struct Session {
    id: SessionId,
    home: Home,
    ear: Ear,
    /// Told of and not gone, with their owner and metadata.
    announced: BTreeMap<TrackId, (PeerId, Json)>,
    /// Told to our own user.
    told: BTreeMap<TrackId, MediaKind>,
    next_said: u64,
    next_heard: u64,
    /// Something has to happen by then.
    patience: Option<Instant>,
}

/// A step that ended the session.
struct Failed(String);

impl Listener {
    /// Listens once the room lives somewhere.
    #[must_use]
    pub fn new(name: Name, listening: Listening) -> Self {
        let backoff = Backoff::new(RETRY_FIRST, RETRY_LONGEST, name.job);
        let (home, state, outputs) = (None, State::Idle, VecDeque::new());
        Self { name, listening, home, state, backoff, sessions: 0, outputs }
    }

    /// Something happened.
    pub fn handle_input(&mut self, input: ListenerInput<'_>, now: Instant) {
        match input {
            ListenerInput::Homed(home) => self.live_at(home, now),
            ListenerInput::Opened { session, done } => self.step(now, |open, _| match done {
                false if open.id == session => Err(Failed("the worker did not open the session".into())),
                true | false => Ok(()),
            }),
            ListenerInput::Said(message) => self.said(message, now),
            ListenerInput::Datagram { source, contents } => {
                self.step(now, |session, heard| Ok(session.ear.receive(source, contents, now, heard)?));
            }
            ListenerInput::WantKeyframe(track) => {
                self.step(now, |session, heard| Ok(session.ear.want_keyframe(&track, now, heard)?));
            }
            ListenerInput::Choose(subscriptions) => self.choose(subscriptions),
            ListenerInput::Timeout => self.woken(now),
        }
    }

    /// What is to be done, or was heard.
    pub fn poll_output(&mut self) -> Option<ListenerOutput> {
        self.outputs.pop_front()
    }

    /// When `Timeout` is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => None,
            State::Waiting(until) => Some(*until),
            State::Session(session) => {
                let deadline = session.ear.deadline;
                Some(session.patience.map_or(deadline, |patience| patience.min(deadline)))
            }
        }
    }

    /// Whether frames can come.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(&self.state, State::Session(session) if session.ear.state == LegState::Connected)
    }

    /// Ends the session; nothing follows but what `poll_output` still has.
    pub fn stop(&mut self) {
        self.home = None;
        self.end();
    }

    fn live_at(&mut self, home: Option<Home>, now: Instant) {
        if home.as_ref().zip(self.home.as_ref()).is_some_and(|(new, old)| new.is_same_as(old)) {
            return;
        }
        self.home = home;
        self.backoff.succeeded();
        self.begin(now);
    }

    fn choose(&mut self, subscriptions: Subscriptions) {
        let Some(of) = self.listening.of.as_mut().filter(|of| **of != subscriptions) else { return };
        of.clone_from(&subscriptions);
        if let State::Session(session) = &mut self.state {
            session.say(PeerEvent::SetSubscriptions { subscriptions }, &mut self.outputs);
        }
    }

    fn said(&mut self, message: ToHolder, now: Instant) {
        let ToHolder { session: id, seq, event } = message;
        let outputs = &mut self.outputs;
        let mut said = Vec::new();
        Self::step_with(&mut self.state, outputs, &mut self.backoff, now, |session, heard| {
            if session.id != id {
                return Ok(());
            }
            if seq != session.next_heard {
                return Err(Failed("a signal of the worker was lost".into()));
            }
            session.next_heard += 1;
            match event {
                SessionEvent::ToPeer { event } => session.told(event, now, heard, &mut said),
                SessionEvent::Closed { reason } => Err(Failed(format!("the worker closed the session: {reason:?}"))),
                SessionEvent::TrackAdded { .. }
                | SessionEvent::TrackMetadataUpdated { .. }
                | SessionEvent::TrackRemoved { .. }
                | SessionEvent::ChannelAdded { .. }
                | SessionEvent::ChannelRemoved { .. }
                | SessionEvent::Adopted { .. } => Ok(()),
            }
        });
        if let State::Session(session) = &mut self.state {
            said.into_iter().for_each(|event| session.say(event, &mut self.outputs));
        }
    }

    fn woken(&mut self, now: Instant) {
        if matches!(self.state, State::Waiting(until) if until <= now) {
            return self.begin(now);
        }
        self.step(now, |session, heard| {
            if session.patience.is_some_and(|patience| patience <= now) {
                return Err(Failed("the worker did not answer, or no connection to it came about".into()));
            }
            if session.ear.deadline <= now {
                session.ear.wake(now, heard)?;
            }
            Ok(())
        });
    }

    /// Ends what is there and opens another session, if there is somewhere to.
    fn begin(&mut self, now: Instant) {
        self.end();
        let Some(home) = self.home.clone() else { return };
        self.sessions += 1;
        let id = self.name.session(self.sessions);
        let ear = match Ear::new(&home, now) {
            Ok(ear) => ear,
            Err(error) => return self.state = wait(&mut self.backoff, &Failed(error.to_string()), now),
        };
        let Listening { audio, video, of } = self.listening.clone();
        let open = OpenSession {
            assignment: home.assignment.clone(),
            session: id.clone(),
            peer: self.name.endpoint.clone(),
            holder: self.name.gateway.clone().into(),
            metadata: Json::null(),
            subscribe_mode: if of.is_some() { SubscribeMode::Manual } else { SubscribeMode::Auto },
            subscriptions: of.unwrap_or_default(),
            rights: Rights { publish: false, subscribe: true },
            client: Client::Listener { audio, video },
            job: Some(self.name.generation),
        };
        let (worker, incarnation) = (home.worker.clone(), home.incarnation);
        let open = Errand::Open { session: id.clone(), worker, incarnation, order: Box::new(open) };
        self.outputs.push_back(ListenerOutput::Do(open));
        self.state = State::Session(Box::new(Session {
            id,
            home,
            ear,
            announced: BTreeMap::new(),
            told: BTreeMap::new(),
            next_said: 0,
            next_heard: 0,
            patience: Some(now + WELCOME_PATIENCE),
        }));
    }

    /// Does something with the session, sends what that made, and looks at how it stands.
    fn step(&mut self, now: Instant, work: impl FnOnce(&mut Session, &mut Heards) -> Result<(), Failed>) {
        Self::step_with(&mut self.state, &mut self.outputs, &mut self.backoff, now, work);
    }

    fn step_with(
        state: &mut State,
        outputs: &mut VecDeque<ListenerOutput>,
        backoff: &mut Backoff,
        now: Instant,
        work: impl FnOnce(&mut Session, &mut Heards) -> Result<(), Failed>,
    ) {
        let State::Session(session) = state else { return };
        let mut heard = Heards::default();
        let worked = work(session, &mut heard);
        outputs.extend(heard.packets.into_iter().map(|packet| ListenerOutput::Do(Errand::Send(packet))));
        session.tell_tracks(outputs);
        outputs.extend(heard.frames.into_iter().map(ListenerOutput::Heard));
        let failed = match (worked, session.ear.state) {
            (Err(failed), _) => failed,
            (Ok(()), LegState::Lost) => Failed("the connection to the worker was lost".into()),
            (Ok(()), LegState::Connected) => {
                if session.patience.take().is_some() {
                    backoff.succeeded();
                }
                return;
            }
            (Ok(()), LegState::Connecting) => return,
        };
        end(state, outputs);
        *state = wait(backoff, &failed, now);
    }

    fn end(&mut self) {
        end(&mut self.state, &mut self.outputs);
    }
}

fn wait(backoff: &mut Backoff, failed: &Failed, now: Instant) -> State {
    let wait = backoff.failed();
    tracing::info!(error = failed.0, ?wait, "the room cannot be heard; it is tried again");
    State::Waiting(now + wait)
}

/// The worker need not wait for its own timeout to know.
fn end(state: &mut State, outputs: &mut VecDeque<ListenerOutput>) {
    let State::Session(session) = std::mem::replace(state, State::Idle) else { return };
    let Home { worker, incarnation, .. } = session.home;
    outputs.extend(session.told.into_keys().map(|track| ListenerOutput::TrackRemoved { track }));
    let order = Order::CloseSession { session: session.id };
    outputs.push_back(ListenerOutput::Do(Errand::Close { worker, incarnation, order }));
}

impl Session {
    /// The worker says something to us as to a peer.
    fn told(
        &mut self,
        event: ServerEvent,
        now: Instant,
        heard: &mut Heards,
        said: &mut Vec<PeerEvent>,
    ) -> Result<(), Failed> {
        match event {
            // Until there are tracks there is nothing to connect for.
            ServerEvent::Connected { .. } => self.patience = None,
            ServerEvent::TracksAdded { endpoint, tracks } => {
                let track = |(id, track): (TrackId, velella_model::wire::signal::Track)| {
                    (id, (endpoint.clone(), track.metadata))
                };
                self.announced.extend(tracks.into_iter().map(track));
            }
            ServerEvent::TracksRemoved { tracks, .. } => {
                for track in &tracks {
                    self.announced.remove(track);
                    self.ear.forget(track);
                }
            }
            ServerEvent::OfferData { audio, video } => {
                let sdp = self.ear.offer(audio, video)?;
                let (mid_to_track, metadata) = (BTreeMap::new(), BTreeMap::new());
                said.push(PeerEvent::SdpOffer { sdp, mid_to_track, metadata });
                if self.ear.state == LegState::Connecting {
                    self.patience = Some(now + CONNECT_PATIENCE);
                }
            }
            ServerEvent::SdpAnswer { sdp, mid_to_track } => self.ear.accept(&sdp, &mid_to_track, now, heard)?,
            ServerEvent::Error { message } => return Err(Failed(message)),
            ServerEvent::EndpointAdded { .. }
            | ServerEvent::EndpointUpdated { .. }
            | ServerEvent::EndpointRemoved { .. }
            | ServerEvent::TrackUpdated { .. }
            | ServerEvent::TrackVariantSwitched { .. }
            | ServerEvent::TrackVariantDisabled { .. }
            | ServerEvent::TrackVariantEnabled { .. }
            | ServerEvent::VadNotification { .. } => {}
        }
        Ok(())
    }

    /// Tells of what came onto lines and what left them.
    fn tell_tracks(&mut self, outputs: &mut VecDeque<ListenerOutput>) {
        let live: BTreeMap<TrackId, MediaKind> = self.ear.tracks().map(|(track, kind)| (track.clone(), kind)).collect();
        if live == self.told {
            return;
        }
        for track in self.told.keys().filter(|track| !live.contains_key(*track)) {
            outputs.push_back(ListenerOutput::TrackRemoved { track: track.clone() });
        }
        for (track, kind) in live.iter().filter(|(track, _)| !self.told.contains_key(*track)) {
            let Some((endpoint, metadata)) = self.announced.get(track).cloned() else { continue };
            outputs.push_back(ListenerOutput::TrackAdded { endpoint, track: track.clone(), kind: *kind, metadata });
        }
        self.told = live;
    }

    fn say(&mut self, event: PeerEvent, outputs: &mut VecDeque<ListenerOutput>) {
        let message = ToWorker { session: self.id.clone(), seq: self.next_said, event };
        self.next_said += 1;
        outputs.push_back(ListenerOutput::Do(Errand::Signal { worker: self.home.worker.clone(), message }));
    }
}

impl From<str0m::RtcError> for Failed {
    fn from(error: str0m::RtcError) -> Self {
        Self(error.to_string())
    }
}
