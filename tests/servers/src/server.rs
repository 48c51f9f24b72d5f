//! One server process with its directory and its log.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take until it is ready, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is asked.
const ASK: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Server {
    program: &'static str,
    arguments: Vec<String>,
    dir: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// A directory for it and nothing that runs; `arguments` are told the directory.
    pub(crate) fn new(program: &'static str, arguments: impl FnOnce(&Path) -> Vec<String>) -> Self {
        static USED: AtomicU64 = AtomicU64::new(0);
        let name = format!("velella-{program}-{}-{}", std::process::id(), USED.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).expect("a directory for the server");
        let arguments = arguments(&dir);
        Self { program, arguments, dir, child: None }
    }

    /// Starts the process; it is not ready yet.
    pub(crate) fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log");
        // Debian keeps servers where only root looks.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let child = Command::new(self.program)
            .args(&self.arguments)
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle on the log"))
            .stderr(log)
            .spawn();
        self.child =
            Some(child.unwrap_or_else(|error| {
                panic!("{} does not start: {error}; `make deps-test` installs it", self.program)
            }));
    }

    /// Waits until `ready` says so.
    pub(crate) async fn until(&mut self, ready: impl AsyncFn() -> bool) {
        let started = Instant::now();
        while !tokio::time::timeout(PATIENCE, ready()).await.unwrap_or(false) {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || started.elapsed() > PATIENCE {
                panic!("{} is not ready ({ended:?}):\n{}", self.program, self.log());
            }
            tokio::time::sleep(ASK).await;
        }
    }

    /// `kill -9`, as a crash of the machine would do it.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the process is ours");
            child.wait().expect("the process is ours");
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server runs");
        kill_process(Pid::from_child(child), signal).expect("the process is ours");
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            // For whoever looks into the failed test.
            let _ = writeln!(std::io::stderr(), "{} leaves its log at {}", self.program, self.log_path().display());
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}
