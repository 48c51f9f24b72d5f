//! A running `velella` on free ports of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use futures_util::{SinkExt, StreamExt};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use velella_proto::Message;
use velella_proto::fishjam::PeerMessage;
use velella_proto::fishjam::peer_message::{AuthRequest, Content};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The binary with nothing in its environment.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_velella"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Of every server here. It must not be seen anywhere.
pub(crate) const MANAGEMENT_TOKEN: &str = "canary-of-the-management";

pub(crate) struct Velella {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Velella {
    /// Starts with these flags on top, and waits until it serves.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_workers("1", flags)
    }

    /// The same, with so many workers.
    pub(crate) fn start_workers(count: &str, flags: &[&str]) -> Self {
        let ports = ["--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", count];
        let token = ["--management-token", MANAGEMENT_TOKEN];
        let mut command = command();
        command.args(ports).args(token).args(["--log-format", "json"]).args(flags);
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let admin = admin_address(&mut stderr);
        let mut welcome = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut welcome).unwrap();
        let http = welcome.trim().rsplit("http://").next().unwrap().parse().unwrap();
        let log = Arc::<Mutex<String>>::default();
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || stderr.lines().map_while(Result::ok).for_each(|line| *log.lock().unwrap() += &(line + "\n"))
        });
        Self { child, log, reader: Some(reader), http, admin }
    }

    pub(crate) fn signal(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Waits for its end; returns how it ended and everything that it logged.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        let log = self.log.lock().unwrap().clone();
        (status, log)
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Status and body of a request to the admin port.
    pub(crate) fn ask_admin(&self, path: &str) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(format!("http://{}{path}", self.admin)).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    /// The answer to a POST of the management API.
    pub(crate) fn post(&self, path: &str, body: &str) -> Value {
        let url = format!("http://{}/api/v1/connect/v{path}", self.http);
        let request = ureq::post(url).header("authorization", format!("Bearer {MANAGEMENT_TOKEN}"));
        let mut answer = request.content_type("application/json").send(body).unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    /// The token of a new peer in a new room.
    pub(crate) fn peer_token(&self) -> String {
        self.peer().2
    }

    /// A new peer in a new room: room, peer, token.
    pub(crate) fn peer(&self) -> (String, String, String) {
        let room = self.post("/room", "{}")["data"]["room"]["id"].as_str().unwrap().to_owned();
        let peer = self.post(&format!("/room/{room}/peer"), r#"{"type":"webrtc","options":{}}"#);
        let data = &peer["data"];
        (room, data["peer"]["id"].as_str().unwrap().to_owned(), data["token"].as_str().unwrap().to_owned())
    }

    /// A peer's socket that was let in.
    pub(crate) async fn join(&self, token: String) -> Socket {
        let url = format!("ws://{}{}", self.http, self.socket_path());
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let auth = AuthRequest { token, sdk_version: "web-0.25.1".into() };
        let auth = PeerMessage { content: Some(Content::AuthRequest(auth)) }.encode_to_vec();
        socket.send(Frame::Binary(auth.into())).await.unwrap();
        socket.next().await.unwrap().unwrap();
        socket
    }

    pub(crate) fn socket_path(&self) -> &'static str {
        "/api/v1/connect/v/socket/peer/websocket"
    }
}

impl Drop for Velella {
    fn drop(&mut self) {
        // Gone already in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn admin_address(stderr: &mut BufReader<ChildStderr>) -> SocketAddr {
    let mut said = String::new();
    loop {
        let mut line = String::new();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended: {said}");
        said += &line;
        let line: Value = serde_json::from_str(&line).unwrap_or_default();
        if line["message"] == "admin port open" {
            return line["address"].as_str().unwrap().parse().unwrap();
        }
    }
}
