//! A worker as a process of its own, over NATS and etcd.

use std::process::ExitCode;

use velella_ops::ClusterConfig;
use velella_ops::config::load_or_exit;
use velella_ops::process::{self, Process, ProcessConfig};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What `--version` prints.
const VERSION: &str = concat!("velella-worker ", env!("CARGO_PKG_VERSION"));

/// Velella's worker: forwards the media of the rooms that coordinators place here.
#[derive(Debug, clap::Parser)]
#[command(name = "velella-worker", version)]
#[command(mut_arg("worker_id", process::required), mut_arg("shutdown_deadline", process::after_the_drain))]
struct Config {
    #[command(flatten)]
    worker: velella_worker::Config,

    #[command(flatten)]
    cluster: ClusterConfig,

    #[command(flatten)]
    process: ProcessConfig,
}

fn main() -> ExitCode {
    let loaded = load_or_exit::<Config>(|_| Ok(Default::default()));
    let settings = loaded.config.process.with_drain(loaded.config.worker.drain_deadline);
    process::run(VERSION, loaded, &settings, run)
}

async fn run(config: Config, process: Process) -> anyhow::Result<()> {
    let built = process.readiness.latch("worker");
    let name = format!("velella-worker {}", config.worker.worker_id);
    let Some(deps) = config.cluster.join(&name, process).await? else { return Ok(()) };
    let worker = velella_worker::build(config.worker, deps).await?;
    drop(built);
    worker.run().await
}
