//! `velella-sim`: searches seeds, and shows what happens in one.

use std::io::Write;
use std::process::ExitCode;

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
        Command::Sweep { seeds, from, all } => sweep(from..from + seeds, all, &mut out),
        Command::Show { seed } => show(seed, &mut out),
    }
}

fn sweep(seeds: std::ops::Range<u64>, all: bool, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut failed = 0_u64;
    let (mut moved, mut comings, mut strays, mut dead) = (0, 0, 0, 0);
    for seed in seeds.clone() {
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
        seeds.end - seeds.start
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
