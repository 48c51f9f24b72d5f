//! The services' own settings, nested, with the defaults that one process can afford.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::{Arg, ArgAction};
use velella_model::WorkerId;
use velella_ops::Secret;
use velella_ops::config::Mistake;
use velella_ops::process::ProcessConfig;

/// Management token of an all-in-one that was given none: for development only.
pub(crate) const DEVELOPMENT_TOKEN: &str = "development";
/// Workers in one process; each has its own port and threads.
const WORKERS_MAX: u16 = 64;

const HLS_HELP: &str = "Address and port that broadcasts of rooms are served at over HTTP; beside --listen at its next \
    port if absent, and for a gateway of a cluster none";

const COMMANDS: &str = "A cluster that runs is looked into and steered with commands: `velella help` lists them.";

/// Velella in one process: a coordinator, workers, and a bus and store in memory.
///
/// Everything is forgotten when it ends.
#[derive(Debug, clap::Parser)]
#[command(name = "velella", version, mut_arg("demo", on_by_default), mut_arg("worker_id", |arg| arg.hide(true)))]
#[command(mut_arg("drain_deadline", |arg| arg.hide(true)), mut_arg("gateway_id", |arg| arg.hide(true)))]
#[command(mut_arg("gateway_ip", |arg| arg.hide(true)), mut_arg("hls", |arg| arg.help(HLS_HELP)))]
#[command(mut_arg("hls_inner_url", |arg| arg.hide(true)))]
#[command(mut_arg("gateway_drain_deadline", |arg| arg.hide(true)))]
#[command(mut_arg("gateway_source_secret", |arg| arg.hide(true)), after_help = COMMANDS)]
pub(crate) struct Config {
    /// Workers to start; the first takes the media port, the others the next ones
    #[arg(long, env = "VELELLA_WORKERS", help_heading = "Workers", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=i64::from(WORKERS_MAX)))]
    pub(crate) workers: u16,

    #[command(flatten)]
    coordinator: velella_coordinator::Config,

    #[command(flatten)]
    worker: velella_worker::Config,

    #[command(flatten)]
    gateway: velella_gateway::Config,

    #[command(flatten)]
    pub(crate) process: ProcessConfig,
}

impl Config {
    /// Settings of the coordinator, with whatever secret is missing filled in.
    pub(crate) fn coordinator(&self) -> anyhow::Result<velella_coordinator::Config> {
        let mut config = self.coordinator.clone();
        if config.management_token.is_none() {
            config.management_token = Some(DEVELOPMENT_TOKEN.parse()?);
        }
        if config.token_secret.is_none() {
            config.token_secret = Some(random_secret()?);
        }
        Ok(config)
    }

    /// Whether the management token is the well-known one.
    pub(crate) fn is_development(&self) -> bool {
        self.coordinator.management_token.as_ref().is_none_or(|token| token.matches(DEVELOPMENT_TOKEN))
    }

    /// Settings of the worker with this number, from 1.
    pub(crate) fn worker(&self, number: u16) -> anyhow::Result<velella_worker::Config> {
        let mut config = self.worker.clone();
        config.worker_id = WorkerId::parse(&format!("worker-{number}"))?;
        config.udp = self.media_address(number)?;
        // There is nowhere to drain to: the whole cluster ends.
        config.drain_deadline = Duration::ZERO;
        if config.shards == 0 {
            config.shards = shards_per_worker(self.workers);
        }
        Ok(config)
    }

    /// Settings of the gateway beside such a coordinator.
    pub(crate) fn gateway(&self, coordinator: &velella_coordinator::Config) -> velella_gateway::Config {
        velella_gateway::Config {
            // Nobody is there to take its jobs over.
            gateway_drain_deadline: Duration::ZERO,
            gateway_source_secret: coordinator.source_secret.clone().or_else(|| coordinator.token_secret.clone()),
            hls: Some(self.hls_address()),
            hls_url: self.hls_url(),
            // Nobody else fetches anything here; it only has to be said.
            hls_inner_url: Some("http://localhost".to_owned()),
            ..self.gateway.clone()
        }
    }

    fn hls_address(&self) -> SocketAddr {
        let listen = self.coordinator.listen;
        let next = if listen.port() == 0 { None } else { listen.port().checked_add(1) };
        self.gateway.hls.unwrap_or_else(|| SocketAddr::new(listen.ip(), next.unwrap_or(0)))
    }

    /// Viewers find it where clients find media, unless it is bound to an address that tells them.
    fn hls_url(&self) -> Option<String> {
        let (at, scheme) = (self.hls_address(), if self.gateway.hls_cert.is_some() { "https" } else { "http" });
        let media = self.worker.advertise_ip.first().copied().unwrap_or_else(|| self.worker.udp.ip());
        let is_needed = at.ip().is_unspecified() && !media.is_unspecified();
        let made = is_needed.then(|| format!("{scheme}://{}", SocketAddr::new(media, at.port())));
        self.gateway.hls_url.clone().or(made)
    }

    /// Media stays on this machine as long as HTTP does.
    fn media_address(&self, number: u16) -> anyhow::Result<SocketAddr> {
        let mut address = self.worker.udp;
        if address.ip().is_unspecified()
            && self.worker.advertise_ip.is_empty()
            && self.coordinator.listen.ip().is_loopback()
        {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        if address.port() != 0 {
            let port = address.port().checked_add(number - 1);
            address.set_port(port.ok_or_else(|| {
                Mistake::new(format!("no media port is left for worker {number}: lower VELELLA_UDP or VELELLA_WORKERS"))
            })?);
        }
        Ok(address)
    }
}

/// Here it takes `--demo=false` to turn demo rooms off.
fn on_by_default(flag: Arg) -> Arg {
    flag.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .value_name("true|false")
        .default_missing_value("true")
        .default_value("true")
}

fn shards_per_worker(workers: u16) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (cores.saturating_sub(1) / usize::from(workers)).max(1)
}

fn random_secret() -> anyhow::Result<Secret> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("the system gives no random numbers: {e}"))?;
    let text: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    Ok(text.parse()?)
}

#[cfg(test)]
mod tests {
    use clap::builder::Resettable;
    use clap::{CommandFactory, Parser};
    use velella_ops::ClusterConfig;
    use velella_ops::config::reference;

    use super::*;

    const PAGE_HEAD: &str = "\
# Configuration

<!-- Made from the flags of the binaries; a test says when it is stale, and how it is made anew. -->

A setting is looked for in this order; the first place that has it wins:

1. flags,
2. `VELELLA_…` variables,
3. for secrets, a file that a `VELELLA_…_FILE` variable names, as Docker and Kubernetes hand secrets out,
4. the variables of Fishjam and Jellyfish servers, below,
5. the file that `--config` or `VELELLA_CONFIG` names: TOML, with the names of the flags as keys (`listen = \"0.0.0.0:80\"`),
6. the default.

| binary | what it is | takes |
|---|---|---|
| `velella` | everything in one process | all sections but the last four |
| `velella-coordinator` | a coordinator of a cluster | Coordinator, Process, Config, NATS, etcd; its two secrets have to be set, and `--demo` is off |
| `velella-worker` | a worker of a cluster | Workers without `--workers`, A worker of a cluster, Process, Config, NATS, etcd; `--worker-id` has to be set, and `--shutdown-deadline` counts from the end of the drain |
| `velella-gateway` | an ingest gateway of a cluster | Gateways, A gateway of a cluster, Process, Config, NATS, etcd; `--gateway-id` has to be set, and `--shutdown-deadline` counts from the end of the drain |

A mistake in any of them ends the process before it starts, with one sentence and exit code 64. `--check-config` finds it
without starting anything, `--print-config` prints what results and where each value comes from, without secrets.

## Variables of Fishjam and Jellyfish

With `FJ_` in front, or else `JF_`, so that a compose file runs with another image. Those not named here are listed in the
log and set nothing. Only `velella` understands them.

| variable | sets |
|---|---|
| `SERVER_API_TOKEN` | `--management-token` |
| `SECRET_KEY_BASE` | `--token-secret` |
| `IP`, `PORT` | `--listen` |
| `HOST` | `--public-url`, with `http://` |
| `CHECK_ORIGIN` | `--allowed-origins`: a list with spaces, or `true` for the pages of `HOST`; not checked when absent |
| `METRICS_IP`, `METRICS_PORT` | `--admin` |
| `WEBRTC_TURN_LISTEN_IP`, `WEBRTC_TURN_PORT_RANGE` | `--udp`; the workers take the first ports of the range |
| `WEBRTC_TURN_IP` | `--advertise-ip` |
| `RESOURCES_BASE_PATH` | `--files`, its directory `file_component_sources` |
| `LOG_LEVEL`, `STRUCTURED_LOGGING` | `--log`, `--log-format` |

";

    const WORKER_OF_A_CLUSTER: &str = "A worker of a cluster";

    const GATEWAY_OF_A_CLUSTER: &str = "A gateway of a cluster";

    /// What only processes of a cluster take.
    #[derive(Debug, Parser)]
    struct InCluster {
        #[command(flatten)]
        _worker: velella_worker::Config,
        #[command(flatten)]
        _gateway: velella_gateway::Config,
        #[command(flatten)]
        _cluster: ClusterConfig,
    }

    fn unless_shown_above(argument: Arg) -> Arg {
        let is_shown = Config::command().get_arguments().any(|a| a.get_id() == argument.get_id() && !a.is_hide_set());
        let heading = match argument.get_help_heading() {
            Some("Workers") => Some(WORKER_OF_A_CLUSTER),
            Some("Gateways") => Some(GATEWAY_OF_A_CLUSTER),
            Some(_) | None => None,
        };
        let argument = argument.hide(is_shown);
        let argument = match argument.get_id().as_str() {
            "worker_id" | "gateway_id" => argument.default_value(Resettable::Reset),
            "gateway_source_secret" => velella_gateway::source_secret(argument),
            _ => argument,
        };
        match heading {
            Some(heading) => argument.help_heading(heading),
            None => argument,
        }
    }

    fn config(arguments: &[&str]) -> Config {
        Config::try_parse_from([&["velella"], arguments].concat()).unwrap()
    }

    #[test]
    fn workers_take_ports_side_by_side_and_stay_local_by_default() {
        let config = config(&["--listen", "127.0.0.1:5002", "--udp", "0.0.0.0:10000"]);
        assert_eq!(config.worker(1).unwrap().udp, "127.0.0.1:10000".parse().unwrap());
        assert_eq!(config.worker(2).unwrap().udp, "127.0.0.1:10001".parse().unwrap());
    }

    #[test]
    fn a_public_address_opens_the_media_ports() {
        let config = config(&["--listen", "0.0.0.0:80", "--udp", "0.0.0.0:10000", "--advertise-ip", "192.0.2.1"]);
        assert_eq!(config.worker(1).unwrap().udp, "0.0.0.0:10000".parse().unwrap());
    }

    #[test]
    fn broadcasts_are_served_beside_http_where_media_is_found() {
        let gateway = |arguments: &[&str]| {
            let config = config(arguments);
            let gateway = config.gateway(&config.coordinator().unwrap());
            (gateway.hls.unwrap().to_string(), gateway.hls_url)
        };
        assert_eq!(gateway(&[]), ("127.0.0.1:5003".into(), None));
        assert_eq!(gateway(&["--listen", "127.0.0.1:0"]), ("127.0.0.1:0".into(), None));
        let public = ["--listen", "0.0.0.0:80", "--advertise-ip", "192.0.2.1"];
        assert_eq!(gateway(&public), ("0.0.0.0:81".into(), Some("http://192.0.2.1:81".into())));
        let chosen = ["--hls", "[::1]:9580", "--hls-url", "https://live.example.com"];
        assert_eq!(gateway(&chosen), ("[::1]:9580".into(), Some("https://live.example.com".into())));
    }

    #[test]
    fn demo_rooms_can_be_turned_off() {
        let is_on = |arguments: &[&str]| config(arguments).coordinator().unwrap().demo;
        assert_eq!([is_on(&[]), is_on(&["--demo"]), is_on(&["--demo=false"])], [true, true, false]);
    }

    #[test]
    fn the_well_known_token_is_known_as_such() {
        assert!(config(&["--management-token", "development"]).is_development());
        assert!(!config(&["--management-token", "something else"]).is_development());
    }

    /// `UPDATE_DOCS=1 cargo test -p velella-allinone the_page` writes it anew.
    #[test]
    fn the_page_about_settings_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let everywhere = reference(&velella_ops::config::command::<Config>());
        let in_cluster = reference(&InCluster::command().mut_args(unless_shown_above));
        let page = format!("{PAGE_HEAD}{everywhere}\n{in_cluster}");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let advice = "make it fresh: UPDATE_DOCS=1 cargo test -p velella-allinone the_page";
        assert!(std::fs::read_to_string(path).unwrap() == page, "{advice}");
    }

    #[test]
    fn every_setting_is_explained_and_its_variable_unique() {
        let command = velella_ops::config::command::<Config>();
        let mut variables = std::collections::BTreeSet::new();
        for argument in command.get_arguments() {
            let name = argument.get_long().unwrap();
            let help = argument.get_help().expect(name).to_string();
            assert!(!help.contains(". ") && !help.ends_with('.'), "one sentence, without a full stop: {name}");
            assert!(argument.get_help_heading().is_some(), "{name} stands under no heading");
            if let Some(variable) = argument.get_env() {
                let spelled = format!("VELELLA_{}", name.to_uppercase().replace('-', "_"));
                assert_eq!(variable.to_str(), Some(spelled.as_str()));
                assert!(variables.insert(spelled), "{name}");
            }
        }
        assert!(variables.len() > 20);
    }

    #[test]
    fn every_start_signs_with_another_secret() {
        let secret = || config(&[]).coordinator().unwrap().token_secret.unwrap().expose().to_owned();
        assert_ne!(secret(), secret());
        assert_eq!(secret().len(), 64);
    }
}
