//! The cluster under test: NATS, etcd, two coordinators, three workers and two gateways, each on a host of its
//! own, with two people and a camera in one of its rooms, and bots in another.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::camera::{CLIPS, Camera};
use crate::clock;
use crate::front::{FRONT, Front};
use crate::full::Disk;
use crate::hosts::{Host, Net};
use crate::http::{self, Answer};
use crate::process::Process;
use crate::servers::{self, ETCD, ETCD_DISK, NATS, Servers};
use crate::viewers::Viewers;
use crate::watch::{State, Watch, states};

/// How long anything may take that is not measured, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long everything has to be well until nothing more is expected to come.
const STAYS: Duration = Duration::from_millis(1_500);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Rooms in which nobody is, besides the one with people.
const EMPTY_ROOMS: usize = 6;

/// Ports of every process on its own host.
pub(crate) const ADMIN: u16 = 9_568;
pub(crate) const HTTP: u16 = 5_002;
const MEDIA: u16 = 10_000;
pub(crate) const RTMP: u16 = 1_935;

/// Opens the management API.
pub(crate) const TOKEN: &str = "management";

pub(crate) struct Cluster {
    pub(crate) watch: Watch,
    pub(crate) front: Front,
    pub(crate) people: Viewers,
    pub(crate) bots: Viewers,
    pub(crate) camera: Camera,
    /// The room with people.
    pub(crate) room: String,
    /// Every room that was acknowledged.
    pub(crate) rooms: BTreeSet<String>,
    /// One, usually.
    pub(crate) nats: Vec<Process>,
    pub(crate) etcd: Vec<Process>,
    pub(crate) coordinators: Vec<Process>,
    pub(crate) workers: Vec<Process>,
    pub(crate) gateways: Vec<Process>,
    pub(crate) pages: Host,
    /// A host for one more worker.
    pub(crate) spare: Host,
    /// The worker there.
    pub(crate) twin: Option<Process>,
    joined: [String; 2],
    _disk: Disk,
    pub(crate) logs: PathBuf,
    // Last, so that everybody has left it.
    _net: Net,
}

/// Where a room is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) worker: String,
    pub(crate) generation: u64,
}

impl Place {
    fn of(room: &Value) -> Option<Self> {
        let worker = room.get("worker")?.as_str()?.to_owned();
        Some(Self { worker, generation: room.get("generation")?.as_u64()? })
    }
}

impl Cluster {
    /// Everything runs and both people see each other and the camera.
    pub(crate) async fn start(mut net: Net, logs: PathBuf, servers: Servers) -> anyhow::Result<Self> {
        let nats = servers.start_nats(&mut net, &logs)?;
        let disk = Disk::mount(&logs.join(ETCD_DISK))?;
        let etcd = servers.start_etcd(&mut net, &logs)?;
        let joined = [
            format!("--nats-url={}", servers::urls("nats", &nats, NATS)),
            format!("--etcd-url={}", servers::urls("http", &etcd, ETCD)),
        ];
        let mut coordinators = Vec::new();
        for name in ["c1", "c2"] {
            coordinators.push(start_coordinator(&net.host(name)?, &joined, &logs)?);
        }
        let mut workers = Vec::new();
        for name in ["w1", "w2", "w3"] {
            workers.push(start_worker(&net.host(name)?, name, &joined, &logs)?);
        }
        Camera::record(&logs)?;
        let mut gateways = Vec::new();
        for name in ["g1", "g2"] {
            gateways.push(start_gateway(&net.host(name)?, &joined, &logs)?);
        }
        for process in coordinators.iter().chain(&workers).chain(&gateways) {
            eventually("a process is ready", async || is_ready(process.host.ip).await).await?;
        }
        let (pages, spare) = (net.host("pages")?, net.host("spare")?);
        let watch = Watch::start(workers.iter().map(|process| process.host.ip).chain([spare.ip]));
        let front = Front::start(coordinators.iter().map(|process| process.host.ip).collect()).await?;
        eventually("the workers are known", async || ready_workers(FRONT).await == Some(3)).await?;
        eventually("the gateways are known", async || ready_gateways(FRONT).await == Some(2)).await?;
        let mut rooms = BTreeSet::new();
        for _ in 0..EMPTY_ROOMS {
            rooms.insert(made(&create_room(FRONT).await?).context("a room was refused")?);
        }
        let room = made(&create_room_of(FRONT, "h264").await?).context("the room of the people was refused")?;
        rooms.insert(room.clone());
        let camera = Camera::add(&room).await?;
        let people = Viewers::people(&pages, FRONT, &room, &logs)?;
        let bots = Viewers::bots(&pages, FRONT, &logs)?;
        let mut cluster = Self {
            watch,
            front,
            people,
            bots,
            camera,
            room,
            rooms,
            nats,
            etcd,
            coordinators,
            workers,
            gateways,
            pages,
            spare,
            twin: None,
            joined,
            _disk: disk,
            logs,
            _net: net,
        };
        cluster.everybody_sees().await?;
        // That of the bots is one of them.
        cluster.rooms.extend(places(FRONT).await.into_keys());
        Ok(cluster)
    }

    /// The people, and the bots, see something new of each other from now on, and the people of the camera.
    pub(crate) async fn everybody_sees(&mut self) -> anyhow::Result<()> {
        let since = clock::now();
        let (people, bots) = (&mut self.people, &mut self.bots);
        let seen = eventually("people see each other", async || people.all_see(since)).await;
        people.check()?;
        seen?;
        eventually("people see the camera", async || people.all_watch(since)).await?;
        let heard = eventually("bots hear each other", async || bots.all_see(since)).await;
        bots.check()?;
        heard
    }

    /// Nothing is left of a fault, and nothing more comes of it: every worker and gateway is ready, every room is at
    /// the worker that the coordinators name and at no other, one gateway has the camera, and people see each other.
    pub(crate) async fn is_whole_again(&mut self) -> anyhow::Result<()> {
        for coordinator in &self.coordinators {
            let at = SocketAddr::from((coordinator.host.ip, HTTP));
            eventually(&format!("{} knows three workers", coordinator.host.name), async || {
                ready_workers(at).await == Some(3)
            })
            .await?;
            eventually(&format!("{} knows two gateways", coordinator.host.name), async || {
                ready_gateways(at).await == Some(2)
            })
            .await?;
        }
        let (mut wrong, mut whole_since) = (String::new(), None);
        let whole = eventually("every room is where it should be", async || {
            wrong = self.misplaced().await;
            whole_since = whole_since.or_else(|| Some(Instant::now())).filter(|_| wrong.is_empty());
            whole_since.is_some_and(|since| since.elapsed() >= STAYS)
        });
        whole.await.with_context(|| wrong.clone())?;
        self.everybody_sees().await
    }

    /// What stands where it should not, or is missing; empty when all is well.
    async fn misplaced(&self) -> String {
        let mut wrong = Vec::new();
        let mut held: BTreeMap<String, State> = BTreeMap::new();
        for worker in &self.workers {
            held.extend(states(worker.host.ip, http::PATIENCE).await.into_iter().map(|s| (s.worker.clone(), s)));
        }
        for state in held.values().filter(|state| state.state != "ready" || state.admits_for_ms == 0) {
            wrong.push(format!("{} is {}", state.worker, state.state));
        }
        for coordinator in &self.coordinators {
            let places = places(SocketAddr::from((coordinator.host.ip, HTTP))).await;
            for room in self.rooms.iter().filter(|room| !places.contains_key(*room)) {
                wrong.push(format!("{} has lost {room}", coordinator.host.name));
            }
            for (room, place) in &places {
                let holds = held.get(&place.worker).and_then(|state| state.rooms.get(room));
                // One that nobody was promised may wait for its first peer, who brings the assignment along.
                let right = holds.map_or_else(|| !self.rooms.contains(room), |held| *held == place.generation);
                if !right {
                    wrong.push(format!("{room} should be {place:?} and {} holds {holds:?}", place.worker));
                }
            }
            for state in held.values() {
                let here = |room: &&String| places.get(*room).is_some_and(|place| place.worker == state.worker);
                wrong.extend(
                    state.rooms.keys().filter(|room| !here(room)).map(|r| format!("{} holds {r}", state.worker)),
                );
            }
        }
        wrong.extend(self.misled_camera().await);
        wrong.join("; ")
    }

    /// The camera, if another gateway than the one that is named has it, or more than one do.
    async fn misled_camera(&self) -> Option<String> {
        let Some(named) = self.camera.gateway().await else { return Some("the camera is not live".to_owned()) };
        for Process { host, .. } in &self.gateways {
            let jobs = metric(host.ip, "velella_gateway_jobs").await;
            if jobs != f64::from(u8::from(host.name == named)) {
                return Some(format!("{named} should have the camera, and {} does {jobs} jobs", host.name));
            }
        }
        None
    }

    /// The worker that serves the room with people.
    pub(crate) async fn serving(&self) -> anyhow::Result<&Process> {
        let place = places(FRONT).await.remove(&self.room).context("the room has no place")?;
        let serving = self.workers.iter().find(|worker| worker.host.name == place.worker);
        serving.with_context(|| format!("{} is no worker", place.worker))
    }

    /// The gateway that has the camera.
    pub(crate) async fn playing(&self) -> anyhow::Result<&Process> {
        let name = self.camera.gateway().await.context("the camera is not live")?;
        let playing = self.gateways.iter().find(|gateway| gateway.host.name == name);
        playing.with_context(|| format!("{name} is no gateway"))
    }

    /// The process on the host of that name.
    pub(crate) fn process(&mut self, name: &str) -> anyhow::Result<&mut Process> {
        let servers = self.nats.iter_mut().chain(&mut self.etcd);
        let mut all = servers.chain(&mut self.coordinators).chain(&mut self.workers).chain(&mut self.gateways);
        all.find(|process| process.host.name == name).with_context(|| format!("{name} is no process"))
    }

    /// All hosts; this process is beside them.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &Host> {
        let servers = self.nats.iter().chain(&self.etcd);
        let processes = servers.chain(&self.coordinators).chain(&self.workers).chain(&self.gateways);
        processes.map(|process| &process.host).chain([&self.pages, &self.spare])
    }

    /// Where etcd keeps everything.
    pub(crate) fn disk(&self) -> PathBuf {
        self.logs.join(ETCD_DISK)
    }

    /// Of the only one, or the first.
    pub(crate) fn nats_host(&self) -> anyhow::Result<&Host> {
        Ok(&self.nats.first().context("NATS was started")?.host)
    }

    /// Of the only one, or the first.
    pub(crate) fn etcd_host(&self) -> anyhow::Result<&Host> {
        Ok(&self.etcd.first().context("etcd was started")?.host)
    }

    pub(crate) fn heal(&self) -> anyhow::Result<()> {
        self.hosts().try_for_each(Host::heal)
    }
}

fn start_coordinator(host: &Host, joined: &[String], logs: &Path) -> anyhow::Result<Process> {
    let own = [
        format!("--coordinator-id={}", host.name),
        format!("--listen=0.0.0.0:{HTTP}"),
        format!("--admin=0.0.0.0:{ADMIN}"),
        format!("--management-token={TOKEN}"),
        "--token-secret=0123456789abcdef0123456789abcdef".to_owned(),
    ];
    Process::start(host, binary("velella-coordinator")?, [&own, joined].concat(), logs)
}

fn start_worker(host: &Host, name: &str, joined: &[String], logs: &Path) -> anyhow::Result<Process> {
    let own = [
        format!("--worker-id={name}"),
        format!("--udp={}:{MEDIA}", host.ip),
        format!("--admin=0.0.0.0:{ADMIN}"),
        "--shards=1".to_owned(),
    ];
    Process::start(host, binary("velella-worker")?, [&own, joined].concat(), logs)
}

fn start_gateway(host: &Host, joined: &[String], logs: &Path) -> anyhow::Result<Process> {
    let own = [
        format!("--gateway-id={}", host.name),
        format!("--gateway-ip={}", host.ip),
        format!("--admin=0.0.0.0:{ADMIN}"),
        format!("--files={}", logs.join(CLIPS).display()),
        format!("--rtmp={}:{RTMP}", host.ip),
    ];
    Process::start(host, binary("velella-gateway")?, [&own, joined].concat(), logs)
}

/// One more process under the name of a worker.
pub(crate) fn start_twin(cluster: &Cluster, name: &str) -> anyhow::Result<Process> {
    start_worker(&cluster.spare, name, &cluster.joined, &cluster.logs)
}

/// Beside this one.
pub(crate) fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(
        path.exists(),
        "first: cargo build -p velella-coordinator -p velella-worker -p velella-link -p velella-load"
    );
    Ok(path)
}

pub(crate) async fn is_ready(at: Ipv4Addr) -> bool {
    http::get(at, ADMIN, "/readyz", http::PATIENCE).await.is_ok_and(|answer| answer.is_good())
}

/// The sum of a metric over its labels.
pub(crate) async fn metric(at: Ipv4Addr, name: &str) -> f64 {
    let Ok(answer) = http::get(at, ADMIN, "/metrics", http::PATIENCE).await else { return 0.0 };
    let named = answer.body.lines().filter_map(|line| line.strip_prefix(name));
    let values = named.filter(|rest| rest.starts_with([' ', '{'])).filter_map(|rest| rest.split(' ').next_back());
    values.filter_map(|value| value.parse::<f64>().ok()).sum()
}

pub(crate) async fn ask(at: SocketAddr, path: &str) -> std::io::Result<Answer> {
    let lines = format!("authorization: Bearer {TOKEN}\r\n\r\n");
    http::send(at, "GET", path, &lines, http::PATIENCE).await
}

pub(crate) async fn ready_workers(at: SocketAddr) -> Option<u64> {
    ask(at, "/cluster/totals").await.ok()?.json().get("workers_ready")?.as_u64()
}

async fn ready_gateways(at: SocketAddr) -> Option<usize> {
    let listed = ask(at, "/cluster/gateways").await.ok()?.json();
    let ready = |gateway: &&Value| {
        let is = |field: &str, value: Value| gateway.get(field) == Some(&value);
        is("state", json!("ready")) && is("alive", json!(true)) && is("suspect", json!(false))
    };
    Some(listed.get("gateways")?.as_array()?.iter().filter(ready).count())
}

/// Where all rooms are, by the word of one coordinator.
pub(crate) async fn places(coordinator: SocketAddr) -> BTreeMap<String, Place> {
    let Ok(listed) = ask(coordinator, "/cluster/rooms?limit=500").await else { return BTreeMap::new() };
    let rooms = listed.json().get("rooms").and_then(Value::as_array).cloned().unwrap_or_default();
    rooms.iter().filter_map(|room| Some((room.get("room")?.as_str()?.to_owned(), Place::of(room)?))).collect()
}

/// Asks for a new room.
pub(crate) async fn create_room(at: SocketAddr) -> std::io::Result<Answer> {
    create_room_of(at, "vp8").await
}

/// The same for a codec; what cameras send is H.264.
pub(crate) async fn create_room_of(at: SocketAddr, codec: &str) -> std::io::Result<Answer> {
    let lines = http::body(Some(TOKEN), &json!({ "videoCodec": codec }));
    http::send(at, "POST", "/api/v1/connect/faults/room", &lines, http::PATIENCE).await
}

/// The id of a room that was made.
pub(crate) fn made(answer: &Answer) -> Option<String> {
    Some(answer.json().pointer("/data/room/id")?.as_str()?.to_owned())
}

/// Whether the room is gone.
pub(crate) async fn delete_room(at: SocketAddr, room: &str) -> std::io::Result<bool> {
    let (path, lines) =
        (format!("/api/v1/connect/faults/room/{room}"), format!("authorization: Bearer {TOKEN}\r\n\r\n"));
    Ok(http::send(at, "DELETE", &path, &lines, http::PATIENCE).await?.is_good())
}

/// Waits until it is so.
pub(crate) async fn eventually(what: &str, mut look: impl AsyncFnMut() -> bool) -> anyhow::Result<()> {
    let started = Instant::now();
    while !look().await {
        ensure!(started.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
