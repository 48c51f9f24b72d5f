//! The way from an ingest into its room: a session at the room's worker, and another one when that ends.
//!
//! opened by command → offered → answered → connected. Whatever fails, fails the session: the next one
//! begins after a wait, at wherever the room lives by then. A room that moves begins one at once.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use velella_model::record::{Subscriptions, TrackRecord};
use velella_model::wire::command::{Client, OpenSession, Order, Rights, SubscribeMode};
use velella_model::wire::signal::{PeerEvent, ServerEvent, SessionEvent, ToHolder, ToWorker};
use velella_model::{Json, MediaKind, PeerId, SessionId, TrackId};

use crate::backoff::Backoff;
use crate::ingest::{Name, Output};
use crate::leg::{Home, Leg, LegState, Outgoing, Published};

/// A session that does not stand by then is given up.
const CONNECT_PATIENCE: Duration = Duration::from_secs(8);

/// Wait before the next session after one failed.
const RETRY_FIRST: Duration = Duration::from_millis(200);

/// Longest such wait.
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// The way into a room.
pub(crate) struct Uplink {
    name: Name,
    metadata: Json,
    home: Option<Home>,
    published: Option<Published>,
    state: State,
    backoff: Backoff,
    sessions: u64,
}

enum State {
    /// The room lives nowhere, or there is nothing to publish.
    Idle,
    /// Until the next attempt.
    Waiting(Instant),
    /// A session on its way or standing.
    Session(Box<Session>),
}

struct Session {
    id: SessionId,
    home: Home,
    leg: Leg,
    /// Sent once the worker has the session.
    offer: Option<PeerEvent>,
    next_said: u64,
    next_heard: u64,
    /// It has to stand by then.
    patience: Option<Instant>,
}

/// A step that ended the session.
struct Failed(String);

impl Uplink {
    pub(crate) fn new(name: Name, metadata: Json, seed: u64) -> Self {
        let backoff = Backoff::new(RETRY_FIRST, RETRY_LONGEST, seed);
        Self { name, metadata, home: None, published: None, state: State::Idle, backoff, sessions: 0 }
    }

    /// The room lives there; nowhere while it is being placed.
    pub(crate) fn live_at(&mut self, home: Option<Home>, now: Instant, outputs: &mut VecDeque<Output>) {
        if home.as_ref().zip(self.home.as_ref()).is_some_and(|(new, old)| new.is_same_as(old)) {
            return;
        }
        self.home = home;
        self.backoff.succeeded();
        self.begin(now, outputs);
    }

    /// What there is to publish; nothing ends the session.
    pub(crate) fn publish(&mut self, published: Option<Published>, now: Instant, outputs: &mut VecDeque<Output>) {
        if published != self.published {
            self.published = published;
            self.begin(now, outputs);
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(&self.state, State::Session(session) if session.leg.state == LegState::Connected)
    }

    /// What participants can see of it now.
    pub(crate) fn publishes(&self) -> Option<Published> {
        self.published.filter(|_| self.is_connected())
    }

    /// The tracks of what is published.
    pub(crate) fn tracks(&self, published: Published) -> BTreeMap<TrackId, TrackRecord> {
        let kinds = [published.video.map(|_| MediaKind::Video), published.audio.then_some(MediaKind::Audio)];
        let track = |kind| Some((self.name.track(kind)?, TrackRecord { kind, metadata: track_metadata(kind) }));
        kinds.into_iter().flatten().filter_map(track).collect()
    }

    /// Whether the frame went out.
    pub(crate) fn send(&mut self, outgoing: &Outgoing, now: Instant, outputs: &mut VecDeque<Output>) -> bool {
        let mut sent = false;
        self.step(now, outputs, |session, packets| {
            sent = session.leg.write(outgoing, now, packets)?;
            Ok(())
        });
        sent
    }

    pub(crate) fn received(
        &mut self,
        source: std::net::SocketAddr,
        datagram: &[u8],
        now: Instant,
        outputs: &mut VecDeque<Output>,
    ) {
        self.step(now, outputs, |session, packets| Ok(session.leg.receive(source, datagram, now, packets)?));
    }

    /// The command that opens this session was answered.
    pub(crate) fn opened(&mut self, id: &SessionId, done: bool, now: Instant, outputs: &mut VecDeque<Output>) {
        self.step(now, outputs, |session, _| match done {
            _ if session.id != *id => Ok(()),
            true => Ok(()),
            false => Err(Failed("the worker did not open the session".into())),
        });
        if let State::Session(session) = &mut self.state
            && let Some(offer) = session.offer.take_if(|_| session.id == *id && done)
        {
            session.say(offer, outputs);
        }
    }

    pub(crate) fn said(&mut self, message: ToHolder, now: Instant, outputs: &mut VecDeque<Output>) {
        let ToHolder { session: id, seq, event } = message;
        self.step(now, outputs, |session, packets| {
            if session.id != id {
                return Ok(());
            }
            if seq != session.next_heard {
                return Err(Failed("a signal of the worker was lost".into()));
            }
            session.next_heard += 1;
            match event {
                SessionEvent::ToPeer { event: ServerEvent::SdpAnswer { sdp, .. } } => {
                    Ok(session.leg.accept(&sdp, now, packets)?)
                }
                SessionEvent::Closed { reason } => Err(Failed(format!("the worker closed the session: {reason:?}"))),
                SessionEvent::ToPeer { .. }
                | SessionEvent::TrackAdded { .. }
                | SessionEvent::TrackMetadataUpdated { .. }
                | SessionEvent::TrackRemoved { .. }
                | SessionEvent::ChannelAdded { .. }
                | SessionEvent::ChannelRemoved { .. }
                | SessionEvent::Adopted { .. } => Ok(()),
            }
        });
    }

    pub(crate) fn woken(&mut self, now: Instant, outputs: &mut VecDeque<Output>) {
        if matches!(self.state, State::Waiting(until) if until <= now) {
            return self.begin(now, outputs);
        }
        self.step(now, outputs, |session, packets| {
            if session.patience.is_some_and(|patience| patience <= now) {
                return Err(Failed(format!("no connection to the worker within {CONNECT_PATIENCE:?}")));
            }
            if session.leg.deadline <= now {
                session.leg.wake(now, packets)?;
            }
            Ok(())
        });
    }

    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => None,
            State::Waiting(until) => Some(*until),
            State::Session(session) => {
                let deadline = session.leg.deadline;
                Some(session.patience.map_or(deadline, |patience| patience.min(deadline)))
            }
        }
    }

    /// Ends what is there and opens another session, if there is somewhere to and something to publish.
    fn begin(&mut self, now: Instant, outputs: &mut VecDeque<Output>) {
        self.end(outputs);
        let (Some(home), Some(published)) = (self.home.clone(), self.published) else { return };
        self.sessions += 1;
        let id = self.name.session(self.sessions);
        let (leg, offer) = match Leg::offer(&home, published, now) {
            Ok(offered) => offered,
            Err(error) => return self.fail(&Failed(error.to_string()), now),
        };
        let lines = [(offer.video, MediaKind::Video), (offer.audio, MediaKind::Audio)];
        let lines = lines.into_iter().filter_map(|(mid, kind)| Some((mid?, self.name.track(kind)?, kind)));
        let (mut mid_to_track, mut metadata) = (BTreeMap::new(), BTreeMap::new());
        for (mid, track, kind) in lines {
            metadata.insert(track.clone(), track_metadata(kind));
            mid_to_track.insert(mid, track);
        }
        let offer = Some(PeerEvent::SdpOffer { sdp: offer.sdp, mid_to_track, metadata });
        let open = OpenSession {
            assignment: home.assignment.clone(),
            session: id.clone(),
            peer: self.name.endpoint.clone(),
            holder: self.name.gateway.clone().into(),
            metadata: self.metadata.clone(),
            subscribe_mode: SubscribeMode::Manual,
            subscriptions: Subscriptions::default(),
            rights: Rights { publish: true, subscribe: false },
            client: Client::Webrtc,
            job: Some(self.name.generation),
        };
        let (worker, incarnation) = (home.worker.clone(), home.incarnation);
        outputs.push_back(Output::Open { session: id.clone(), worker, incarnation, order: Box::new(open) });
        let patience = Some(now + CONNECT_PATIENCE);
        let session = Session { id, home, leg, offer, next_said: 0, next_heard: 0, patience };
        self.state = State::Session(Box::new(session));
    }

    /// Does something with the session, sends what that made, and looks at how it stands.
    fn step(
        &mut self,
        now: Instant,
        outputs: &mut VecDeque<Output>,
        work: impl FnOnce(&mut Session, &mut Vec<crate::Packet>) -> Result<(), Failed>,
    ) {
        let State::Session(session) = &mut self.state else { return };
        let mut packets = Vec::new();
        let worked = work(session, &mut packets);
        outputs.extend(packets.into_iter().map(Output::Send));
        let failed = match (worked, session.leg.state) {
            (Err(failed), _) => failed,
            (Ok(()), LegState::Lost) => Failed("the connection to the worker was lost".into()),
            (Ok(()), LegState::Connected) => {
                if session.patience.take().is_some() {
                    self.backoff.succeeded();
                }
                return;
            }
            (Ok(()), LegState::Connecting) => return,
        };
        self.end(outputs);
        self.fail(&failed, now);
    }

    fn fail(&mut self, failed: &Failed, now: Instant) {
        let wait = self.backoff.failed();
        tracing::info!(error = failed.0, ?wait, "the way into the room is closed; it is tried again");
        self.state = State::Waiting(now + wait);
    }

    /// The worker need not wait for its own timeout to know.
    fn end(&mut self, outputs: &mut VecDeque<Output>) {
        if let State::Session(session) = std::mem::replace(&mut self.state, State::Idle) {
            let Home { worker, incarnation, .. } = session.home;
            let order = Order::CloseSession { session: session.id };
            outputs.push_back(Output::Close { worker, incarnation, order });
        }
    }
}

impl Session {
    fn say(&mut self, event: PeerEvent, outputs: &mut VecDeque<Output>) {
        let message = ToWorker { session: self.id.clone(), seq: self.next_said, event };
        self.next_said += 1;
        outputs.push_back(Output::Signal { worker: self.home.worker.clone(), message });
    }
}

impl From<str0m::RtcError> for Failed {
    fn from(error: str0m::RtcError) -> Self {
        Self(error.to_string())
    }
}

/// As published clients mark their own tracks, so that their applications show these.
fn track_metadata(kind: MediaKind) -> Json {
    let kind = match kind {
        MediaKind::Video => "camera",
        MediaKind::Audio => "microphone",
    };
    Json::parse(&format!(r#"{{"type":"{kind}","paused":false}}"#)).unwrap_or_else(|_| Json::null())
}

impl Name {
    fn track(&self, kind: MediaKind) -> Option<TrackId> {
        let kind = match kind {
            MediaKind::Video => "video",
            MediaKind::Audio => "audio",
        };
        TrackId::parse(&format!("{}:{kind}", self.endpoint)).ok()
    }

    pub(crate) fn session(&self, number: u64) -> SessionId {
        let Self { incarnation, job, .. } = self;
        SessionId::parse(&format!("ingest-{:x}-{job}-{number}", incarnation.0)).expect("hex and digits are an id")
    }

    /// The job of this boot whose session it is.
    #[must_use]
    pub fn job_of(session: &SessionId) -> Option<u64> {
        session.as_str().strip_prefix("ingest-")?.split('-').nth(1)?.parse().ok()
    }
}

/// The endpoint of a component, as participants see it.
pub(crate) fn endpoint(component: &velella_model::ComponentId) -> PeerId {
    PeerId::parse(component.as_str()).expect("one id is as good as another")
}
