//! One process on its host: started, killed, stopped in its tracks, started again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::hosts::Host;

pub(crate) struct Process {
    pub(crate) host: Host,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// Starts it; its log goes on when it is started again.
    pub(crate) fn start(host: &Host, program: PathBuf, arguments: Vec<String>, logs: &Path) -> anyhow::Result<Self> {
        let log = logs.join(format!("{}.log", host.name));
        let mut process = Self { host: host.clone(), program, arguments, log, child: None };
        process.restart()?;
        Ok(process)
    }

    /// Kills it if it runs, and starts it.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        self.restart_with(&[])
    }

    /// The same, with more arguments for this time.
    pub(crate) fn restart_with(&mut self, more: &[&str]) -> anyhow::Result<()> {
        self.kill()?;
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command: Command = self.host.command(&self.program.to_string_lossy());
        command.env("NO_COLOR", "1").args(&self.arguments).args(more).stdin(Stdio::null());
        let child = command.stdout(log.try_clone()?).stderr(log).spawn();
        self.child = Some(child.with_context(|| format!("{} does not start", self.program.display()))?);
        Ok(())
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)
    }

    /// How it ended, if it did by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok()?
    }

    /// Stops it in its tracks: its connections stay and nobody answers.
    pub(crate) fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a paused one go on.
    pub(crate) fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// What it wrote so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let child = self.child.as_ref().context("it does not run")?;
        Ok(kill_process(Pid::from_child(child), signal)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
