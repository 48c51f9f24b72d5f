//! Variables: our own, the files that hold secrets, and those of servers that we stand in for.

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Arg, Command};

use super::file;
use super::{Mistake, Setting};

/// How our own variables begin.
const PREFIX: &str = "VELELLA_";

/// `VELELLA_MANAGEMENT_TOKEN_FILE` names a file that holds `VELELLA_MANAGEMENT_TOKEN`.
const FILE_SUFFIX: &str = "_FILE";

/// Reads variables of other servers: what they set here, and the names of those that set nothing.
pub type Foreign = fn(&Environment) -> Result<(Vec<Setting>, Vec<String>), Mistake>;

/// The variables of a process.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this one. What is not UTF-8 is none of ours.
    pub(super) fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names that are set, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What variables set, strongest first, and what they are told about that.
    pub(super) fn own(&self, command: &Command, foreign: Foreign) -> Result<(Vec<Setting>, Vec<String>), Mistake> {
        let mut settings = Vec::new();
        let mut known = Vec::new();
        for argument in command.get_arguments() {
            let Some((name, variable)) = names(argument) else { continue };
            if let Some(value) = self.get(&variable) {
                settings.push(Setting { name, values: vec![value.to_owned()], origin: variable.clone() });
            } else if let Some(value) = self.secret(argument, &variable)? {
                settings.push(Setting { name, values: vec![value], origin: format!("{variable}{FILE_SUFFIX}") });
            }
            if argument.is_hide_env_values_set() {
                known.push(format!("{variable}{FILE_SUFFIX}"));
            }
            known.push(variable);
        }
        let (others, mut unused) = foreign(self)?;
        settings.extend(others);
        unused
            .extend(self.names().filter(|n| n.starts_with(PREFIX) && !known.iter().any(|k| k == n)).map(str::to_owned));
        let notice = (!unused.is_empty()).then(|| format!("set but not used: {}", unused.join(", ")));
        Ok((settings, notice.into_iter().collect()))
    }

    /// A secret whose file is named instead of itself, as Docker and Kubernetes hand them out.
    fn secret(&self, argument: &Arg, variable: &str) -> Result<Option<String>, Mistake> {
        if !argument.is_hide_env_values_set() {
            return Ok(None);
        }
        let Some(path) = self.get(&format!("{variable}{FILE_SUFFIX}")) else { return Ok(None) };
        let text = file::text(Path::new(path))
            .map_err(|mistake| Mistake::new(format!("{mistake} ({variable}{FILE_SUFFIX})")))?;
        // Editors end files with a line break, which is no part of the secret.
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

fn names(argument: &Arg) -> Option<(String, String)> {
    Some((argument.get_long()?.to_owned(), argument.get_env()?.to_str()?.to_owned()))
}
