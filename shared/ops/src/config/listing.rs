//! The config that results, as a file that could be read again, and where each line comes from.

use std::fmt::Write;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::Settings;
use super::file;

/// One line for each setting. Secrets are stars behind a `#`, so that nobody reads them back.
pub(super) fn listing(command: &Command, matches: &ArgMatches, settings: &Settings) -> String {
    let keys = file::keys(command);
    let mut text = String::new();
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let Some(name) = argument.get_long().filter(|name| keys.iter().any(|key| key == name)) else { continue };
        let origin = || origin(argument, matches, settings);
        // Writing to a string cannot fail.
        let _ = match value(argument, matches) {
            None => writeln!(text, "# {name} is not set"),
            Some(_) if argument.is_hide_env_values_set() => writeln!(text, "# {name} = \"***\"  # {}", origin()),
            Some(value) => writeln!(text, "{name} = {value}  # {}", origin()),
        };
    }
    text
}

fn value(argument: &Arg, matches: &ArgMatches) -> Option<String> {
    let raw = matches.get_raw(argument.get_id().as_str())?;
    let values: Vec<String> = raw.map(|value| literal(&value.to_string_lossy())).collect();
    match values.as_slice() {
        [value] => Some(value.clone()),
        _ => Some(format!("[{}]", values.join(", "))),
    }
}

fn literal(value: &str) -> String {
    if value.parse::<i64>().is_ok() || value.parse::<bool>().is_ok() {
        return value.to_owned();
    }
    format!("{value:?}")
}

fn origin(argument: &Arg, matches: &ArgMatches, settings: &Settings) -> String {
    let setting = argument.get_long().and_then(|name| settings.get(name));
    match (matches.value_source(argument.get_id().as_str()), setting) {
        (Some(ValueSource::CommandLine), _) => "flag".to_owned(),
        (_, Some(setting)) => setting.origin.clone(),
        _ => "default".to_owned(),
    }
}
