//! What is wrong with a config, in one sentence.

use std::io::Write;

use clap::Command;
use clap::error::{ContextKind, ContextValue};

use super::Settings;

/// `EX_USAGE` of sysexits: the caller's mistake, and trying again will not help.
pub(crate) const EXIT_USAGE: u8 = 64;

/// A mistake in a config. Also for what shows only when a service starts, such as an address in use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mistake(String);

impl Mistake {
    /// A mistake, told in one sentence that names the setting.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// What clap says, on one line, without its advice, and with the place where the value stands.
    pub(super) fn of_clap(error: &clap::Error, mut command: Command, settings: Option<&Settings>) -> Self {
        let rendered = error.render().to_string();
        let first_paragraph = rendered.split("\n\n").next().unwrap_or_default();
        let words = first_paragraph.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
        // Only a built command can print its arguments the way the error does.
        command.build();
        let Some(argument) = at_fault(error, &command) else { return Self(words) };
        let words = if argument.is_hide_env_values_set() { masked(error, &words) } else { words };
        let setting = settings.and_then(|settings| settings.get(argument.get_long()?));
        let variable = || Some(argument.get_env()?.to_string_lossy().into_owned());
        match setting.map(|s| s.origin.clone()).or_else(variable) {
            Some(origin) => Self(format!("{words} ({origin})")),
            None => Self(words),
        }
    }

    /// Says it and ends the process.
    pub(crate) fn exit(&self) -> ! {
        // Nobody is left to tell when stderr is closed.
        let _ = writeln!(std::io::stderr(), "{self}");
        std::process::exit(EXIT_USAGE.into())
    }
}

fn at_fault<'a>(error: &clap::Error, command: &'a Command) -> Option<&'a clap::Arg> {
    let ContextValue::String(at_fault) = error.get(ContextKind::InvalidArg)? else { return None };
    command.get_arguments().find(|argument| argument.to_string() == *at_fault)
}

/// A secret that is refused is a secret still.
fn masked(error: &clap::Error, words: &str) -> String {
    match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) if !value.is_empty() => {
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            words.replace(&format!("'{value}'"), "'***'")
        }
        _ => words.to_owned(),
    }
}
