//! The query of a list: where a page begins, how long it is, and what it is of.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::http::failure::Failure;

/// Entries of a page unless somebody asks for more.
const LIMIT_DEFAULT: usize = 50;

/// Entries of a page at most.
const LIMIT_MAX: usize = 500;

/// What stands behind the `?`; every key is taken once, and what is left over is refused.
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// A value of its type; empty is as good as absent.
    pub(crate) fn take<T: FromStr<Err: Display>>(&mut self, key: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.0.remove(key).filter(|text| !text.is_empty()) else { return Ok(None) };
        text.parse().map(Some).map_err(|error| Failure::bad_request(format!("Invalid {key}: {error}")))
    }

    pub(crate) fn limit(&mut self) -> Result<usize, Failure> {
        let limit = self.take("limit")?.unwrap_or(LIMIT_DEFAULT);
        if (1..=LIMIT_MAX).contains(&limit) {
            return Ok(limit);
        }
        Err(Failure::bad_request(format!("Expected limit to be between 1 and {LIMIT_MAX}, got: {limit}")))
    }

    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(key) => Err(Failure::bad_request(format!("Unexpected parameter: {key}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use velella_model::WorkerId;

    #[test]
    fn a_query_is_read_once_into_types() {
        let mut query = query(&[("worker", "w1"), ("after", ""), ("limit", "7")]);
        assert_eq!(query.take("worker"), Ok(Some(WorkerId::parse("w1").unwrap())));
        assert_eq!(query.take::<WorkerId>("after"), Ok(None));
        assert_eq!(query.limit(), Ok(7));
        assert_eq!(query.limit(), Ok(LIMIT_DEFAULT));
        assert_eq!(query.finish(), Ok(()));
    }

    #[test]
    fn what_cannot_be_read_is_told_back() {
        for limit in ["0", "501", "-1", "many"] {
            assert!(query(&[("limit", limit)]).limit().is_err(), "{limit}");
        }
        assert!(query(&[("worker", "a b")]).take::<WorkerId>("worker").is_err());
        let left = query(&[("colour", "red")]).finish();
        assert_eq!(left, Err(Failure::bad_request("Unexpected parameter: colour".into())));
    }

    fn query(pairs: &[(&str, &str)]) -> Query {
        Query::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }
}
