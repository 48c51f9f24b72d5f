//! What an operator can set for a gateway.

use std::path::PathBuf;
use std::time::Duration;

use velella_model::GatewayId;
use velella_ops::config::duration;

/// Settings of a gateway.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "gateway")]
#[command(next_help_heading = "Gateways")]
pub struct Config {
    /// Stable name of this gateway, unique in the cluster
    #[arg(long, env = "VELELLA_GATEWAY_ID", default_value = "gateway-1")]
    pub gateway_id: GatewayId,

    /// Region of this gateway, for the choice of who does a job
    #[arg(long = "gateway-region", env = "VELELLA_GATEWAY_REGION", default_value = "")]
    pub region: String,

    /// Directory below which files can be played into rooms; none if absent
    #[arg(long, env = "VELELLA_FILES")]
    pub files: Option<PathBuf>,

    /// All jobs together may cost this much, in permille of a core; 0 takes four fifths of all cores
    #[arg(long, env = "VELELLA_JOBS_PERMILLE_MAX", default_value_t = 0)]
    pub jobs_permille_max: u32,

    /// How long a gateway that shall end waits for its jobs to be taken over (for example 30s)
    #[arg(long, env = "VELELLA_GATEWAY_DRAIN_DEADLINE", default_value = "20s", value_parser = duration)]
    pub gateway_drain_deadline: Duration,
}

impl Config {
    pub(crate) fn capacity_permille(&self) -> u32 {
        match self.jobs_permille_max {
            0 => {
                let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
                u32::try_from(cores).unwrap_or(u32::MAX).saturating_mul(800)
            }
            permille => permille,
        }
    }
}
