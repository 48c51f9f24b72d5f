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
    pub(crate) etcd: EtcdServer,
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
        Self { nats, coordinators, workers, etcd }
    }

    /// The coordinators, with the one that leads first.
    pub(crate) async fn leader_first(&mut self) -> [&mut Coordinator; 2] {
        let [a, b] = &mut self.coordinators;
        let a_leads = eventually("one leads", || match (a.leads()?, b.leads()?) {
            (false, false) => None,
            (a_leads, _) => Some(a_leads),
        });
        if a_leads.await { [a, b] } else { [b, a] }
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

/// An answer of WHIP.
pub(crate) struct Live {
    pub(crate) status: u16,
    pub(crate) location: String,
    pub(crate) text: String,
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

    /// SIGTERM, and waits until it has ended.
    pub(crate) async fn terminate(&mut self) {
        self.process.terminate();
        self.process.ended().await;
    }

    /// The id of a new room; `None` when it was refused.
    pub(crate) fn create_room(&self) -> Option<String> {
        self.create_room_with("{}")
    }

    /// The same with a webhook.
    pub(crate) fn create_room_for(&self, webhook_url: &str) -> Option<String> {
        self.create_room_with(&serde_json::json!({ "webhookUrl": webhook_url }).to_string())
    }

    /// The status and the answer to a request with an `Idempotency-Key`.
    pub(crate) fn create_room_once(&self, key: &str) -> (u16, serde_json::Value) {
        let request = agent().post(self.api("/room")).header("authorization", "Bearer management");
        let request = request.header("idempotency-key", key).content_type("application/json");
        let mut answer = request.config().http_status_as_error(false).build().send("{}").unwrap();
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap())
    }

    pub(crate) fn add_peer(&self, room: &str) -> Option<()> {
        self.post(&format!("/room/{room}/peer"), r#"{"type": "webrtc"}"#).map(drop)
    }

    /// A livestream, and a token for whoever streams into it.
    pub(crate) fn create_livestream(&self) -> Option<(String, String)> {
        let room = self.create_room_with(r#"{"roomType": "livestream"}"#)?;
        let token = self.post(&format!("/room/{room}/streamer"), "")?["token"].as_str()?.to_owned();
        Some((room, token))
    }

    /// Without the management token, below the origin.
    pub(crate) fn live(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Live {
        let request = ureq::http::Request::builder().method(method);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.uri(format!("http://127.0.0.1:{}{path}", self.http.number())).body(body.to_owned());
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
        let agent: ureq::Agent = config.allow_non_standard_methods(true).build().into();
        let mut answer = agent.run(request.unwrap()).unwrap();
        let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        Live { status, location: location.unwrap_or_default(), text: answer.body_mut().read_to_string().unwrap() }
    }

    pub(crate) fn delete_room(&self, room: &str) {
        let url = self.api(&format!("/room/{room}"));
        agent().delete(url).header("authorization", "Bearer management").call().unwrap();
    }

    /// The ids of all rooms.
    pub(crate) fn rooms(&self) -> Option<Vec<String>> {
        let listed = self.ask("/api/v1/connect/test/room")?;
        listed["data"].as_array()?.iter().map(|room| Some(room["id"].as_str()?.to_owned())).collect()
    }

    pub(crate) fn leads(&self) -> Option<bool> {
        Some(self.metric("leads")? > 0.0)
    }

    /// The sum of all metrics of this name.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let text = self.process.metrics()?;
        let name = format!("velella_coordinator_{name}");
        let of_name = |line: &&str| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with([' ', '{']));
        let values = text.lines().filter(of_name).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Some(values.sum())
    }

    fn create_room_with(&self, config: &str) -> Option<String> {
        Some(self.post("/room", config)?["data"]["room"]["id"].as_str()?.to_owned())
    }

    fn post(&self, path: &str, body: &str) -> Option<serde_json::Value> {
        let request = agent().post(self.api(path)).header("authorization", "Bearer management");
        json(request.content_type("application/json").send(body))
    }

    fn api(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/api/v1/connect/test{path}", self.http.number())
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
