//! Who is in calls: two people in one room, in real Chromium (`tests/e2e/pair.mjs`), and bots in another
//! (`velella-load`). Both tell what they see.

use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::clock;
use crate::cluster::{TOKEN, binary};
use crate::hosts::Host;

/// Lines that are kept: about four minutes of them.
const LINES_MAX: usize = 1_024;

/// How long the browser may take to close.
const LEAVE: Duration = Duration::from_secs(3);

/// Bots, of which each sends a small video to the others, and comes back when its socket closes.
const BOTS: &[&str] = &["--live", "--reconnect", "--peers=4", "--bitrate=60k", "--fps=15", "--threads=1"];

/// What all saw so far.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Line {
    /// On `CLOCK_MONOTONIC`.
    at_ms: f64,
    /// Pictures of others that each person has decoded, or packets that each bot has received.
    #[serde(alias = "decoded", alias = "received")]
    seen: Vec<u64>,
    /// Pictures of components that each person has decoded.
    #[serde(default)]
    shown: Vec<u64>,
    /// Tracks of components that each person sees now.
    #[serde(default)]
    components: Vec<u64>,
    /// Those that were ever added for each person.
    #[serde(default)]
    added: Vec<u64>,
    /// How often a page had given up and was loaded again.
    #[serde(default)]
    reloads: u64,
}

/// What people saw of the only component for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    /// The longest time without a picture.
    pub(crate) gap: Duration,
    /// How often its track came anew.
    pub(crate) added: u64,
}

pub(crate) struct Viewers {
    child: Child,
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Viewers {
    /// Opens both pages; they find the room at `front`.
    pub(crate) fn people(host: &Host, front: SocketAddr, room: &str, logs: &Path) -> anyhow::Result<Self> {
        let e2e = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../e2e");
        let mut command = host.command("node");
        command.args(["pair.mjs", &format!("http://{front}"), TOKEN, room]).current_dir(e2e);
        Self::start(command, &logs.join("people.log"))
    }

    /// They make a room of their own at `front`.
    pub(crate) fn bots(host: &Host, front: SocketAddr, logs: &Path) -> anyhow::Result<Self> {
        let mut command = host.command(&binary("velella-load")?.to_string_lossy());
        command.args(BOTS).args(["--token", TOKEN, "--bind", &host.ip.to_string()]);
        command.args(["--url", &format!("http://{front}/api/v1/connect/faults")]);
        Self::start(command, &logs.join("bots.log"))
    }

    fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let log = std::fs::File::create(log)?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let output = child.stdout.take().context("the output is piped")?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        std::thread::spawn(move || keep(BufReader::new(output).lines(), &kept));
        Ok(Self { child, lines })
    }

    /// Whether all have seen something new of each other since that time.
    pub(crate) fn all_see(&self, since: Duration) -> bool {
        self.all_grow(since, |line| &line.seen)
    }

    /// Whether all have seen something new of the component since that time, and there is one of it.
    pub(crate) fn all_watch(&self, since: Duration) -> bool {
        let one = self.lines().last().is_some_and(|line| line.components.iter().all(|tracks| *tracks == 1));
        one && self.all_grow(since, |line| &line.shown)
    }

    fn all_grow(&self, since: Duration, count: fn(&Line) -> &[u64]) -> bool {
        let lines = self.lines();
        let (Some(first), Some(last)) = (lines.iter().find(|line| line.at() >= since), lines.last()) else {
            return false;
        };
        count(first).iter().zip(count(last)).all(|(first, last)| *last > first + 2)
    }

    /// The longest time since then in which one of them saw nothing new of the others, and how many pages were
    /// loaded again.
    pub(crate) fn gap(&self, since: Duration) -> (Duration, u64) {
        let lines = self.lines();
        let seen = since_then(&lines, since);
        let reloads = |line: Option<&Line>| line.map_or(0, |line| line.reloads);
        (longest_gap(seen, since, |line| &line.seen), reloads(seen.last()) - reloads(seen.first()))
    }

    /// The same of the component.
    pub(crate) fn sight(&self, since: Duration) -> Sight {
        let lines = self.lines();
        let seen = since_then(&lines, since);
        let added = |line: Option<&Line>| line.map_or(&[][..], |line| line.added.as_slice()).to_vec();
        let (before, after) = (added(seen.first()), added(seen.last()));
        let news = before.iter().zip(&after).map(|(before, after)| after.saturating_sub(*before)).max();
        Sight { gap: longest_gap(seen, since, |line| &line.shown), added: news.unwrap_or_default() }
    }

    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("those in calls ended: {status}; see people.log and bots.log");
        }
        ensure!(!self.lines().is_empty(), "those in calls have not begun");
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
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let asked = clock::now();
        while matches!(self.child.try_wait(), Ok(None)) && clock::now() < asked + LEAVE {
            std::thread::yield_now();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn since_then(lines: &[Line], since: Duration) -> &[Line] {
    let first = lines.partition_point(|line| line.at() < since);
    lines.get(first..).unwrap_or_default()
}

/// Of any of them, until now.
fn longest_gap(lines: &[Line], since: Duration, count: fn(&Line) -> &[u64]) -> Duration {
    let gap_of = |who: usize| {
        let (mut moved_at, mut longest) = (since, Duration::ZERO);
        let mut before = None;
        for line in lines {
            let now = count(line).get(who).copied();
            if now > before {
                longest = longest.max(line.at().saturating_sub(moved_at));
                moved_at = line.at();
                before = now;
            }
        }
        longest.max(clock::now().saturating_sub(moved_at))
    };
    let all = lines.first().map_or(0, |line| count(line).len());
    (0..all).map(gap_of).max().unwrap_or_default()
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
