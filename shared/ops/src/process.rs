//! The life of a process around its services: logs, signals, admin port, exit code.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Arg;
use clap::builder::Resettable;
use prometheus::process_collector::ProcessCollector;
use prometheus::{IntGauge, Opts, Registry};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::admin::Admin;
use crate::config::{Loaded, Mistake, duration};
use crate::logs::{self, LogConfig};
use crate::{Inquiries, Readiness, nofile, shutdown};

/// How long a shutdown may take by default: less than the 30 s that container engines grant.
const SHUTDOWN_DEADLINE_DEFAULT: &str = "10s";

/// Settings of every process, whatever services it holds.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "process")]
#[command(next_help_heading = "Process")]
pub struct ProcessConfig {
    /// Address of the admin port (`/livez`, `/readyz`, `/metrics`, `/debug/config`, `/debug/state`), which asks for no
    /// token; none if absent
    #[arg(long, env = "VELELLA_ADMIN")]
    pub admin: Option<SocketAddr>,

    /// How long a shutdown may take, until whatever still runs is cut off (for example 10s, 1m)
    #[arg(long, env = "VELELLA_SHUTDOWN_DEADLINE", default_value = SHUTDOWN_DEADLINE_DEFAULT, value_parser = duration)]
    pub shutdown_deadline: Duration,

    /// Logs.
    #[command(flatten)]
    pub logs: LogConfig,
}

impl ProcessConfig {
    /// Of a process that gives its work away first, which may take so long on top of the deadline.
    #[must_use]
    pub fn with_drain(&self, drain: Duration) -> Self {
        Self { shutdown_deadline: self.shutdown_deadline + drain, ..self.clone() }
    }
}

/// The deadline of such a process, as its help tells it.
#[must_use]
pub fn after_the_drain(shutdown_deadline: Arg) -> Arg {
    shutdown_deadline.help(
        "How long a shutdown may take after the drain, until whatever still runs is cut off (for example 10s, 1m)",
    )
}

/// The name of a process in a cluster, where two of one name would take each other for the same.
#[must_use]
pub fn required(name: Arg) -> Arg {
    name.required(true).default_value(Resettable::Reset)
}

/// What every service of a process shares, whatever its adapters are.
#[derive(Clone, Debug)]
pub struct Process {
    /// Where metrics are registered.
    pub registry: Registry,
    /// Where the admin port is bound, if there is one.
    pub admin: Option<SocketAddr>,
    /// What must happen before the process counts as ready.
    pub readiness: Readiness,
    /// Questions that come in by the admin port.
    pub inquiries: Inquiries,
    /// Cancelled when the process shall end.
    pub shutdown: CancellationToken,
}

/// Runs services until they end, or until a signal and then the deadline. What they return decides
/// the exit code: 64 for a [`Mistake`] in the config, 1 for any other error.
pub fn run<C, F>(
    version: &str,
    loaded: Loaded<C>,
    settings: &ProcessConfig,
    services: impl FnOnce(C, Process) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let Loaded { config, notices, listing } = loaded;
    let ended = started(settings, &notices).and_then(|runtime| {
        let ended = runtime.block_on(async {
            let mut process = Process {
                registry: registry(version)?,
                admin: None,
                readiness: Readiness::new(),
                inquiries: Inquiries::new(),
                shutdown: shutdown::on_signals()?,
            };
            process.admin = open_admin(settings.admin, version, listing, &process).await?;
            let shutdown = process.shutdown.clone();
            until_deadline(services(config, process), shutdown, settings.shutdown_deadline).await
        });
        // Blocking calls that are stuck must not hold up the end.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn started(settings: &ProcessConfig, notices: &[String]) -> anyhow::Result<tokio::runtime::Runtime> {
    logs::init(&settings.logs)?;
    for notice in notices {
        tracing::warn!("{notice}");
    }
    let open_files = nofile::raise().context("cannot raise the limit of open files")?;
    tracing::debug!(?open_files, "limit of open files");
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")
}

/// CPU, memory, threads and open files of the process, and its version.
fn registry(version: &str) -> anyhow::Result<Registry> {
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self()))?;
    let opts = Opts::new("velella_build_info", "Always 1; the labels say what runs").const_label("version", version);
    let build = IntGauge::with_opts(opts)?;
    build.set(1);
    registry.register(Box::new(build))?;
    Ok(registry)
}

/// Open before the services start: whoever waits for them wants to know what they wait for.
async fn open_admin(
    address: Option<SocketAddr>,
    version: &str,
    listing: String,
    process: &Process,
) -> anyhow::Result<Option<SocketAddr>> {
    let Some(address) = address else { return Ok(None) };
    let listener = bind(address, "VELELLA_ADMIN").await?;
    let bound = listener.local_addr()?;
    tracing::info!(address = %bound, "admin port open");
    let Process { registry, readiness, inquiries, shutdown, .. } = process.clone();
    let (version, ending) = (format!("{version}\n"), shutdown.clone());
    let admin = Admin { registry, readiness, inquiries, shutdown: ending, version, listing };
    tokio::spawn(async move {
        if let Err(error) = admin.serve(listener).await {
            tracing::error!(%error, "the process goes down with its admin port");
            shutdown.cancel();
        }
    });
    Ok(Some(bound))
}

/// Binds a TCP port; an address that cannot be had is a mistake in the config.
pub async fn bind(address: SocketAddr, variable: &str) -> Result<TcpListener, Mistake> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Mistake::new(format!("cannot listen on {address} ({variable}): {error}")))
}

async fn until_deadline(
    services: impl Future<Output = anyhow::Result<()>>,
    shutdown: CancellationToken,
    deadline: Duration,
) -> anyhow::Result<()> {
    let cut_off = async {
        shutdown.cancelled().await;
        tokio::time::sleep(deadline).await;
    };
    tokio::select! {
        ended = services => ended,
        () = cut_off => {
            tracing::warn!(?deadline, "the shutdown took too long: what still runs is cut off");
            Ok(())
        }
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(std::io::stderr(), "{error:#}");
    match error.downcast_ref::<Mistake>() {
        Some(_) => ExitCode::from(crate::config::EXIT_USAGE),
        None => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn services_that_do_not_end_are_cut_off() {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let started = tokio::time::Instant::now();
        until_deadline(std::future::pending(), shutdown, Duration::from_secs(10)).await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 10);
    }

    #[tokio::test]
    async fn a_service_that_fails_ends_the_process() {
        let failing = async { anyhow::bail!("broken") };
        let ended = until_deadline(failing, CancellationToken::new(), Duration::from_secs(10)).await;
        assert_eq!(ended.unwrap_err().to_string(), "broken");
    }

    #[test]
    fn a_mistake_in_the_config_has_its_own_exit_code() {
        let mistake = anyhow::Error::new(Mistake::new("cannot listen")).context("the front door");
        assert_eq!(failed(&mistake), ExitCode::from(64));
        assert_eq!(failed(&anyhow::anyhow!("broken")), ExitCode::FAILURE);
    }

    #[tokio::test]
    async fn a_port_in_use_is_one_sentence() {
        let taker = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = taker.local_addr().unwrap();
        let sentence = bind(taken, "VELELLA_ADMIN").await.unwrap_err().to_string();
        assert_eq!(sentence, format!("cannot listen on {taken} (VELELLA_ADMIN): Address already in use (os error 98)"));
    }
}
