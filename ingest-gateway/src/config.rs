//! What an operator can set for a gateway.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use velella_guard::{Cidr, Guard, Policy};
use velella_model::GatewayId;
use velella_model::wire::announce::Serves;
use velella_ops::config::{Mistake, duration};
use velella_ops::{Seal, Secret, tls_client, tls_server};

use crate::source::Means;
use crate::transcoder::Engine;

/// Streams of some ten rooms at 3 Mbit/s, for the minute in which viewers ask for it.
const HLS_MEMORY: u64 = 256 << 20;

/// Settings of a gateway.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "gateway")]
#[command(next_help_heading = "Gateways")]
pub struct Config {
    /// Stable name of this gateway, unique in the cluster
    #[arg(long, env = "VELELLA_GATEWAY_ID", default_value = "gateway-1")]
    pub gateway_id: GatewayId,

    /// Region of this gateway, for the choice of who does a job
    #[arg(long, env = "VELELLA_GATEWAY_REGION", default_value = "")]
    pub gateway_region: String,

    /// Address at which coordinators reach the admin port of this gateway, by which they see at once that it is gone;
    /// needed when that is bound to 0.0.0.0 or to loopback
    #[arg(long, env = "VELELLA_GATEWAY_IP")]
    pub gateway_ip: Option<IpAddr>,

    /// Directory below which files can be played into rooms; none if absent
    #[arg(long, env = "VELELLA_FILES")]
    pub files: Option<PathBuf>,

    /// Address and port that encoders publish to over RTMP; none if absent
    #[arg(long, env = "VELELLA_RTMP")]
    pub rtmp: Option<SocketAddr>,

    /// What publishers are told to send to; made of --rtmp if absent (for example rtmp://live.example.com/live)
    #[arg(long, env = "VELELLA_RTMP_URL")]
    pub rtmp_url: Option<String>,

    /// Address and port that encoders publish to over RTMP in TLS; none if absent
    #[arg(long, env = "VELELLA_RTMPS")]
    pub rtmps: Option<SocketAddr>,

    /// What they are told to send to, whose host the certificate has to be good for; made of --rtmps if absent (for example
    /// rtmps://live.example.com:1936/live)
    #[arg(long, env = "VELELLA_RTMPS_URL")]
    pub rtmps_url: Option<String>,

    /// PEM file with the certificate that is shown to them, and those between it and its authority; read at the start
    #[arg(long, env = "VELELLA_RTMPS_CERT")]
    pub rtmps_cert: Option<PathBuf>,

    /// PEM file with the key of that certificate
    #[arg(long, env = "VELELLA_RTMPS_KEY")]
    pub rtmps_key: Option<PathBuf>,

    /// Address and port that encoders publish to over SRT; none if absent
    #[arg(long, env = "VELELLA_SRT")]
    pub srt: Option<SocketAddr>,

    /// What publishers are told to send to, with their key as the stream id; made of --srt if absent (for example
    /// srt://live.example.com:9710)
    #[arg(long, env = "VELELLA_SRT_URL")]
    pub srt_url: Option<String>,

    /// Passphrase of 10 to 79 characters that encoders have to encrypt with over SRT; without it they must not
    #[arg(long, env = "VELELLA_SRT_PASSPHRASE", hide_env_values = true)]
    pub srt_passphrase: Option<Secret>,

    /// Address and port that streams of rooms are served at over HTTP; none if absent, and no room is broadcast from here
    #[arg(long, env = "VELELLA_HLS")]
    pub hls: Option<SocketAddr>,

    /// Where viewers reach it; made of --hls if absent (for example `https://live.example.com`)
    #[arg(long, env = "VELELLA_HLS_URL")]
    pub hls_url: Option<String>,

    /// Where other gateways reach it, to fetch what this one packages; made of --gateway-ip, or of --hls without that
    #[arg(long, env = "VELELLA_HLS_INNER_URL")]
    pub hls_inner_url: Option<String>,

    /// PEM file with the certificate that it is served with in TLS, and those between it and its authority; plain HTTP if
    /// absent; read at the start
    #[arg(long, env = "VELELLA_HLS_CERT", requires = "hls_key")]
    pub hls_cert: Option<PathBuf>,

    /// PEM file with the key of that certificate
    #[arg(long, env = "VELELLA_HLS_KEY", requires = "hls_cert")]
    pub hls_key: Option<PathBuf>,

    /// Bytes of streams that the cache for viewers may hold
    #[arg(long, env = "VELELLA_HLS_MEMORY", default_value_t = HLS_MEMORY)]
    pub hls_memory: u64,

    /// Secret that seals the addresses of cameras in the store, the same as at the coordinators; without it no camera
    /// can be watched
    #[arg(long, env = "VELELLA_GATEWAY_SOURCE_SECRET", hide_env_values = true)]
    pub gateway_source_secret: Option<Secret>,

    /// Ranges of private addresses that cameras may be at, with commas (for example 192.168.0.0/16); by default only
    /// public addresses are reached
    #[arg(long, env = "VELELLA_ALLOW_SOURCES", value_delimiter = ',')]
    pub allow_sources: Vec<Cidr>,

    /// The ffmpeg (5.1 or newer, with libx264) that transcodes what browsers cannot show, for components that ask for it;
    /// the one in the search path, if there is one, if absent
    #[arg(long, env = "VELELLA_TRANSCODER")]
    pub transcoder: Option<PathBuf>,

    /// All jobs together may cost this much, in permille of a core; 0 takes four fifths of all cores
    #[arg(long, env = "VELELLA_JOBS_PERMILLE_MAX", default_value_t = 0)]
    pub jobs_permille_max: u32,

    /// How long a gateway that shall end waits for its jobs to be taken over (for example 30s)
    #[arg(long, env = "VELELLA_GATEWAY_DRAIN_DEADLINE", default_value = "20s", value_parser = duration)]
    pub gateway_drain_deadline: Duration,
}

/// The secret under the name that it has at the coordinators, for where none is beside.
#[must_use]
pub fn source_secret(argument: clap::Arg) -> clap::Arg {
    argument.long("source-secret").env("VELELLA_SOURCE_SECRET")
}

impl Config {
    /// What the jobs of this gateway share.
    pub(crate) async fn means(&self) -> anyhow::Result<Means> {
        Ok(Means {
            files: self.files.clone().map(Arc::new),
            guard: Guard::new(Policy { allow: self.allow_sources.clone() }),
            seal: self.gateway_source_secret.as_ref().map(|secret| Arc::new(Seal::new(secret))),
            tls: Some(Arc::new(tls_client("cameras at rtsps://"))),
            engine: Engine::find(self.transcoder.as_deref()).await?,
            workload: Arc::default(),
        })
    }

    /// How encoders are spoken with in TLS.
    pub(crate) fn rtmps_identity(&self) -> Result<rustls::ServerConfig, Mistake> {
        match (&self.rtmps_cert, &self.rtmps_key) {
            (Some(certificate), Some(key)) => tls_server(certificate, key),
            (Some(_) | None, _) => Err(Mistake::new("--rtmps needs --rtmps-cert and --rtmps-key".to_owned())),
        }
    }

    /// How viewers are spoken with in TLS, if at all.
    pub(crate) fn hls_identity(&self) -> Result<Option<rustls::ServerConfig>, Mistake> {
        self.hls_cert.as_ref().zip(self.hls_key.as_ref()).map(|(cert, key)| tls_server(cert, key)).transpose()
    }

    /// Where streams can be watched that are served at the address that was bound.
    pub(crate) fn serves(&self, bound: SocketAddr) -> Result<Serves, Mistake> {
        let scheme = if self.hls_cert.is_some() { "https" } else { "http" };
        let public = self.hls_url.clone().unwrap_or_else(|| format!("{scheme}://{bound}"));
        let inner = match (&self.hls_inner_url, self.gateway_ip) {
            (Some(url), _) => url.clone(),
            // They come without TLS: no certificate is good for an address.
            (None, Some(ip)) => format!("http://{}", SocketAddr::new(ip, bound.port())),
            (None, None) if bound.ip().is_unspecified() => {
                return Err(Mistake::new(format!(
                    "streams are served at {bound}, which no other gateway can reach by that name: set \
                     VELELLA_GATEWAY_IP or VELELLA_HLS_INNER_URL"
                )));
            }
            (None, None) => format!("http://{bound}"),
        };
        let trim = |url: String| url.trim_end_matches('/').to_owned();
        Ok(Serves { public: trim(public), inner: trim(inner) })
    }

    /// Where coordinators can see that the process is gone. Nowhere rather than at an address that means another
    /// machine to them.
    pub(crate) fn probe(&self, admin: Option<SocketAddr>) -> Option<SocketAddr> {
        let admin = admin?;
        match self.gateway_ip {
            Some(ip) => Some(SocketAddr::new(ip, admin.port())),
            None if admin.ip().is_unspecified() || admin.ip().is_loopback() => None,
            None => Some(admin),
        }
    }

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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        config: Config,
    }

    #[test]
    fn a_probe_goes_to_an_address_that_means_this_machine_to_others() {
        let probe = |flags: &[&str], admin: &str| {
            let config = Cli::try_parse_from([&["gateway"], flags].concat()).unwrap().config;
            config.probe(Some(admin.parse().unwrap())).map(|at| at.to_string())
        };
        assert_eq!(probe(&[], "10.0.0.7:9568").as_deref(), Some("10.0.0.7:9568"));
        assert_eq!(probe(&[], "0.0.0.0:9568"), None);
        assert_eq!(probe(&[], "127.0.0.1:9568"), None);
        assert_eq!(probe(&["--gateway-ip=10.0.0.7"], "0.0.0.0:9568").as_deref(), Some("10.0.0.7:9568"));
    }

    #[test]
    fn streams_are_served_where_viewers_and_gateways_reach_them() {
        let serves = |flags: &[&str], bound: &str| {
            let config = Cli::try_parse_from([&["gateway"], flags].concat()).unwrap().config;
            config.serves(bound.parse().unwrap()).map(|serves| (serves.public, serves.inner)).ok()
        };
        let pair = |public: &str, inner: &str| Some((public.to_owned(), inner.to_owned()));
        assert_eq!(serves(&[], "10.0.0.7:9580"), pair("http://10.0.0.7:9580", "http://10.0.0.7:9580"));
        assert_eq!(serves(&[], "0.0.0.0:9580"), None);
        let flags = ["--gateway-ip=10.0.0.7", "--hls-url=https://live.example.com/"];
        assert_eq!(serves(&flags, "0.0.0.0:9580"), pair("https://live.example.com", "http://10.0.0.7:9580"));
        let encrypted = ["--hls-cert=c", "--hls-key=k"];
        assert_eq!(serves(&encrypted, "[::1]:9580"), pair("https://[::1]:9580", "http://[::1]:9580"));
        let flags = ["--hls-inner-url=https://g1.example.com"];
        assert_eq!(serves(&flags, "0.0.0.0:9580"), pair("http://0.0.0.0:9580", "https://g1.example.com"));
        assert!(Cli::try_parse_from(["gateway", "--hls-cert=c"]).is_err(), "a certificate needs its key");
    }
}
