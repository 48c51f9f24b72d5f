//! `velella-sim`: searches seeds, shows what happens in one, and compares ways to place rooms.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use velella_sim::placement::{self, Policy, Row};

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
    /// Compare how evenly policies spread rooms over workers
    ///
    /// Load of the busiest worker over the mean, with 10 and 200 workers and three coordinators. Half a room a
    /// second and worker comes, lives for two minutes on average, and grows within 20 s to what it costs: half to
    /// one and a half times what a video room is expected to. Workers report every 1, 5 or 15 s.
    Placement {
        /// Seeds of each row.
        #[arg(long, default_value_t = 3)]
        seeds: u64,
        /// How to tell it.
        #[arg(short, long, value_enum, default_value_t = Form::Table)]
        output: Form,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Table,
    Json,
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
        Command::Placement { seeds, output } => compare(seeds, output, &mut out),
    }
}

fn named(file: &Path) -> anyhow::Result<Vec<u64>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let numbers = text.lines().filter_map(|line| line.split('#').next()).map(str::trim).filter(|n| !n.is_empty());
    numbers.map(|number| number.parse().with_context(|| format!("{number} is no seed"))).collect()
}

fn sweep(seeds: &[u64], all: bool, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut failed = 0_u64;
    let (mut moved, mut comings, mut strays, mut dead, mut given) = (0, 0, 0, 0, 0);
    for &seed in seeds {
        match velella_sim::run(seed, None) {
            Ok(report) => {
                moved += report.moved;
                comings += report.comings;
                strays += report.strays_closed;
                dead += report.declared_dead;
                given += report.handed_over;
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
        "{} seeds, {failed} failed; {moved} moves, {comings} sockets, {strays} strays closed, {dead} declared dead, \
         {given} cameras given to others",
        seeds.len()
    )?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints a line a row as soon as it is known.
fn compare(seeds: u64, form: Form, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    if form == Form::Table {
        writeln!(out, "{}", Row::HEAD)?;
    }
    for setting in placement::settings() {
        for policy in Policy::ALL {
            let figures = placement::compare(setting, policy, 0..seeds);
            let row = Row { setting, policy, figures };
            match form {
                Form::Table => writeln!(out, "{row}")?,
                Form::Json => writeln!(out, "{}", row.json())?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
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
