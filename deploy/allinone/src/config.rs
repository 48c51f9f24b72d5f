//! The services' own settings, nested, with the defaults that one process can afford.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use velella_model::WorkerId;
use velella_ops::Secret;
use velella_ops::logs::LogConfig;

/// Management token of an all-in-one that was given none: for development only.
pub(crate) const DEVELOPMENT_TOKEN: &str = "development";
/// Workers in one process; each has its own port and threads.
const WORKERS_MAX: u16 = 64;

/// Velella in one process: a coordinator, workers, and a bus and store in memory.
///
/// Everything is forgotten when it ends.
#[derive(Debug, clap::Parser)]
#[command(name = "velella", version)]
pub(crate) struct Config {
    /// Workers to start; the first takes the media port, the others the next ones
    #[arg(long, env = "VELELLA_WORKERS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=i64::from(WORKERS_MAX)))]
    pub(crate) workers: u16,

    #[command(flatten)]
    coordinator: velella_coordinator::Config,

    #[command(flatten)]
    worker: velella_worker::Config,

    #[command(flatten)]
    pub(crate) logs: LogConfig,
}

impl Config {
    /// Settings of the coordinator: demo rooms on, and whatever secret is missing filled in.
    pub(crate) fn coordinator(&self) -> anyhow::Result<velella_coordinator::Config> {
        let mut config = self.coordinator.clone();
        config.demo = true;
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
        if config.shards == 0 {
            config.shards = shards_per_worker(self.workers);
        }
        Ok(config)
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
            address.set_port(port.ok_or_else(|| anyhow::anyhow!("no media port is left for worker {number}"))?);
        }
        Ok(address)
    }
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
    use clap::Parser;

    use super::*;

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
    fn the_well_known_token_is_known_as_such() {
        assert!(config(&["--management-token", "development"]).is_development());
        assert!(!config(&["--management-token", "something else"]).is_development());
    }

    #[test]
    fn every_start_signs_with_another_secret() {
        let secret = || config(&[]).coordinator().unwrap().token_secret.unwrap().expose().to_owned();
        assert_ne!(secret(), secret());
        assert_eq!(secret().len(), 64);
    }
}
