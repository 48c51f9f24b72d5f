//! `velella-hls-check`: watches a live HLS stream of any server and tells which rules it breaks.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use url::Url;
use velella_hls_check::rule::Rule;
use velella_hls_check::watch::{Outcome, Settings, watch};

/// Watches a live HLS stream and checks rfc8216bis-22 across reloads. Ends with 1 when a MUST was broken.
#[derive(Debug, Parser)]
struct Config {
    /// A multivariant or a media playlist.
    url: Url,
    /// How long to watch, in seconds; an `s` behind them is fine.
    #[arg(long, default_value = "60s", value_parser = seconds)]
    duration: Duration,
    /// What network and scheduling may add to any time, in milliseconds. More for slow links.
    #[arg(long, default_value_t = 250)]
    slack_ms: u64,
    /// Speak HTTP/2 without TLS. With TLS it is chosen by the server.
    #[arg(long)]
    http2_only: bool,
    /// End with 1 when a SHOULD was broken, too.
    #[arg(long)]
    strict: bool,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let config = Config::parse();
    match check(&config) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "velella-hls-check: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// True when the stream is fine.
fn check(config: &Config) -> Result<bool> {
    let settings = Settings {
        url: config.url.clone(),
        duration: config.duration,
        slack: Duration::from_millis(config.slack_ms),
        http2_only: config.http2_only,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Outcome { report, failed, last_failure } = runtime.block_on(watch(&settings))?;
    let mut out = io::stdout().lock();
    if config.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", report.table())?;
    }
    if let Some(failure) = last_failure {
        writeln!(io::stderr(), "{failed} requests had no answer, the last one: {failure}")?;
    }
    anyhow::ensure!(report.observed > 0, "the server never answered");
    let read = report.row(Rule::Syntax).is_some_and(|outcome| outcome.row.checked > 0);
    anyhow::ensure!(read, "there is no playlist");
    Ok(report.musts() == 0 && (!config.strict || report.shoulds() == 0))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    let seconds = number.parse().map_err(|_| format!("\"{text}\" is no number of seconds"))?;
    Ok(Duration::from_secs(seconds))
}
