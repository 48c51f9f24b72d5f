//! A cluster of its own for one test: NATS, etcd, two coordinators, two workers.

use std::time::{Duration, Instant};

use velella_servers::{EtcdServer, NatsServer, Port};

use crate::process::Process;

/// How long anything may take that is not measured, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) struct Cluster {
    pub(crate) nats: NatsServer,
    pub(crate) coordinators: [Coordinator; 2],
    workers: Vec<(String, Process)>,
    // Last, so that the others can say goodbye to it.
    _etcd: EtcdServer,
}

impl Cluster {
    /// Everything ready, every worker known to both coordinators.
    pub(crate) async fn start() -> Self {
        let (nats, etcd) = tokio::join!(NatsServer::start(), EtcdServer::start());
        let joined = [format!("--nats-url={}", nats.url()), format!("--etcd-url={}", etcd.url())];
        let workers: Vec<_> = ["worker-1", "worker-2"]
            .map(|id| {
                let own = [&format!("--worker-id={id}"), "--udp=127.0.0.1:0", "--shards=1"].map(str::to_owned);
                (id.to_owned(), Process::start("velella-worker", [own.to_vec(), joined.to_vec()].concat()))
            })
            .into();
        let coordinators = ["a", "b"].map(|id| Coordinator::start(id, &joined));
        for (_, worker) in &workers {
            worker.ready().await;
        }
        for coordinator in &coordinators {
            coordinator.process.ready().await;
            eventually("both workers are known", || (coordinator.workers_ready()? == 2).then_some(())).await;
        }
        Self { nats, coordinators, workers, _etcd: etcd }
    }

    pub(crate) fn worker(&mut self, id: &str) -> &mut Process {
        &mut self.workers.iter_mut().find(|(name, _)| name == id).unwrap().1
    }
}

/// Where a room is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) worker: String,
    pub(crate) generation: u64,
}

pub(crate) struct Coordinator {
    process: Process,
    http: Port,
}

impl Coordinator {
    fn start(id: &str, joined: &[String]) -> Self {
        let http = Port::take();
        let own = [
            format!("--coordinator-id={id}"),
            format!("--listen=127.0.0.1:{}", http.number()),
            "--management-token=management".to_owned(),
            "--token-secret=0123456789abcdef0123456789abcdef".to_owned(),
        ];
        Self { process: Process::start("velella-coordinator", [&own, joined].concat()), http }
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// The id of a new room; `None` when it was refused.
    pub(crate) fn create_room(&self) -> Option<String> {
        let url = format!("http://127.0.0.1:{}/api/v1/connect/test/room", self.http.number());
        let request = agent().post(url).header("authorization", "Bearer management");
        let answer = request.content_type("application/json").send("{}");
        Some(json(answer)?["data"]["room"]["id"].as_str()?.to_owned())
    }

    /// Where it thinks that a room is.
    pub(crate) fn placement(&self, room: &str) -> Option<Place> {
        let placement = self.ask(&format!("/cluster/rooms/{room}/placement"))?;
        let worker = placement["worker"].as_str()?.to_owned();
        Some(Place { worker, generation: placement["generation"].as_u64()? })
    }

    fn workers_ready(&self) -> Option<u64> {
        self.ask("/cluster/totals")?["workers_ready"].as_u64()
    }

    fn ask(&self, path: &str) -> Option<serde_json::Value> {
        let url = format!("http://127.0.0.1:{}{path}", self.http.number());
        json(agent().get(url).header("authorization", "Bearer management").call())
    }
}

/// What `look` finds, as soon as it finds it.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into()
}

fn json(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Option<serde_json::Value> {
    answer.ok()?.body_mut().read_json().ok()
}
