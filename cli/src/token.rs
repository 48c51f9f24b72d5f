//! Which management token opens the coordinator.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};

use velella_ops::Secret;

use crate::command::Access;
use crate::failure::Failure;

/// Of an all-in-one that was given none; it listens on this machine alone.
const DEVELOPMENT: &str = "development";
const FILE_VARIABLE: &str = "VELELLA_MANAGEMENT_TOKEN_FILE";
/// More is not a token.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The one that is given, or else the one in the file, or else that of development on this machine.
pub(crate) fn of(access: &Access) -> Result<Secret, Failure> {
    choose(access, std::env::var_os(FILE_VARIABLE))
}

fn choose(access: &Access, file: Option<OsString>) -> Result<Secret, Failure> {
    if let Some(token) = &access.token {
        return Ok(token.clone());
    }
    let text = match file {
        Some(path) => text(&path).map_err(|error| {
            Failure::Usage(format!("cannot read {}: {error} ({FILE_VARIABLE})", path.to_string_lossy()))
        })?,
        None if access.url.is_loopback() => DEVELOPMENT.to_owned(),
        None => {
            let sentence = format!("no token for {}: set VELELLA_MANAGEMENT_TOKEN, or give --token", access.url);
            return Err(Failure::Usage(sentence));
        }
    };
    text.parse().map_err(|error| Failure::Usage(format!("{error} ({FILE_VARIABLE})")))
}

fn text(path: &OsString) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    // Editors end files with a line break, which is no part of the secret.
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Format;

    fn access(url: &str, token: Option<&str>) -> Access {
        let token = token.map(|token| token.parse().unwrap());
        Access { url: url.parse().unwrap(), token, output: Format::Table }
    }

    #[test]
    fn only_this_machine_is_tried_with_the_well_known_token() {
        assert!(choose(&access("http://127.0.0.1:5002", None), None).unwrap().matches("development"));
        let refused = choose(&access("http://192.0.2.1", None), None).unwrap_err();
        let sentence = "no token for http://192.0.2.1: set VELELLA_MANAGEMENT_TOKEN, or give --token";
        assert_eq!(refused.to_string(), sentence);
    }

    #[test]
    fn a_file_may_hold_it_and_a_flag_wins() {
        let path = std::env::temp_dir().join(format!("velella-cli-{}-token", std::process::id()));
        std::fs::write(&path, "hunter22\n").unwrap();
        let file = || Some(path.clone().into_os_string());
        assert!(choose(&access("http://192.0.2.1", None), file()).unwrap().matches("hunter22"));
        assert!(choose(&access("http://192.0.2.1", Some("flag")), file()).unwrap().matches("flag"));
        std::fs::remove_file(&path).unwrap();
        let sentence = choose(&access("http://127.0.0.1", None), file()).unwrap_err().to_string();
        assert!(sentence.starts_with("cannot read ") && sentence.ends_with("(VELELLA_MANAGEMENT_TOKEN_FILE)"));
    }
}
