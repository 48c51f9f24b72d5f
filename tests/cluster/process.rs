//! One of our binaries, as it runs.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use velella_servers::Port;

use crate::cluster::eventually;

/// More than a test takes; a drain that gets this far is a failed one.
const DRAIN_DEADLINE: &str = "--drain-deadline=15s";

pub(crate) struct Process {
    child: Child,
    admin: Port,
    log: PathBuf,
}

impl Process {
    pub(crate) fn start(program: &str, arguments: Vec<String>) -> Self {
        let admin = Port::take();
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{program}-{}.log", admin.number()));
        let file = File::create(&log).unwrap();
        let mut command = Command::new(binary(program));
        command.env_clear().args(arguments).arg(format!("--admin=127.0.0.1:{}", admin.number()));
        if program == "velella-worker" {
            command.arg(DRAIN_DEADLINE);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { child, admin, log }
    }

    pub(crate) async fn ready(&self) {
        let url = format!("http://127.0.0.1:{}/readyz", self.admin.number());
        eventually("it is ready", || ureq::get(&url).call().ok()).await;
    }

    /// As Prometheus reads them.
    pub(crate) fn metrics(&self) -> Option<String> {
        let url = format!("http://127.0.0.1:{}/metrics", self.admin.number());
        ureq::get(&url).call().ok()?.body_mut().read_to_string().ok()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually("it has ended", || self.child.try_wait().unwrap()).await
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already in some tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Beside the directory of this test; cargo makes binaries of other packages only when told to.
fn binary(program: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let binary = own.parent().unwrap().parent().unwrap().join(program);
    assert!(binary.exists(), "first: cargo build -p velella-coordinator -p velella-worker");
    binary
}
