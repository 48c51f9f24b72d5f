//! Two people in one room, in real Chromium (`tests/e2e/pair.mjs`), and what they see.

use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::clock;
use crate::hosts::Host;

/// Lines that are kept: about four minutes of them.
const LINES_MAX: usize = 1_024;

/// How long the browser may take to close.
const LEAVE: Duration = Duration::from_secs(3);

/// What both saw so far.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Line {
    /// On `CLOCK_MONOTONIC`.
    at_ms: f64,
    /// Pictures of the other one that each has decoded.
    decoded: [u64; 2],
    /// How often a page had given up and was loaded again.
    reloads: u64,
}

pub(crate) struct Viewers {
    node: Child,
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Viewers {
    /// Opens both pages; they find the room at `front`.
    pub(crate) fn start(host: &Host, front: SocketAddr, room: &str, logs: &Path) -> anyhow::Result<Self> {
        let e2e = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../e2e");
        let mut command = host.command("node");
        command.args(["pair.mjs", &format!("http://{front}"), crate::cluster::TOKEN, room]).current_dir(e2e);
        let log = std::fs::File::create(logs.join("viewers.log"))?;
        let mut node = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let output = node.stdout.take().context("the output is piped")?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        std::thread::spawn(move || keep(BufReader::new(output).lines(), &kept));
        Ok(Self { node, lines })
    }

    /// Whether both have decoded new pictures since that time.
    pub(crate) fn both_see(&self, since: Duration) -> bool {
        let lines = self.lines();
        let (Some(first), Some(last)) = (lines.iter().find(|line| line.at() >= since), lines.last()) else {
            return false;
        };
        first.decoded.iter().zip(last.decoded).all(|(first, last)| last > first + 2)
    }

    /// The longest time since then in which one of them decoded nothing, and how many pages were loaded
    /// again.
    pub(crate) fn gap(&self, since: Duration) -> (Duration, u64) {
        let lines = self.lines();
        let seen: Vec<&Line> = lines.iter().filter(|line| line.at() >= since).collect();
        let gap_of = |who: usize| {
            let (mut moved_at, mut longest) = (since, Duration::ZERO);
            let mut before = None;
            for line in &seen {
                let decoded = line.decoded.get(who).copied();
                if decoded > before {
                    longest = longest.max(line.at().saturating_sub(moved_at));
                    moved_at = line.at();
                    before = decoded;
                }
            }
            longest.max(clock::now().saturating_sub(moved_at))
        };
        let reloads = |line: Option<&&Line>| line.map_or(0, |line| line.reloads);
        (gap_of(0).max(gap_of(1)), reloads(seen.last()) - reloads(seen.first()))
    }

    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.node.try_wait()? {
            bail!("the viewers ended: {status}; see viewers.log");
        }
        ensure!(!self.lines().is_empty(), "the viewers have not begun");
        Ok(())
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn at(&self) -> Duration {
        Duration::from_secs_f64(self.at_ms / 1_000.0)
    }
}

impl Drop for Viewers {
    fn drop(&mut self) {
        // Ends the browser as well; what is left of it ends with its host.
        let _ = kill_process(Pid::from_child(&self.node), Signal::TERM);
        let asked = clock::now();
        while matches!(self.node.try_wait(), Ok(None)) && clock::now() < asked + LEAVE {
            std::thread::yield_now();
        }
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

/// Until the pages are closed.
fn keep(lines: Lines<BufReader<ChildStdout>>, kept: &Mutex<Vec<Line>>) {
    for line in lines.map_while(Result::ok) {
        if let Ok(line) = serde_json::from_str(&line) {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= LINES_MAX {
                kept.remove(0);
            }
            kept.push(line);
        }
    }
}
