//! Attribute lists (section 4.2): `NAME=value,NAME="value"`, each name once, no spaces.

use std::time::Duration;

use super::value;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Quoted(String),
    Bare(String),
}

/// The attributes of one tag. Names that nobody asks for are kept and ignored, as section 6.3.1 wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attributes(Vec<(String, Value)>);

impl Attributes {
    /// # Errors
    /// A sentence about what is not of the grammar.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut list: Vec<(String, Value)> = Vec::new();
        let mut rest = text;
        loop {
            let (name, after) = rest.split_once('=').ok_or_else(|| format!("\"{rest}\" has no '='"))?;
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-') {
                return Err(format!("\"{name}\" is no attribute name"));
            }
            if list.iter().any(|(known, _)| known == name) {
                return Err(format!("{name} stands twice"));
            }
            let (value, tail) = split_value(after).ok_or_else(|| format!("{name} has no well-formed value"))?;
            list.push((name.to_owned(), value));
            match tail.strip_prefix(',') {
                Some(next) => rest = next,
                None if tail.is_empty() => return Ok(Self(list)),
                None => return Err(format!("\"{tail}\" follows the value of {name}")),
            }
        }
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub(super) fn any_starts_with(&self, prefix: &str) -> bool {
        self.0.iter().any(|(name, _)| name.starts_with(prefix))
    }

    pub(super) fn quoted(&self, name: &str) -> Result<Option<String>, String> {
        match self.find(name) {
            None => Ok(None),
            Some(Value::Quoted(text)) => Ok(Some(text.clone())),
            Some(Value::Bare(_)) => Err(format!("{name} must be a quoted-string")),
        }
    }

    pub(super) fn bare(&self, name: &str) -> Result<Option<&str>, String> {
        match self.find(name) {
            None => Ok(None),
            Some(Value::Bare(text)) => Ok(Some(text)),
            Some(Value::Quoted(_)) => Err(format!("{name} must not be quoted")),
        }
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<u64>, String> {
        self.bare(name)?.map(value::integer).transpose().map_err(|why| format!("{name}: {why}"))
    }

    pub(super) fn seconds(&self, name: &str) -> Result<Option<Duration>, String> {
        self.bare(name)?.map(value::seconds).transpose().map_err(|why| format!("{name}: {why}"))
    }

    /// An attribute whose only value is `YES`.
    pub(super) fn yes(&self, name: &str) -> Result<bool, String> {
        match self.bare(name)? {
            None => Ok(false),
            Some("YES") => Ok(true),
            Some(other) => Err(format!("{name} can only be YES, not {other}")),
        }
    }

    /// `YES` or `NO`, the latter when absent.
    pub(super) fn yes_or_no(&self, name: &str) -> Result<bool, String> {
        Ok(self.bare(name)? != Some("NO") && self.yes(name)?)
    }
}

/// Makes the absence of an attribute an error.
pub(super) fn required<T>(name: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("{name} is missing"))
}

fn split_value(text: &str) -> Option<(Value, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (inside, tail) = quoted.split_once('"')?;
        return Some((Value::Quoted(inside.to_owned()), tail));
    }
    let (bare, tail) = text.split_at(text.find(',').unwrap_or(text.len()));
    let well_formed = !bare.is_empty() && !bare.contains(|c: char| c == '"' || c.is_whitespace());
    well_formed.then(|| (Value::Bare(bare.to_owned()), tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_belong_to_quoted_strings() {
        let list = Attributes::parse("URI=\"a,b=c\",DURATION=0.5,GAP=YES").unwrap();
        assert_eq!(list.quoted("URI"), Ok(Some("a,b=c".to_owned())));
        assert_eq!(list.seconds("DURATION"), Ok(Some(Duration::from_millis(500))));
        assert_eq!(list.yes("GAP"), Ok(true));
        assert_eq!(list.yes("INDEPENDENT"), Ok(false));
    }

    #[test]
    fn what_is_not_of_the_grammar_is_refused() {
        for text in ["", "A", "A=", "a=1", "A=1,", "A=1,A=2", "A=\"1", "A= 1", "A=1 ,B=2", "A=\"1\"2"] {
            assert!(Attributes::parse(text).is_err(), "{text:?}");
        }
        let list = Attributes::parse("URI=bare,GAP=NO").unwrap();
        assert!(list.quoted("URI").is_err() && list.yes("GAP").is_err());
    }
}
