//! A coordinator as a process of its own, over NATS and etcd.

use std::process::ExitCode;

use clap::Arg;
use velella_ops::ClusterConfig;
use velella_ops::config::load_or_exit;
use velella_ops::process::{self, Process, ProcessConfig};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What `--version` prints.
const VERSION: &str = concat!("velella-coordinator ", env!("CARGO_PKG_VERSION"));

/// Velella's coordinator: the public door of a cluster, which places rooms on workers.
#[derive(Debug, clap::Parser)]
#[command(name = "velella-coordinator", version)]
#[command(mut_args(shared_secrets_required))]
struct Config {
    #[command(flatten)]
    coordinator: velella_coordinator::Config,

    #[command(flatten)]
    cluster: ClusterConfig,

    #[command(flatten)]
    process: ProcessConfig,
}

fn main() -> ExitCode {
    let loaded = load_or_exit::<Config>(|_| Ok(Default::default()));
    let settings = loaded.config.process.clone();
    process::run(VERSION, loaded, &settings, run)
}

async fn run(config: Config, process: Process) -> anyhow::Result<()> {
    let built = process.readiness.latch("coordinator");
    let Some(deps) = config.cluster.join("velella-coordinator", process).await? else { return Ok(()) };
    let coordinator = velella_coordinator::build(config.coordinator, deps).await?;
    tracing::info!(address = %coordinator.local_addr()?, "serving");
    drop(built);
    coordinator.run().await
}

/// All coordinators of a cluster share them, so none can make them up.
fn shared_secrets_required(argument: Arg) -> Arg {
    let is_shared = ["management_token", "token_secret"].contains(&argument.get_id().as_str());
    if is_shared { argument.required(true) } else { argument }
}
