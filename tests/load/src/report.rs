//! What the user sees. The only file that writes to standard output and error.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cpu::Usage;
use crate::summary::{Interruptions, Percentiles, Summary};

/// A line about what is going on, on standard error so that the table can be redirected.
pub(crate) fn progress(line: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{line}")
}

pub(crate) fn joining(who: &str, joined: usize, failed: usize, total: usize) -> io::Result<()> {
    let failures = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    progress(&format!("{who}: {joined}/{total} joined{failures}"))
}

/// One line of JSON, at once.
pub(crate) fn line(of: &impl Serialize) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, of)?;
    Ok(writeln!(out)?)
}

pub(crate) fn table(summary: &Summary) -> io::Result<()> {
    io::stdout().write_all(render(summary).as_bytes())
}

pub(crate) fn json(summary: &Summary, path: &Path) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    serde_json::to_writer_pretty(file, summary).with_context(|| format!("cannot write {}", path.display()))
}

fn render(summary: &Summary) -> String {
    let Summary { peers, packets, throughput, publishers, .. } = summary;
    let mut rows = vec![
        row("scenario", format!("{}, measured {} s", summary.scenario, summary.measured_s)),
        row("peers joined", format!("{} of {}", peers.joined, peers.asked)),
        row("join time", percentiles(&summary.join)),
        row("first packet after", percentiles(&summary.first_packet)),
        row("packets sent", packets.sent.to_string()),
        row("packets expected", packets.expected.to_string()),
        row("packets received", packets.received.to_string()),
        row("loss", format!("{} ({:.4} %)", packets.lost, packets.lost_percent)),
        row("duplicates / foreign", format!("{} / {}", packets.duplicates, packets.foreign)),
        row(
            "throughput out",
            format!("{:.0} packets/s, {:.1} Mbit/s", throughput.packets_per_s, throughput.mbit_per_s),
        ),
        row("delay (arrival)", percentiles(&summary.delay_arrival)),
        row("delay (read)", percentiles(&summary.delay_read)),
        row("send loop lateness", percentiles(&publishers.lateness)),
        row("keyframe requests", publishers.keyframe_requests.to_string()),
        row("CPU of this program", usage(&summary.bot_cpu)),
    ];
    rows.extend(gaps(&summary.gaps));
    rows.extend(summary.server_cpu.as_ref().map(|server| row("CPU of the server", usage(server))));
    rows.extend(peers.failures.iter().map(|(reason, count)| row("FAILED", format!("{count} x {reason}"))));
    let doubts = [
        ("peers received nothing", peers.silent),
        ("frames skipped by this program", publishers.skipped_frames),
        ("datagrams dropped in this program's sockets", summary.bot_socket_drops),
        ("datagrams this program could not send", summary.bot_unsent_datagrams),
        ("malformed datagrams", packets.malformed),
    ];
    let doubtful = doubts.iter().filter(|(_, count)| *count > 0);
    rows.extend(doubtful.map(|(what, count)| row("WARNING", format!("{count} {what}"))));
    rows.concat()
}

fn row(name: &str, value: String) -> String {
    format!("{name:<22}{value}\n")
}

/// Upper ends of the rows of the distribution, in milliseconds.
const GAP_STEPS_MS: [u64; 10] = [500, 1000, 1500, 2000, 2500, 3000, 4000, 6000, 8000, u64::MAX];

/// How many streams broke off, and for how long.
fn gaps(of: &Interruptions) -> Vec<String> {
    let Interruptions { streams, interrupted, open, returns, longest_ms, .. } = of;
    if *interrupted == 0 && *returns == 0 {
        return vec![row("gaps", format!("none in {streams} streams"))];
    }
    let at = |permille: usize| {
        let rank = (longest_ms.len() * permille).div_ceil(1000).saturating_sub(1);
        longest_ms.get(rank).map_or_else(|| "none".into(), |ms| format!("{ms} ms"))
    };
    let mut rows = vec![
        row("gaps", format!("{interrupted} of {streams} streams, {open} not ended; peers came back {returns} times")),
        row("longest gap", format!("p50 {}  p95 {}  p99 {}  max {}", at(500), at(950), at(990), at(1000))),
    ];
    let began =
        of.began_ms.map(|(first, last)| row("longest gap began", format!("{first} to {last} ms into the window")));
    rows.extend(began);
    let mut above = 0;
    for step in GAP_STEPS_MS {
        let count = longest_ms.iter().filter(|ms| (above..step).contains(*ms)).count();
        if count > 0 {
            let to = if step == u64::MAX { "more".into() } else { format!("{step} ms") };
            rows.push(row("", format!("{above:>5} to {to:<8} {count:>5}")));
        }
        above = step;
    }
    rows
}

fn percentiles(of: &Percentiles) -> String {
    if of.count == 0 {
        return "none".into();
    }
    let [p50, p99, p999, max] = [of.p50_us, of.p99_us, of.p999_us, of.max_us].map(time);
    format!("p50 {p50}  p99 {p99}  p99.9 {p999}  max {max}")
}

/// Three significant digits in the unit that fits.
fn time(us: f64) -> String {
    match us {
        us if us < 1e3 => format!("{us:.0} us"),
        us if us < 1e4 => format!("{:.2} ms", us / 1e3),
        us if us < 1e5 => format!("{:.1} ms", us / 1e3),
        us if us < 1e6 => format!("{:.0} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

fn usage(of: &Usage) -> String {
    let threads: Vec<String> = of.threads.iter().map(|(name, percent)| format!("{name} {percent:.1}")).collect();
    format!("{:.1} % of a core ({})", of.percent, threads.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable_at_every_size() {
        let shown = [0.0, 999.0, 1234.0, 45_600.0, 789_000.0, 1_234_000.0].map(time);
        assert_eq!(shown, ["0 us", "999 us", "1.23 ms", "45.6 ms", "789 ms", "1.23 s"]);
    }

    #[test]
    fn a_percentile_of_nothing_says_so() {
        let nothing = Percentiles { count: 0, p50_us: 0.0, p99_us: 0.0, p999_us: 0.0, max_us: 0.0 };
        assert_eq!(percentiles(&nothing), "none");
    }

    #[test]
    fn cpu_names_the_threads() {
        let server = Usage { percent: 61.5, threads: vec![("shard-0".into(), 58.0), ("tokio".into(), 3.5)] };
        assert_eq!(usage(&server), "61.5 % of a core (shard-0 58.0, tokio 3.5)");
    }
}
