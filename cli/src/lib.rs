//! The operators' command line: asks a coordinator over HTTP what runs where, and steers it.
//!
//! It knows the answers of `/cluster` as they are documented, no type of the services. JSON goes
//! out as it came in; tables are for people. Start reading at `command.rs`, then `coordinator.rs`.

#![warn(missing_docs)]

mod answer;
mod command;
mod coordinator;
mod failure;
mod gateways;
mod output;
mod placement;
mod rooms;
mod steering;
mod table;
mod token;
mod top;
mod url;
mod workers;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

pub use command::Command;

use command::Verb;
use coordinator::Coordinator;
use failure::Failure;
use output::Output;

/// Whether these arguments, without the name of the program, call a command: a server is started
/// with flags alone.
pub fn is_called(mut arguments: impl Iterator<Item = OsString>) -> bool {
    arguments.next().is_some_and(|first| !first.as_encoded_bytes().starts_with(b"-"))
}

/// Runs a command. The exit code is 0 for what went well, 1 when the coordinator said no, 64 for a
/// mistake of the caller, 69 when no coordinator answers, 77 when it refuses the token.
pub fn run(command: &Command) -> ExitCode {
    Failure::tell(perform(command))
}

fn perform(command: &Command) -> Result<(), Failure> {
    let output = Output::new(command.access.output);
    let coordinator = || Coordinator::new(&command.access);
    match &command.verb {
        Verb::Workers { worker } => workers::show(&coordinator()?, output, worker.as_deref()),
        Verb::Gateways { gateway } => gateways::show(&coordinator()?, output, gateway.as_deref()),
        Verb::Rooms(wanted) => rooms::show(&coordinator()?, output, wanted),
        Verb::Placement { room } => placement::show(&coordinator()?, output, room),
        Verb::Cordon { worker } => steering::cordon(&coordinator()?, output, worker),
        Verb::Uncordon { worker } => steering::uncordon(&coordinator()?, output, worker),
        Verb::Drain { worker, wait, timeout } => {
            steering::drain(&coordinator()?, output, worker, wait.then_some(*timeout))
        }
        Verb::Move { room, to } => steering::move_room(&coordinator()?, output, room, to.as_deref()),
        Verb::Top { rows, count } => top::run(coordinator()?, output, *rows, *count),
        Verb::Completions { shell } => output.text(&completions(*shell)),
    }
}

fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Command::command(), "velella", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_word_calls_a_command_and_a_flag_the_server() {
        let called = |arguments: &[&str]| is_called(arguments.iter().map(OsString::from));
        assert!(called(&["workers"]) && called(&["help"]) && called(&["wrokers"]));
        assert!(!called(&[]) && !called(&["--listen", "127.0.0.1:0"]) && !called(&["-V"]));
    }

    #[test]
    fn the_arguments_are_declared_well() {
        Command::command().debug_assert();
    }

    #[test]
    fn every_shell_learns_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = completions(shell);
            for verb in Command::command().get_subcommands() {
                assert!(script.contains(verb.get_name()), "{} in {shell}", verb.get_name());
            }
        }
    }
}
