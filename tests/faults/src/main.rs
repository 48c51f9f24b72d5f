//! `velella-faults`: runs a cluster of real processes, each on a network host of its own, breaks one thing
//! after another, and checks what was promised.

mod bad_input;
mod camera;
mod clock;
mod cluster;
mod customer;
mod front;
mod full;
mod hosts;
mod http;
mod link;
mod matrix;
mod oracle;
mod process;
mod rolling;
mod row;
mod servers;
mod viewers;
mod watch;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::cluster::Cluster;
use crate::full::Disk;
use crate::hosts::Net;
use crate::row::Row;
use crate::servers::{ETCD_DISK, Servers};

/// Breaks a cluster of real processes, one thing after another, and checks what was promised
#[derive(Parser)]
struct Arguments {
    /// Only faults whose names contain one of these
    words: Vec<String>,
    /// Only those that every change has to pass: about four minutes
    #[arg(long)]
    quick: bool,
    /// Run everything so many times
    #[arg(long, default_value_t = 1)]
    times: usize,
    /// Where logs go
    #[arg(long, default_value = "target/faults")]
    logs: PathBuf,
}

fn main() -> ExitCode {
    match break_all(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(std::io::stderr(), "velella-faults: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn break_all(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let rows: Vec<&Row> = matrix::ROWS
        .iter()
        .chain(bad_input::ROWS)
        .chain(full::ROWS)
        .chain(link::ROWS)
        .chain(rolling::ROWS)
        .filter(|row| arguments.wants(row))
        .collect();
    for _ in 0..arguments.times {
        for servers in [Servers::One, Servers::Several] {
            let rows: Vec<&Row> = rows.iter().copied().filter(|row| row.servers == servers).collect();
            if !rows.is_empty() && !break_one_cluster(servers, &rows, &arguments.logs)? {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether all went well.
fn break_one_cluster(servers: Servers, rows: &[&Row], logs: &Path) -> anyhow::Result<bool> {
    let net = Net::enter()?;
    // A former run's data would be found.
    Disk::unmount(&logs.join(ETCD_DISK));
    let _ = std::fs::remove_dir_all(logs);
    std::fs::create_dir_all(logs)?;
    // Its threads live where this one is now.
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(run(net, logs.canonicalize()?, servers, rows))
}

impl Arguments {
    fn wants(&self, row: &Row) -> bool {
        let named = self.words.is_empty() || self.words.iter().any(|word| row.name.contains(word.as_str()));
        named && (row.quick || !self.quick)
    }
}

/// Whether all went well. What follows a fault that did not may suffer from it, so the first ends the run.
async fn run(net: Net, logs: PathBuf, servers: Servers, rows: &[&Row]) -> anyhow::Result<bool> {
    let started = Instant::now();
    let mut cluster = Box::pin(Cluster::start(net, logs, servers)).await?;
    say(&format!("the cluster stands ({:.1} s)", started.elapsed().as_secs_f64()))?;
    for (n, row) in rows.iter().enumerate() {
        let began = Instant::now();
        let judged = Box::pin(row.play(&mut cluster)).await;
        let seconds = began.elapsed().as_secs_f64();
        match judged {
            Ok(seen) => say(&format!("passed {} ({seconds:.1} s): {seen}", row.name))?,
            Err(error) => {
                say(&format!("FAILED {} ({seconds:.1} s): {error:#}", row.name))?;
                say(&format!("{n} passed, 1 failed; logs in {}", cluster.logs.display()))?;
                return Ok(false);
            }
        }
    }
    let judged = cluster.watch.oracle().judged;
    let seconds = started.elapsed().as_secs_f64();
    say(&format!("{} passed, 0 failed ({seconds:.0} s; {judged} samples of workers)", rows.len()))?;
    Ok(true)
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}
