//! Logs: to stderr, as text for people or as JSON for machines.
//!
//! The filter is a config value like any other, so that a mistake in it is reported as one.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// str0m and dimpl report each handshake at INFO, which is one session's affair, not the process's; srt_protocol warns
/// of each lost packet.
const FILTER_DEFAULT: &str = "info,str0m=warn,dimpl=warn,srt_protocol=error";

/// What is logged, and how. Part of `ProcessConfig`.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "logs")]
pub struct LogConfig {
    /// What is logged, as directives: a level, or target=level, separated by commas
    #[arg(long, env = "VELELLA_LOG", default_value = FILTER_DEFAULT, value_parser = filter)]
    pub log: String,

    /// How it is written
    #[arg(long, env = "VELELLA_LOG_FORMAT", default_value = "text")]
    pub log_format: Format,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging; once a process.
pub fn init(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log).context("VELELLA_LOG")?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.log_format {
        Format::Text => logs.with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => logs.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
}

fn filter(directives: &str) -> Result<String, String> {
    EnvFilter::try_new(directives).map(|_| directives.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_checked_when_the_config_is_read() {
        assert_eq!(filter(FILTER_DEFAULT), Ok(FILTER_DEFAULT.to_owned()));
        assert!(filter("info,velella=loud").is_err());
    }
}
