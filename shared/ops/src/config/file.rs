//! The config file: TOML, one key for each flag, no tables.

use std::io::Read;
use std::path::Path;

use clap::Command;
use toml::{Table, Value};

use super::{CHECK, CONFIG, Mistake, PRINT, Setting};

/// Largest config file, and largest file of a secret; more is not a config.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Stands in the origin of whatever comes from a file, between key and path.
pub(super) const JOINT: &str = " in ";

/// How alike two names must be for one to be suggested for the other, from 0 to 1.
const LIKENESS_MIN: f64 = 0.8;

/// A whole file, if it is a sensible one.
pub(super) fn text(path: &Path) -> Result<String, Mistake> {
    let unreadable = |error: &dyn std::fmt::Display| Mistake::new(format!("cannot read {}: {error}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(&format_args!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// What may stand in the file: every flag but those about files.
pub(super) fn keys(command: &Command) -> Vec<String> {
    let names = command.get_arguments().filter_map(|argument| argument.get_long());
    names.filter(|name| ![CONFIG, CHECK, PRINT].contains(name)).map(str::to_owned).collect()
}

/// The settings of a file.
pub(super) fn settings(text: &str, path: &Path, keys: &[String]) -> Result<Vec<Setting>, Mistake> {
    let path = path.display();
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count());
        let words = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        Mistake::new(format!("{path} is not TOML, line {line}: {words}"))
    })?;
    let setting = |(key, value): (String, Value)| {
        if !keys.contains(&key) {
            let hint = nearest(&key, keys).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
            return Err(Mistake::new(format!("unknown key `{key}` in {path}{hint}")));
        }
        let values = texts(value).map_err(|found| Mistake::new(format!("`{key}` in {path} is {found}")))?;
        let origin = format!("{key}{JOINT}{path}");
        Ok(Setting { name: key, values, origin })
    };
    table.into_iter().map(setting).collect()
}

/// The name that somebody may have meant.
pub(super) fn nearest<'a>(name: &str, names: &'a [String]) -> Option<&'a str> {
    let likeness = |other: &&String| strsim::jaro_winkler(&name.to_lowercase().replace('_', "-"), other);
    let best = names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&best) >= LIKENESS_MIN).then_some(best)
}

fn texts(value: Value) -> Result<Vec<String>, &'static str> {
    match value {
        Value::Array(values) => values.into_iter().map(text_of).collect(),
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Table(_) => Ok(vec![text_of(value)?]),
    }
}

fn text_of(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(truth) => Ok(truth.to_string()),
        Value::Datetime(_) => Err("a date, which no setting takes"),
        Value::Table(_) => Err("a table, which no setting takes"),
        Value::Array(_) => Err("a list of lists, which no setting takes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, Vec<String>)>, String> {
        let keys = ["listen", "advertise-ip", "demo", "workers"].map(str::to_owned);
        let settings = settings(text, Path::new("/etc/v.toml"), &keys).map_err(|mistake| mistake.to_string())?;
        Ok(settings.into_iter().map(|s| (s.name, s.values)).collect())
    }

    #[test]
    fn scalars_and_lists_become_texts() {
        let found = read("workers = 3\ndemo = false\nadvertise-ip = ['192.0.2.1', '::1']").unwrap();
        let expected = [("advertise-ip", vec!["192.0.2.1", "::1"]), ("demo", vec!["false"]), ("workers", vec!["3"])];
        let expected = expected.map(|(k, v)| (k.to_owned(), v.into_iter().map(str::to_owned).collect()));
        assert_eq!(found, expected);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_file_and_neighbour() {
        let sentence = |text| read(text).unwrap_err();
        assert_eq!(sentence("lisen = 'x'"), "unknown key `lisen` in /etc/v.toml; did you mean `listen`?");
        assert_eq!(
            sentence("advertise_ip = 'x'"),
            "unknown key `advertise_ip` in /etc/v.toml; did you mean `advertise-ip`?"
        );
        assert_eq!(sentence("colour = 'blue'"), "unknown key `colour` in /etc/v.toml");
    }

    #[test]
    fn what_is_no_setting_is_one_sentence() {
        assert_eq!(read("demo = {}").unwrap_err(), "`demo` in /etc/v.toml is a table, which no setting takes");
        assert!(read("demo = 1979-05-27").unwrap_err().contains("a date"));
        assert!(read("a = 1\nb =").unwrap_err().starts_with("/etc/v.toml is not TOML, line 2: "));
    }

    #[test]
    fn a_file_of_any_size_is_not_read() {
        assert!(text(Path::new("/dev/zero")).is_err());
        assert!(text(Path::new("/nowhere/at/all")).unwrap_err().to_string().starts_with("cannot read /nowhere/at/all"));
    }
}
