//! Servers and operators: they make, edit and delete rooms and cameras through any coordinator, cordon and drain
//! workers, move rooms, and remember what they were promised.

use std::collections::BTreeMap;
use std::time::Duration;

use velella_coordinator_core::{PeerSpec, Reply, Request, RoomPatch};
use velella_model::component::{ComponentSpec, FileSpec};
use velella_model::record::{Cordon, PeerKind, RoomSpec, Scopes};
use velella_model::wire::command::SubscribeMode;
use velella_model::{ComponentId, Json, PeerId, RoomId};

use crate::ctx::Ctx;
use crate::mail::Mail;
use crate::oracle::Promise;
use crate::peer::Peer;
use crate::queue::Event;
use crate::worker::worker_id;

const ROOMS_MAX: usize = 10;
const PEERS_IN_ROOM: usize = 2;

/// Of all rooms together, at once.
const CAMERAS_MAX: usize = 8;
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);
const HTTP_DELAY: Duration = Duration::from_millis(5);

/// What is known of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Asked,
    Stands,
    /// An answer is missing, or was no.
    Unclear,
}

#[derive(Debug)]
struct Room {
    id: RoomId,
    state: State,
    peers: Vec<usize>,
    cameras: Vec<ComponentId>,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Create(usize),
    AddPeer(usize, usize),
    Delete(usize),
    Cordon(usize, Option<Cordon>),
    Move,
    Edit,
    Camera,
}

#[derive(Debug, Default)]
pub(crate) struct Users {
    rooms: Vec<Room>,
    pub(crate) peers: Vec<Peer>,
    asked: BTreeMap<u64, Asked>,
    /// Acknowledged drains and cordons.
    pub(crate) cordons: BTreeMap<usize, Cordon>,
    quiet: bool,
    workers: usize,
}

impl Users {
    pub(crate) fn new(workers: usize) -> Self {
        let room = |n| Room { id: room_id(n), state: State::Absent, peers: Vec::new(), cameras: Vec::new() };
        Self { rooms: (0..ROOMS_MAX).map(room).collect(), workers, ..Self::default() }
    }

    /// Does something at random, and soon again.
    pub(crate) fn act(&mut self, ctx: &mut Ctx) {
        let wait = ctx.dice.between(Duration::from_millis(100), Duration::from_millis(900));
        ctx.after(wait, Event::Users);
        if self.quiet {
            if ctx.has(crate::bugs::Bug::Restless) {
                self.move_a_room(ctx);
            }
            return;
        }
        let room = ctx.dice.below(self.rooms.len());
        match ctx.dice.below(100) {
            0..60 if matches!(self.rooms[room].state, State::Absent) => self.create(room, ctx),
            0..6 if matches!(self.rooms[room].state, State::Stands | State::Unclear) => self.delete(room, ctx),
            60..78 if ctx.oracle.nobody_dies => {}
            60..70 => self.move_a_room(ctx),
            70..78 => self.cordon_a_worker(ctx),
            78..86 => self.edit_a_room(ctx),
            86..100 => self.move_a_peer(ctx),
            _ => {}
        }
        match ctx.dice.below(100) {
            0..10 if self.rooms[room].state == State::Stands => self.add_camera(room, ctx),
            10..14 => self.remove_a_camera(room, ctx),
            _ => {}
        }
    }

    fn create(&mut self, n: usize, ctx: &mut Ctx) {
        self.rooms[n].state = State::Asked;
        let room = self.rooms[n].id.clone();
        ctx.oracle.rooms.remove(&room);
        ctx.oracle.peers.retain(|(of, _), _| *of != room);
        let request = Request::CreateRoom { room, spec: RoomSpec::default(), reuse: false };
        self.ask(Asked::Create(n), request, ctx);
    }

    fn delete(&mut self, n: usize, ctx: &mut Ctx) {
        self.rooms[n].state = State::Asked;
        let room = self.rooms[n].id.clone();
        ctx.oracle.rooms.remove(&room);
        ctx.oracle.peers.retain(|(of, _), _| *of != room);
        self.rooms[n].cameras.clear();
        for peer in std::mem::take(&mut self.rooms[n].peers) {
            self.peers[peer].want(peer, false, ctx);
        }
        self.ask(Asked::Delete(n), Request::DeleteRoom { room }, ctx);
    }

    fn move_a_room(&mut self, ctx: &mut Ctx) {
        let room = room_id(ctx.dice.below(self.rooms.len()));
        let to = ctx.dice.permille(500).then(|| worker_id(ctx.dice.below(self.workers)));
        self.ask(Asked::Move, Request::MoveRoom { room, to }, ctx);
    }

    fn edit_a_room(&mut self, ctx: &mut Ctx) {
        let room = room_id(ctx.dice.below(self.rooms.len()));
        // Another one each time, and more than ever come.
        let peers_max = u32::try_from(100 + ctx.dice.below(1_000)).ok();
        let patch = RoomPatch { peers_max: Some(peers_max), ..RoomPatch::default() };
        self.ask(Asked::Edit, Request::EditRoom { room, patch }, ctx);
    }

    fn cordon_a_worker(&mut self, ctx: &mut Ctx) {
        let worker = ctx.dice.below(self.workers);
        let drain = ctx.dice.permille(500);
        let cordon = ctx.dice.permille(400).then_some(Cordon { drain });
        self.ask_cordon(worker, cordon, ctx);
    }

    fn add_camera(&mut self, n: usize, ctx: &mut Ctx) {
        if self.rooms.iter().map(|room| room.cameras.len()).sum::<usize>() >= CAMERAS_MAX {
            return;
        }
        let room = self.rooms[n].id.clone();
        let component = ComponentId::parse(&format!("camera{}", ctx.id())).expect("letters and digits");
        self.rooms[n].cameras.push(component.clone());
        let spec = Box::new(ComponentSpec::File(FileSpec { path: "a.h264".into(), framerate: None }));
        let metadata = Json::parse("{}").expect("an object");
        self.ask(
            Asked::Camera,
            Request::AddComponent { room, component, spec, subscriptions: None, metadata, transcode: false },
            ctx,
        );
    }

    fn remove_a_camera(&mut self, n: usize, ctx: &mut Ctx) {
        let room = self.rooms[n].id.clone();
        if let Some(component) = self.rooms[n].cameras.pop() {
            self.ask(Asked::Camera, Request::DeleteComponent { room, component }, ctx);
        }
    }

    fn ask_cordon(&mut self, worker: usize, cordon: Option<Cordon>, ctx: &mut Ctx) {
        self.cordons.remove(&worker);
        self.ask(Asked::Cordon(worker, cordon), Request::CordonWorker { worker: worker_id(worker), cordon }, ctx);
    }

    fn move_a_peer(&mut self, ctx: &mut Ctx) {
        let of_rooms = self.rooms.iter().flat_map(|room| room.peers.iter().copied());
        let all: Vec<usize> = of_rooms.filter(|peer| self.peers[*peer].exists).collect();
        if let Some(peer) = ctx.dice.pick(&all) {
            let wants = !self.peers[peer].wants || ctx.dice.permille(700);
            self.peers[peer].want(peer, wants, ctx);
        }
    }

    fn ask(&mut self, asked: Asked, request: Request, ctx: &mut Ctx) {
        let ticket = ctx.id();
        self.asked.insert(ticket, asked);
        ctx.after(HTTP_TIMEOUT, Event::Replied(ticket, None));
        let living = ctx.coordinators();
        let Some(coordinator) = ctx.dice.pick(&living) else { return };
        let boot = ctx.net.up.get(&coordinator).copied().unwrap_or_default();
        ctx.tell(|| format!("asked of {coordinator:?}: {}", shown(&request)));
        ctx.mail_in(coordinator, boot, HTTP_DELAY, Mail::Asked(ticket, Box::new(request)));
    }

    pub(crate) fn replied(&mut self, ticket: u64, reply: Option<Reply>, ctx: &mut Ctx) {
        let Some(asked) = self.asked.remove(&ticket) else { return };
        match (asked, reply) {
            (Asked::Create(n), Some(Reply::Room(view))) => {
                ctx.tell(|| format!("promised: {}", view.room));
                self.rooms[n].state = State::Stands;
                ctx.oracle.rooms.insert(view.room, Promise::Stands);
                (0..PEERS_IN_ROOM).for_each(|_| self.add_peer(n, ctx));
            }
            (Asked::Delete(n), Some(Reply::Done)) => {
                ctx.tell(|| format!("promised: {} is gone", self.rooms[n].id));
                self.rooms[n].state = State::Absent;
                ctx.oracle.rooms.insert(self.rooms[n].id.clone(), Promise::Gone);
            }
            (Asked::Create(n) | Asked::Delete(n), _) => self.rooms[n].state = State::Unclear,
            (Asked::AddPeer(n, peer), Some(Reply::Peer(..))) if self.rooms[n].peers.contains(&peer) => {
                let (room, id) = (self.peers[peer].room.clone(), self.peers[peer].peer.clone());
                ctx.oracle.peers.insert((room, id), Promise::Stands);
                self.peers[peer].exists = true;
                self.peers[peer].want(peer, true, ctx);
            }
            (Asked::AddPeer(n, peer), _) => self.rooms[n].peers.retain(|of_room| *of_room != peer),
            (Asked::Cordon(worker, Some(cordon)), Some(Reply::Workers(_))) => {
                self.cordons.insert(worker, cordon);
            }
            (Asked::Cordon(worker, wanted), None | Some(Reply::Denied(_))) if self.quiet => {
                self.ask_cordon(worker, wanted, ctx);
            }
            (Asked::Cordon(..) | Asked::Move | Asked::Edit | Asked::Camera, _) => {}
        }
    }

    fn add_peer(&mut self, n: usize, ctx: &mut Ctx) {
        let room = self.rooms[n].id.clone();
        let peer = PeerId::parse(&format!("p{}", ctx.id())).expect("letters and digits");
        self.peers.push(Peer::new(room.clone(), peer.clone()));
        let number = self.peers.len() - 1;
        self.rooms[n].peers.push(number);
        let spec = PeerSpec {
            kind: PeerKind::Webrtc,
            server_metadata: Json::parse("{}").expect("an object"),
            subscribe_mode: SubscribeMode::Auto,
            agent_output: None,
            scopes: Scopes::default(),
        };
        self.ask(Asked::AddPeer(n, number), Request::AddPeer { room, peer, spec }, ctx);
    }

    /// Nothing more is asked for, but at most one worker stays drained.
    pub(crate) fn settle(&mut self, ctx: &mut Ctx) {
        self.quiet = true;
        self.cordons.clear();
        self.asked.retain(|_, asked| !matches!(asked, Asked::Cordon(..)));
        let drained = (self.workers > 1 && ctx.dice.permille(500)).then(|| ctx.dice.below(self.workers));
        ctx.tell(|| format!("quiet; drained: {drained:?}"));
        for worker in 0..self.workers {
            let cordon = (drained == Some(worker)).then_some(Cordon { drain: true });
            self.ask_cordon(worker, cordon, ctx);
        }
    }

    pub(crate) fn drained(&self) -> impl Iterator<Item = usize> {
        self.cordons.iter().filter(|(_, cordon)| cordon.drain).map(|(worker, _)| *worker)
    }

    pub(crate) fn wanting(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|peer| peer.wants)
    }
}

fn room_id(n: usize) -> RoomId {
    RoomId::parse(&format!("room{n}")).expect("letters and digits")
}

fn shown(request: &Request) -> String {
    match request {
        Request::CreateRoom { room, .. } => format!("create {room}"),
        Request::DeleteRoom { room } => format!("delete {room}"),
        Request::AddPeer { room, peer, .. } => format!("add {room}/{peer}"),
        Request::CordonWorker { worker, cordon } => format!("cordon {worker}: {cordon:?}"),
        Request::EditRoom { room, .. } => format!("edit {room}"),
        Request::MoveRoom { room, to } => format!("move {room} to {to:?}"),
        Request::AddComponent { room, component, .. } => format!("add {room}/{component}"),
        Request::DeleteComponent { room, component } => format!("delete {room}/{component}"),
        Request::ListRooms { .. }
        | Request::ShowRoom { .. }
        | Request::ShowPeer { .. }
        | Request::AdoptPeer { .. }
        | Request::EditPeer { .. }
        | Request::DeletePeer { .. }
        | Request::ShowComponent { .. }
        | Request::SubscribeComponent { .. }
        | Request::FindBroadcast { .. }
        | Request::ListGateways
        | Request::ListWorkers
        | Request::ShowTotals
        | Request::ShowHistory { .. } => String::new(),
    }
}
