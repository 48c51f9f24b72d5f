//! How a config is read: flags first, then `VELELLA_…` variables, then secrets in files of their
//! own, then the names of other servers, then the config file, then defaults.
//!
//! The services' clap structs are the only declaration: whatever a lower layer says becomes the
//! default of its argument, so clap's own parsers check it. A mistake is one sentence on stderr and
//! exit code 64, before anything has started.

mod duration;
mod environment;
mod file;
mod listing;
mod mistake;
mod reference;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, Parser, value_parser};

pub use duration::duration;
pub use environment::{Environment, Foreign};
pub(crate) use mistake::EXIT_USAGE;
pub use mistake::Mistake;
pub use reference::reference;

/// The flags below are added to every process.
const CONFIG: &str = "config";
const CHECK: &str = "check-config";
const PRINT: &str = "print-config";
const HEADING: &str = "Config";

/// The config of a process.
#[derive(Debug)]
pub struct Loaded<C> {
    /// What it is.
    pub config: C,
    /// What somebody should know who reads the log.
    pub notices: Vec<String>,
    /// Every setting, where it comes from, and `***` for each secret.
    pub listing: String,
}

/// A value from below the flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its flag, without dashes.
    pub name: String,
    /// One text for each value.
    pub values: Vec<String>,
    /// For people: the variable or the file it stands in.
    pub origin: String,
}

/// What reading a config ended in.
#[derive(Debug)]
enum Read<C> {
    Run(Loaded<C>),
    /// Something to print, and then the end.
    Print(String),
    /// `--help` and `--version`, which clap prints itself.
    Clap(clap::Error),
}

/// The config of this process. `foreign` reads the variables of other servers. Ends the process
/// where there is no config to return, or something to print instead.
pub fn load_or_exit<C: Parser>(foreign: Foreign) -> Loaded<C> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match read::<C>(&arguments, &Environment::of_process(), foreign) {
        Ok(Read::Run(loaded)) => loaded,
        Ok(Read::Print(text)) => {
            // Nobody is left to tell when stdout is closed.
            let _ = std::io::stdout().write_all(text.as_bytes());
            std::process::exit(0)
        }
        Ok(Read::Clap(help)) => help.exit(),
        Err(mistake) => mistake.exit(),
    }
}

/// A config from flags and variables alone, for tools.
pub fn parse_or_exit<C: Parser>() -> C {
    C::try_parse().unwrap_or_else(|error| {
        if is_help(&error) {
            error.exit();
        }
        Mistake::of_clap(&error, C::command(), None).exit()
    })
}

/// All arguments of a process, those of its config file included.
pub fn command<C: Parser>() -> Command {
    let flag = |name: &'static str| Arg::new(name).long(name).help_heading(HEADING);
    C::command()
        .arg(
            flag(CONFIG)
                .value_name("FILE")
                .env("VELELLA_CONFIG")
                .value_parser(value_parser!(PathBuf))
                .help("TOML file with settings, named as the flags are; flags and variables win over it"),
        )
        .arg(flag(CHECK).action(ArgAction::SetTrue).help("Check the config, and start nothing"))
        .arg(flag(PRINT).action(ArgAction::SetTrue).help("Print the config that results, without secrets"))
}

fn is_help(error: &clap::Error) -> bool {
    matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
}

fn read<C: Parser>(arguments: &[OsString], environment: &Environment, foreign: Foreign) -> Result<Read<C>, Mistake> {
    // Flags alone come first: they may ask for help, or name the file.
    let flags = match command::<C>().mut_args(|a| a.required(false)).try_get_matches_from(arguments) {
        Ok(flags) => flags,
        Err(error) if is_help(&error) => return Ok(Read::Clap(error)),
        Err(error) => return Err(Mistake::of_clap(&error, command::<C>(), None)),
    };
    let (settings, notices) = settings(&command::<C>(), &flags, environment, foreign)?;
    let layered = command::<C>().mut_args(|argument| layer(argument, &settings));
    let found = layered
        .clone()
        .try_get_matches_from(arguments)
        .and_then(|matches| Ok((C::from_arg_matches(&matches)?, matches)));
    let (config, matches) = found.map_err(|error| Mistake::of_clap(&error, layered.clone(), Some(&settings)))?;
    let listing = listing::listing(&layered, &matches, &settings);
    if matches.get_flag(PRINT) {
        return Ok(Read::Print(listing));
    }
    if matches.get_flag(CHECK) {
        return Ok(Read::Print("the config is good\n".to_owned()));
    }
    Ok(Read::Run(Loaded { config, notices, listing }))
}

type Settings = BTreeMap<String, Setting>;

/// What the layers below the flags say; the first that names a setting wins.
fn settings(
    command: &Command,
    flags: &ArgMatches,
    environment: &Environment,
    foreign: Foreign,
) -> Result<(Settings, Vec<String>), Mistake> {
    let (own, mut notices) = environment.own(command, foreign)?;
    let path = flags.get_one::<PathBuf>(CONFIG).cloned().or_else(|| environment.get("VELELLA_CONFIG").map(Into::into));
    let in_file = path.map_or(Ok(Vec::new()), |path| from_file(command, &path))?;
    let mut settings = Settings::new();
    for setting in own.into_iter().chain(in_file) {
        match settings.get(&setting.name) {
            None => drop(settings.insert(setting.name.clone(), setting)),
            // A file is a base to differ from; two variables are a mistake that shows too late.
            Some(winner) if setting.origin.contains(file::JOINT) || winner.values == setting.values => {}
            Some(winner) => notices.push(format!(
                "{} and {} are both set and differ: {} wins",
                winner.origin, setting.origin, winner.origin
            )),
        }
    }
    Ok((settings, notices))
}

fn from_file(command: &Command, path: &Path) -> Result<Vec<Setting>, Mistake> {
    let text = file::text(path)?;
    file::settings(&text, path, &file::keys(command))
}

fn layer(argument: Arg, settings: &Settings) -> Arg {
    match argument.get_long().and_then(|name| settings.get(name)) {
        Some(setting) => argument.required(false).default_values(setting.values.clone()),
        None => argument,
    }
}

#[cfg(test)]
mod tests;
