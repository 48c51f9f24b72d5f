//! The page that lists every setting, made from the flags themselves.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::{Arg, Command};

/// All settings of a command as Markdown, a table for each heading.
pub fn reference(command: &Command) -> String {
    let mut headings: Vec<&str> = Vec::new();
    let mut tables: BTreeMap<&str, String> = BTreeMap::new();
    for argument in command.get_arguments().filter(|argument| argument.get_long().is_some() && !argument.is_hide_set())
    {
        let heading = argument.get_help_heading().unwrap_or("Options");
        if !headings.contains(&heading) {
            headings.push(heading);
        }
        // Writing to a string cannot fail.
        let _ = writeln!(tables.entry(heading).or_default(), "{}", row(argument));
    }
    let sections = headings.iter().map(|heading| {
        let rows = tables.get(heading).map_or("", String::as_str);
        format!("## {heading}\n\n| flag | variable | default | what it is |\n|---|---|---|---|\n{rows}")
    });
    sections.collect::<Vec<_>>().join("\n")
}

fn row(argument: &Arg) -> String {
    let name = argument.get_long().unwrap_or_default();
    let variable = argument.get_env().map(|v| v.to_string_lossy().into_owned());
    let variable = match (variable, argument.is_hide_env_values_set()) {
        (Some(variable), true) => format!("`{variable}`, or `{variable}_FILE`"),
        (Some(variable), false) => format!("`{variable}`"),
        (None, _) => String::new(),
    };
    let defaults: Vec<_> = argument.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
    let default = match defaults.join(",").as_str() {
        "" => String::new(),
        default => format!("`{default}`"),
    };
    format!("| `--{name}` | {variable} | {default} | {} |", help(argument))
}

fn help(argument: &Arg) -> String {
    let text = argument.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
    let choices: Vec<_> = argument.get_possible_values().iter().map(|v| format!("`{}`", v.get_name())).collect();
    let is_choice = argument.get_action().takes_values() && !choices.is_empty();
    if is_choice { format!("{text}: {}", choices.join(" or ")) } else { text }
}
