//! A coordinator with a store that answers at once and workers that do as they are told, unless a
//! test takes their part.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use velella_model::record::{PeerKind, RoomSpec};
use velella_model::wire::command::Order;
use velella_model::wire::signal::{ServerEvent, SessionEvent, ToHolder, ToWorker, VoiceChanged};
use velella_model::{Incarnation, Json, PeerId, RoomId, RoomType, SessionId, TrackId, WorkerId};

use crate::chronicle::Chronicle;
use crate::testing::{alive, announce, coordinator_id, dead, peer, room, session, start, worker};
use crate::*;

/// What the world did not answer by itself, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    Command(OpId, WorkerId, Incarnation, Order),
    Probe(Suspect),
    Signal(WorkerId, ToWorker),
    Welcome(SessionId, RoomType),
    ToSocket(SessionId, ServerEvent),
    TrackTaken(SessionId, TrackId, WorkerId),
    Adopt(SessionId),
    Adopted(SessionId, String),
    Closed(SessionId, Close),
    Reply(Ticket, Reply),
}

pub(crate) type CommandSeen = (OpId, WorkerId, Incarnation, Order);

impl Seen {
    pub(crate) fn into_command(self) -> Option<CommandSeen> {
        if let Self::Command(op, worker, incarnation, order) = self {
            return Some((op, worker, incarnation, order));
        }
        None
    }
}

pub(crate) struct World {
    pub(crate) core: Coordinator,
    pub(crate) now: Instant,
    pub(crate) store: BTreeMap<String, Entry>,
    pub(crate) revision: u64,
    pub(crate) seen: Vec<Seen>,
    /// What was told to servers, apart: most tests ask about something else.
    pub(crate) told: Vec<Notice>,
    pub(crate) chronicle: Chronicle,
    /// Whether workers answer `Done` by themselves.
    pub(crate) obedient: bool,
    /// Whether the store fails.
    pub(crate) store_down: bool,
    /// Whether the store does not answer writes.
    pub(crate) silent_store: bool,
    /// Whether the watch is faster than the answers to writes, which are kept here.
    pub(crate) late_answers: Option<Vec<(OpId, WriteOutcome)>>,
    next_ticket: u64,
}

impl World {
    pub(crate) fn new(workers: &[&str]) -> Self {
        let mut world = Self::unlisted(workers);
        for noun in [Noun::Rooms, Noun::Peers] {
            world.input(Input::Listed { noun, entries: Vec::new(), revision: Revision(0) });
        }
        world
    }

    /// Before the store was read for the first time.
    pub(crate) fn unlisted(workers: &[&str]) -> Self {
        let core = Coordinator::new(coordinator_id(), String::new());
        let store = BTreeMap::new();
        let mut world = Self {
            core,
            now: start(),
            store,
            revision: 0,
            seen: Vec::new(),
            told: Vec::new(),
            chronicle: Chronicle::new(),
            obedient: true,
            store_down: false,
            silent_store: false,
            late_answers: None,
            next_ticket: 0,
        };
        world.chronicle.listed(Vec::new(), Revision(0));
        for id in workers {
            world.boot(id, 1);
        }
        world
    }

    /// A worker claims its key and announces itself.
    pub(crate) fn boot(&mut self, id: &str, incarnation: u64) {
        self.written_by_another(alive(id, incarnation));
        self.input(Input::Announced(announce(id, incarnation, 1)));
    }

    /// The first boot of a worker is proven dead, and the watch shows that its key is deleted.
    pub(crate) fn die(&mut self, id: &str) {
        self.input(Input::Probed { whom: Suspect::Worker(worker(id)), incarnation: Incarnation(1), dead: true });
        self.written_by_another(dead(id));
    }

    /// With one room `r` at `w1` and a peer `p` in it.
    pub(crate) fn with_peer() -> Self {
        let mut world = Self::new(&["w1"]);
        world.request(Request::CreateRoom { room: room("r"), spec: RoomSpec::default(), reuse: false });
        world.request(add_peer("r", "p"));
        world.take();
        world
    }

    /// With the peer's session `s1` open at `w1`.
    pub(crate) fn with_session() -> Self {
        let mut world = Self::with_peer();
        world.join("s1");
        world.take();
        world
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.core.handle_input(input, self.now);
        while let Some(output) = self.core.poll_output() {
            self.execute(output);
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// Answers come as they should from now on, those that are late too.
    pub(crate) fn answer_late(&mut self) {
        for (op, outcome) in self.late_answers.take().into_iter().flatten() {
            self.input(Input::Written { op, outcome });
        }
    }

    /// Lets time pass with all timeouts in it.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some((at, _)) = self.core.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = at.max(self.now);
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    pub(crate) fn request(&mut self, request: Request) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.input(Input::Requested { ticket, request });
        ticket
    }

    pub(crate) fn authenticate(&mut self, id: &str) {
        self.authenticate_as(id, PeerKind::Webrtc);
    }

    pub(crate) fn authenticate_as(&mut self, id: &str, kind: PeerKind) {
        self.input(Input::Arrived(Arrival {
            session: session(id),
            room: room("r"),
            peer: peer("p"),
            kind,
            pass: Pass::default(),
            door: Door::Socket,
        }));
    }

    pub(crate) fn say(&mut self, id: &str, said: Said) {
        self.input(Input::PeerSaid { session: session(id), said });
    }

    pub(crate) fn join(&mut self, id: &str) {
        self.authenticate(id);
        self.say(id, Said::Connect(Json::parse(r#"{"n":1}"#).unwrap()));
    }

    pub(crate) fn signal(&mut self, id: &str, seq: u64, event: SessionEvent) {
        self.input(Input::Signalled(ToHolder { session: session(id), seq, event }));
    }

    pub(crate) fn answer(&mut self, op: OpId, outcome: CommandOutcome) {
        self.input(Input::Answered { op, outcome });
    }

    /// The only command that was seen.
    pub(crate) fn command(&mut self) -> CommandSeen {
        let mut commands = self.take().into_iter().filter_map(Seen::into_command);
        let command = commands.next().expect("a command");
        assert_eq!(commands.next(), None);
        command
    }

    pub(crate) fn reply(&mut self, wanted: Ticket) -> Reply {
        let reply_of =
            |seen| if let Seen::Reply(ticket, reply) = seen { (ticket == wanted).then_some(reply) } else { None };
        self.take().into_iter().find_map(reply_of).expect("a reply")
    }

    /// Writes past the coordinator, as another replica does, and lets the watch tell it.
    pub(crate) fn written_by_another(&mut self, fact: Fact) {
        let entry = self.put(fact);
        self.input(Input::Changed(entry));
    }

    pub(crate) fn put(&mut self, fact: Fact) -> Entry {
        self.revision += 1;
        let entry = Entry { revision: Revision(self.revision), fact };
        self.store.insert(key(&entry.fact), entry.clone());
        self.chronicle.changed(entry.clone());
        self.tell();
        entry
    }

    pub(crate) fn heard(&mut self, voice: VoiceChanged) {
        self.chronicle.heard(voice);
        self.tell();
    }

    fn tell(&mut self) {
        self.told.extend(std::iter::from_fn(|| self.chronicle.poll_output()));
    }

    /// Where the store places a room.
    pub(crate) fn place_of(&mut self, id: &str) -> (WorkerId, u64) {
        let ticket = self.request(Request::ShowRoom { room: room(id) });
        let Reply::Room(view) = self.reply(ticket) else { panic!("a room") };
        (view.record.placement.worker.clone(), view.record.placement.generation.0)
    }

    fn execute(&mut self, output: Output) {
        let seen = match output {
            Output::Write { .. } if self.silent_store => return,
            Output::Write { op, fact, expect } => {
                let outcome = self.write(fact.clone(), expect);
                if let (Some(late), WriteOutcome::Done(revision)) = (&mut self.late_answers, &outcome) {
                    let changed = Input::Changed(Entry { fact, revision: *revision });
                    late.push((op, outcome));
                    return self.core.handle_input(changed, self.now);
                }
                return self.core.handle_input(Input::Written { op, outcome }, self.now);
            }
            Output::Load { op, room } => {
                let of_room = |entry: &&Entry| match &entry.fact {
                    Fact::Room(r, record) => *r == room && record.is_some(),
                    Fact::Peer(r, _, record) => *r == room && record.is_some(),
                    Fact::Component(r, _, record) => *r == room && record.is_some(),
                    Fact::Ingest(r, _, record) => *r == room && record.is_some(),
                    Fact::Gateway(..) | Fact::Fleet(_) => false,
                };
                let entries = self.store.values().filter(of_room).cloned().collect();
                return self.core.handle_input(Input::Loaded { op, entries: Some(entries) }, self.now);
            }
            Output::Command { op, worker, incarnation, order } => {
                self.seen.push(Seen::Command(op, worker, incarnation, order));
                if self.obedient {
                    let outcome = CommandOutcome::Done;
                    self.core.handle_input(Input::Answered { op, outcome }, self.now);
                }
                return;
            }
            Output::Probe { whom, .. } => Seen::Probe(whom),
            Output::Signal { worker, message } => Seen::Signal(worker, message),
            Output::Welcome { session, room_type } => Seen::Welcome(session, room_type),
            Output::ToSocket { session, event } => Seen::ToSocket(session, event),
            Output::TrackTaken { session, track, worker } => Seen::TrackTaken(session, track, worker),
            Output::Adopt { session } => Seen::Adopt(session),
            Output::Adopted { session, offer } => Seen::Adopted(session, offer),
            Output::CloseSocket { session, close } => Seen::Closed(session, close),
            Output::Reply { ticket, reply } => Seen::Reply(ticket, reply),
        };
        self.seen.push(seen);
    }

    fn write(&mut self, fact: Fact, expect: Expect) -> WriteOutcome {
        if self.store_down {
            return WriteOutcome::Failed;
        }
        let standing = self.store.get(&key(&fact)).filter(|entry| !is_deletion(&entry.fact)).cloned();
        let holds = match expect {
            Expect::Any => true,
            Expect::Absent => standing.is_none(),
            Expect::Revision(revision) => standing.as_ref().is_some_and(|entry| entry.revision == revision),
        };
        if !holds {
            return WriteOutcome::Conflict(standing);
        }
        WriteOutcome::Done(self.put(fact).revision)
    }
}

pub(crate) fn add_peer(room_id: &str, peer_id: &str) -> Request {
    let spec = PeerSpec {
        kind: PeerKind::Webrtc,
        server_metadata: Json::parse(r#"{"s":2}"#).unwrap(),
        subscribe_mode: velella_model::wire::command::SubscribeMode::Auto,
        agent_output: None,
        scopes: velella_model::record::Scopes::default(),
    };
    Request::AddPeer { room: room(room_id), peer: peer(peer_id), spec }
}

fn key(fact: &Fact) -> String {
    match fact {
        Fact::Room(room, _) => velella_model::key::room(room),
        Fact::Peer(room, peer, _) => velella_model::key::peer(room, peer),
        Fact::Component(room, id, _) => velella_model::key::component(room, id),
        Fact::Ingest(room, id, _) => velella_model::key::ingest(room, id),
        Fact::Gateway(gateway, _) => velella_model::key::gateway(gateway),
        Fact::Fleet(FleetFact::Worker(worker, _)) => velella_model::key::worker(worker),
        Fact::Fleet(FleetFact::Cordon(worker, _)) => velella_model::key::cordon(worker),
        Fact::Fleet(FleetFact::Coordinator(id, _)) => velella_model::key::coordinator(id),
    }
}

fn is_deletion(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Room(_, None)
            | Fact::Peer(_, _, None)
            | Fact::Component(_, _, None)
            | Fact::Ingest(_, _, None)
            | Fact::Gateway(_, None)
            | Fact::Fleet(FleetFact::Worker(_, None))
    )
}

pub(crate) fn room_p() -> (RoomId, PeerId) {
    (room("r"), peer("p"))
}
