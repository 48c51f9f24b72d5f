//! `velella-sim`: searches seeds, and shows what happens in one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

/// Simulates a cluster under faults
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run seeds until one fails, and show that one
    Sweep {
        /// How many.
        #[arg(default_value_t = 1_000)]
        seeds: u64,
        /// The first one.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// A file that names more, one a line.
        #[arg(long)]
        and: Option<PathBuf>,
        /// Go on after failures, and list them
        #[arg(long)]
        all: bool,
    },
    /// Show one seed
    Show {
        /// Which.
        seed: u64,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match Arguments::parse().command {
        Command::Sweep { seeds, from, and, all } => {
            let mut named = and.as_deref().map_or_else(|| Ok(Vec::new()), named)?;
            named.extend(from..from + seeds);
            sweep(&named, all, &mut out)
        }
        Command::Show { seed } => show(seed, &mut out),
    }
}

fn named(file: &Path) -> anyhow::Result<Vec<u64>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let numbers = text.lines().filter_map(|line| line.split('#').next()).map(str::trim).filter(|n| !n.is_empty());
    numbers.map(|number| number.parse().with_context(|| format!("{number} is no seed"))).collect()
}

fn sweep(seeds: &[u64], all: bool, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut failed = 0_u64;
    let (mut moved, mut comings, mut strays, mut dead) = (0, 0, 0, 0);
    for &seed in seeds {
        match velella_sim::run(seed, None) {
            Ok(report) => {
                moved += report.moved;
                comings += report.comings;
                strays += report.strays_closed;
                dead += report.declared_dead;
            }
            Err(violation) => {
                failed += 1;
                writeln!(out, "seed {seed}: {:?}: {}", violation.kind, violation.text)?;
                if !all {
                    return show(seed, out);
                }
            }
        }
    }
    writeln!(
        out,
        "{} seeds, {failed} failed; {moved} moves, {comings} sockets, {strays} strays closed, {dead} declared dead",
        seeds.len()
    )?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(seed: u64, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let (lines, violation) = velella_sim::trace(seed, None);
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    match violation {
        None => Ok(ExitCode::SUCCESS),
        Some(violation) => {
            writeln!(out, "seed {seed}: {:?}: {}", violation.kind, violation.text)?;
            Ok(ExitCode::FAILURE)
        }
    }
}
