//! What an operator can set for a worker.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use velella_model::WorkerId;
use velella_model::wire::announce::Capacity;
use velella_ops::config::{Mistake, duration};

/// Settings of a worker.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "worker")]
#[command(next_help_heading = "Workers")]
pub struct Config {
    /// Stable name of this worker, unique in the cluster
    #[arg(long, env = "VELELLA_WORKER_ID", default_value = "worker-1")]
    pub worker_id: WorkerId,

    /// Address and port that media is received on, one port for everything; port 0 takes a free one
    #[arg(long, env = "VELELLA_UDP", default_value = "0.0.0.0:10000")]
    pub udp: SocketAddr,

    /// Address that clients reach this worker at; several with commas; needed when the bound one is 0.0.0.0
    #[arg(long, env = "VELELLA_ADVERTISE_IP", value_delimiter = ',')]
    pub advertise_ip: Vec<IpAddr>,

    /// Media threads of a worker; 0 takes the number of cores less one
    #[arg(long, env = "VELELLA_SHARDS", default_value_t = 0)]
    pub shards: usize,

    /// Region of this worker, for placement
    #[arg(long, env = "VELELLA_REGION", default_value = "")]
    pub region: String,

    /// Rooms beyond which no more are taken
    #[arg(long, env = "VELELLA_ROOMS_MAX", default_value_t = 2_000)]
    pub rooms_max: u32,

    /// Sessions beyond which no more are taken
    #[arg(long, env = "VELELLA_SESSIONS_MAX", default_value_t = 4_000)]
    pub sessions_max: u32,

    /// How long a worker that shall end waits for its rooms to be moved away (for example 30s); 0s ends it at once
    #[arg(long, env = "VELELLA_DRAIN_DEADLINE", default_value = "60s", value_parser = drain_deadline)]
    pub drain_deadline: Duration,

    /// Load of the busiest shard beyond which no more rooms are taken, in permille of a core
    #[arg(long, env = "VELELLA_LOAD_PERMILLE_MAX", default_value_t = 800)]
    pub load_permille_max: u32,
}

impl Config {
    pub(crate) fn capacity(&self) -> Capacity {
        Capacity {
            load_permille_max: self.load_permille_max,
            rooms_max: self.rooms_max,
            sessions_max: self.sessions_max,
        }
    }

    pub(crate) fn shard_count(&self) -> usize {
        match self.shards {
            0 => std::thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1).max(1)),
            n => n,
        }
    }

    /// Where coordinators can see that the process is gone. A loopback address would be theirs, unless
    /// clients are on this machine as well.
    pub(crate) fn probe(admin: Option<SocketAddr>, advertised: &[SocketAddr]) -> Option<SocketAddr> {
        let (admin, ip) = (admin?, advertised.first()?.ip());
        match admin.ip() {
            bound if bound.is_unspecified() => Some(SocketAddr::new(ip, admin.port())),
            bound if bound.is_loopback() && !ip.is_loopback() => None,
            _ => Some(admin),
        }
    }

    /// Addresses for clients, given the port that was bound.
    pub(crate) fn advertised(&self, bound: SocketAddr) -> anyhow::Result<Vec<SocketAddr>> {
        if !self.advertise_ip.is_empty() {
            return Ok(self.advertise_ip.iter().map(|ip| SocketAddr::new(*ip, bound.port())).collect());
        }
        if bound.ip().is_unspecified() {
            anyhow::bail!(Mistake::new(format!(
                "media is received on {bound}, which no client can reach by that name: set VELELLA_ADVERTISE_IP to \
                 the address that clients use"
            )));
        }
        Ok(vec![bound])
    }
}

/// A length of time, or none at all.
fn drain_deadline(text: &str) -> Result<Duration, String> {
    if text == "0s" { Ok(Duration::ZERO) } else { duration(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_may_take_no_time() {
        assert_eq!(drain_deadline("0s"), Ok(Duration::ZERO));
        assert_eq!(drain_deadline("2m"), Ok(Duration::from_secs(120)));
        assert!(drain_deadline("0").is_err());
    }

    #[test]
    fn a_probe_goes_to_an_address_that_means_this_machine_to_others() {
        let probe = |admin: &str, media: &str| {
            Config::probe(Some(admin.parse().unwrap()), &[media.parse().unwrap()]).map(|at| at.to_string())
        };
        assert_eq!(probe("0.0.0.0:9568", "192.0.2.7:10000").as_deref(), Some("192.0.2.7:9568"));
        assert_eq!(probe("10.0.0.7:9568", "192.0.2.7:10000").as_deref(), Some("10.0.0.7:9568"));
        assert_eq!(probe("127.0.0.1:9568", "192.0.2.7:10000"), None);
        assert_eq!(probe("127.0.0.1:9568", "127.0.0.1:10000").as_deref(), Some("127.0.0.1:9568"));
    }
}
