//! A gateway as a process of its own, over NATS and etcd.

use std::process::ExitCode;

use velella_ops::ClusterConfig;
use velella_ops::config::load_or_exit;
use velella_ops::process::{self, Process, ProcessConfig};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What `--version` prints.
const VERSION: &str = concat!("velella-gateway ", env!("CARGO_PKG_VERSION"));

/// Velella's ingest gateway: brings cameras, encoders and files into rooms.
#[derive(Debug, clap::Parser)]
#[command(name = "velella-gateway", version)]
#[command(mut_arg("gateway_id", process::required), mut_arg("shutdown_deadline", process::after_the_drain))]
#[command(mut_arg("gateway_source_secret", velella_gateway::source_secret))]
struct Config {
    #[command(flatten)]
    gateway: velella_gateway::Config,

    #[command(flatten)]
    cluster: ClusterConfig,

    #[command(flatten)]
    process: ProcessConfig,
}

fn main() -> ExitCode {
    let loaded = load_or_exit::<Config>(|_| Ok(Default::default()));
    let settings = loaded.config.process.with_drain(loaded.config.gateway.gateway_drain_deadline);
    process::run(VERSION, loaded, &settings, run)
}

async fn run(config: Config, process: Process) -> anyhow::Result<()> {
    let built = process.readiness.latch("gateway");
    let name = format!("velella-gateway {}", config.gateway.gateway_id);
    let Some(deps) = config.cluster.join(&name, process).await? else { return Ok(()) };
    let gateway = velella_gateway::build(config.gateway, deps).await?;
    drop(built);
    gateway.run().await
}
