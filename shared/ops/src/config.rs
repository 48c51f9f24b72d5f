//! How a config is read: flags first, then `VELELLA_…` variables, then defaults.
//!
//! A mistake is one sentence on stderr and exit code 64, before anything has started.

use std::io::Write;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Parser};

/// `EX_USAGE` of sysexits: the caller's mistake, and trying again will not help.
const EXIT_USAGE: i32 = 64;

/// The config of this process; ends the process where there is none to return.
pub fn parse_or_exit<C: Parser>() -> C {
    C::try_parse().unwrap_or_else(|error| {
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            error.exit();
        }
        exit_with_usage(&sentence(&error, C::command()))
    })
}

/// Ends the process for a mistake that only shows when several settings are seen together.
pub fn exit_with_usage(sentence: &str) -> ! {
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(std::io::stderr(), "{sentence}");
    std::process::exit(EXIT_USAGE)
}

/// What clap says, on one line, without its advice, and with the variable behind the flag.
fn sentence(error: &clap::Error, command: Command) -> String {
    let rendered = error.render().to_string();
    let first_paragraph = rendered.split("\n\n").next().unwrap_or_default();
    let words = first_paragraph.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    match variable(error, command) {
        Some(variable) => format!("{words} ({variable})"),
        None => words,
    }
}

/// The environment variable of the argument at fault.
fn variable(error: &clap::Error, mut command: Command) -> Option<String> {
    // Only a built command can print its arguments the way the error does.
    command.build();
    let ContextValue::String(at_fault) = error.get(ContextKind::InvalidArg)? else { return None };
    let argument = command.get_arguments().find(|argument| argument.to_string() == *at_fault)?;
    Some(argument.get_env()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use clap::CommandFactory;

    use super::*;

    #[derive(Debug, Parser)]
    struct Config {
        #[arg(long, env = "VELELLA_TEST_LISTEN", default_value = "127.0.0.1:5002")]
        listen: SocketAddr,
        #[arg(long)]
        name: String,
    }

    #[test]
    fn defaults_fill_what_is_not_said() {
        let config = Config::try_parse_from(["velella", "--name", "a"]).unwrap();
        assert_eq!(config.listen.port(), 5002);
        assert_eq!(config.name, "a");
    }

    #[test]
    fn a_bad_value_is_one_sentence_with_flag_and_variable() {
        assert_eq!(
            said(&["--name", "a", "--listen", "here"]),
            "invalid value 'here' for '--listen <LISTEN>': invalid socket address syntax (VELELLA_TEST_LISTEN)"
        );
    }

    #[test]
    fn an_unknown_flag_is_refused() {
        assert_eq!(said(&["--name", "a", "--lisen", "x"]), "unexpected argument '--lisen' found");
    }

    #[test]
    fn a_missing_value_is_named() {
        assert_eq!(said(&[]), "the following required arguments were not provided: --name <NAME>");
    }

    fn said(arguments: &[&str]) -> String {
        let error = Config::try_parse_from([&["velella"], arguments].concat()).unwrap_err();
        sentence(&error, Config::command())
    }
}
