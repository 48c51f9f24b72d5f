//! `velella-bench-control`: a coordinator in this process over the memory bus and store, and one load
//! after the other: many notification subscribers, many rooms. And, on a cluster that runs: making rooms.

mod creation;
mod memory;
mod notices;
mod producer;
mod rooms;
mod subscriber;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tokio_util::sync::{CancellationToken, DropGuard};
use velella_bus::memory::MemoryBus;
use velella_ops::{Deps, Readiness};
use velella_store::memory::MemoryStore;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The token that both sides use; nobody else reaches this process.
pub(crate) const TOKEN: &str = "bench-control";

/// Measures the control plane
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Notices(notices::Notices),
    Rooms(rooms::Rooms),
    Creation(creation::Creation),
}

#[derive(Parser)]
struct Coordinator {
    #[command(flatten)]
    config: velella_coordinator::Config,
}

fn main() -> ExitCode {
    let what = Arguments::parse().what;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("a runtime");
    let outcome = runtime.and_then(|runtime| match what {
        What::Notices(config) => runtime.block_on(notices::measure(&config)),
        What::Rooms(config) => runtime.block_on(rooms::measure(config)),
        What::Creation(config) => creation::measure(&config),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to tell when even this cannot be written.
            let _ = writeln!(std::io::stderr(), "velella-bench-control: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A coordinator over this store, until the guard is dropped.
pub(crate) async fn coordinator(store: MemoryStore) -> Result<(SocketAddr, DropGuard)> {
    let shutdown = CancellationToken::new();
    let secret = "a secret of thirty-two bytes or more";
    let args = ["c", "--listen", "127.0.0.1:0", "--management-token", TOKEN, "--token-secret", secret];
    let deps = Deps {
        bus: Arc::new(MemoryBus::new()),
        store: Arc::new(store),
        registry: prometheus::Registry::new(),
        admin: None,
        readiness: Readiness::new(),
        inquiries: velella_ops::Inquiries::new(),
        shutdown: shutdown.clone(),
    };
    let service = velella_coordinator::build(Coordinator::try_parse_from(args)?.config, deps).await?;
    let addr = service.local_addr()?;
    tokio::spawn(service.run());
    Ok((addr, shutdown.drop_guard()))
}
