//! What can be typed.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use velella_ops::Secret;
use velella_ops::config::duration;

use crate::url::Url;

/// Where the all-in-one listens unless it is told otherwise.
const URL_DEFAULT: &str = "http://127.0.0.1:5002";
/// Enough for a few hundred rooms; longer than anybody looks at a terminal.
const DRAIN_TIMEOUT_DEFAULT: &str = "60s";
/// With totals and head it fits the 24 lines that a terminal has at least.
const TOP_ROWS_DEFAULT: usize = 20;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 the coordinator said no, 64 wrong usage, 69 no coordinator answers, 77 the token is refused.

Without a command, `velella` starts a server; `velella --help` lists its settings.";

/// Look into a Velella cluster and steer it.
#[derive(Debug, Parser)]
#[command(name = "velella", version, after_help = EXIT_CODES)]
pub struct Command {
    #[command(flatten)]
    pub(crate) access: Access,

    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// How every command reaches the coordinator, and how it answers.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// Where the coordinator answers
    #[arg(long, env = "VELELLA_URL", global = true, default_value = URL_DEFAULT)]
    pub(crate) url: Url,

    /// Its management token, or else what stands in the file that VELELLA_MANAGEMENT_TOKEN_FILE names;
    /// `development` if absent and the URL is of this machine
    #[arg(long, env = "VELELLA_MANAGEMENT_TOKEN", hide_env_values = true, global = true)]
    pub(crate) token: Option<Secret>,

    /// A table for people, or the JSON of the coordinator
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the workers with their load
    #[command(after_help = "Examples:\n  velella workers\n  velella workers worker-1 -o json")]
    Workers {
        /// Only this one
        worker: Option<String>,
    },

    /// List the gateways with their load, and what they do
    #[command(after_help = "Examples:\n  velella gateways\n  velella gateways gateway-1 -o json")]
    Gateways {
        /// Only this one
        gateway: Option<String>,
    },

    /// List the rooms, and where they live
    #[command(
        after_help = "Examples:\n  velella rooms --worker worker-1 --in-use\n  velella rooms --prefix demo- -o json"
    )]
    Rooms(Rooms),

    /// Show where a room lives, and why there
    #[command(after_help = "Example:\n  velella placement ROOM")]
    Placement {
        /// Id of the room
        room: String,
    },

    /// Let a worker keep its rooms and take no new ones
    #[command(after_help = "Example:\n  velella cordon worker-1")]
    Cordon {
        /// Id of the worker
        worker: String,
    },

    /// Let a worker take rooms again, after `cordon` or `drain`
    #[command(after_help = "Example:\n  velella uncordon worker-1")]
    Uncordon {
        /// Id of the worker
        worker: String,
    },

    /// Move all rooms of a worker away; it takes no new ones
    #[command(
        after_help = "Examples:\n  velella drain worker-1\n  velella drain worker-1 --wait --timeout 5m && reboot"
    )]
    Drain {
        /// Id of the worker
        worker: String,

        /// Wait until it has no room left
        #[arg(long)]
        wait: bool,

        /// How long to wait (for example 60s, 5m); then the exit code is 1, and the worker drains on
        #[arg(long, default_value = DRAIN_TIMEOUT_DEFAULT, value_parser = duration, requires = "wait")]
        timeout: Duration,
    },

    /// Move a room to another worker
    #[command(after_help = "Examples:\n  velella move ROOM\n  velella move ROOM --to worker-2")]
    Move {
        /// Id of the room
        room: String,

        /// Id of the worker that shall have it; the best other one if absent
        #[arg(long, value_name = "WORKER")]
        to: Option<String>,
    },

    /// Watch totals and the most loaded workers, every second until Ctrl-C
    #[command(after_help = "Examples:\n  velella top\n  velella top --count 1\n  velella top -o json >> load.ndjson")]
    Top {
        /// At most this many workers
        #[arg(long, default_value_t = TOP_ROWS_DEFAULT)]
        rows: usize,

        /// End after this many rounds
        #[arg(short = 'n', long)]
        count: Option<u64>,
    },

    /// Print what a shell needs to complete these commands
    #[command(after_help = "Examples:\n  source <(velella completions bash)\n  velella completions fish | source")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Rooms {
    /// Only those at this worker
    #[arg(long)]
    pub(crate) worker: Option<String>,

    /// Only those that somebody is connected to
    #[arg(long)]
    pub(crate) in_use: bool,

    /// Only those whose id begins so
    #[arg(long)]
    pub(crate) prefix: Option<String>,
}
