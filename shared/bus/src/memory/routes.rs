//! Who receives what is published to a subject.
//!
//! Subjects are tokens joined by dots. Exact subscriptions are found by key; the few with wildcards
//! are tried one after the other.

use std::collections::HashMap;

use crate::Delivery;
use crate::subscription::Feed;

#[derive(Debug, Default)]
pub(super) struct Routes {
    exact: HashMap<String, Vec<Route>>,
    wildcard: Vec<(String, Route)>,
    ids: u64,
}

#[derive(Debug)]
struct Route {
    id: u64,
    feed: Feed,
}

impl Routes {
    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(super) fn insert(&mut self, pattern: &str, id: u64, feed: Feed) {
        let route = Route { id, feed };
        if is_wildcard(pattern) {
            self.wildcard.push((pattern.to_owned(), route));
        } else {
            self.exact.entry(pattern.to_owned()).or_default().push(route);
        }
    }

    pub(super) fn remove(&mut self, pattern: &str, id: u64) {
        self.wildcard.retain(|(_, route)| route.id != id);
        if let Some(routes) = self.exact.get_mut(pattern) {
            routes.retain(|route| route.id != id);
            if routes.is_empty() {
                self.exact.remove(pattern);
            }
        }
    }

    /// Hands the message to everyone whose pattern matches; returns how many these are.
    pub(super) fn deliver(&self, subject: &str, delivery: &Delivery) -> usize {
        let exact = self.exact.get(subject).into_iter().flatten();
        let wildcard = self.wildcard.iter().filter(|(pattern, _)| matches(pattern, subject)).map(|(_, route)| route);
        exact.chain(wildcard).map(|route| route.feed.deliver(delivery.clone())).count()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.exact.values().map(Vec::len).sum::<usize>() + self.wildcard.len()
    }
}

fn is_wildcard(pattern: &str) -> bool {
    pattern.split('.').any(|token| token == "*" || token == ">")
}

/// `*` is any one token; `>` at the end is one or more.
fn matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    let mut wanted = pattern.split('.').peekable();
    while let Some(want) = wanted.next() {
        let Some(token) = tokens.next() else { return false };
        if want == ">" && wanted.peek().is_none() {
            return true;
        }
        if want != "*" && want != token {
            return false;
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_nats_does() {
        for (pattern, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("*.b", "a.b", true),
            ("a.*.c", "a.b.c", true),
            ("a.>", "a.b", true),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a.b", true),
            ("a.b*", "a.bc", false),
        ] {
            assert_eq!(matches(pattern, subject), expected, "{pattern} on {subject}");
        }
    }
}
