//! `velella-load`: synthetic peers that join a room through the public API and measure what the
//! server does to their packets.
//!
//! Start reading at `run.rs` (one run), then `peer.rs` (one peer) and `session.rs` (its machine).

mod config;
mod cpu;
mod crew;
mod gaps;
mod live;
mod negotiation;
mod pattern;
mod peer;
mod publication;
mod record;
mod report;
mod room;
mod run;
mod session;
mod signal;
mod socket;
mod summary;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing_subscriber::EnvFilter;

use config::Config;

/// Less time per packet spent in allocation than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error")))
        .with_writer(std::io::stderr)
        .init();
    match measure(&Config::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = report::progress(&format!("velella-load: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// True when everyone joined and received.
fn measure(config: &Config) -> Result<bool> {
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let summary = runtime.block_on(run::run(config))?;
    report::table(&summary)?;
    if let Some(path) = &config.json {
        report::json(&summary, path)?;
    }
    Ok(summary.is_good())
}

/// Two descriptors per peer are soon more than the usual soft limit of 1024.
fn raise_open_files() {
    let hard = getrlimit(Resource::Nofile).maximum;
    // Best effort: with too few, a peer fails to join and says why.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard });
}
