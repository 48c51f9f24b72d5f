//! The rules, and the ledger of how often each was checked and broken.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// Violations that are kept whole for each rule; further ones are only counted.
const KEPT_PER_RULE: usize = 20;

/// Lines of a playlist that an excerpt shows.
const EXCERPT_LINES: usize = 14;

/// What is demanded of a live stream. `S…` are rows of rfc8216bis-22, `M…` are about the media behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Rule {
    Syntax,
    S1,
    S2,
    S3,
    S4,
    S5,
    S6,
    S7,
    S8,
    S9,
    S10,
    S11,
    S12,
    S13,
    S14,
    S15,
    S17,
    S18,
    M1,
    M2,
    M3,
}

impl Rule {
    pub const ALL: [Self; 21] = [
        Self::Syntax,
        Self::S1,
        Self::S2,
        Self::S3,
        Self::S4,
        Self::S5,
        Self::S6,
        Self::S7,
        Self::S8,
        Self::S9,
        Self::S10,
        Self::S11,
        Self::S12,
        Self::S13,
        Self::S14,
        Self::S15,
        Self::S17,
        Self::S18,
        Self::M1,
        Self::M2,
        Self::M3,
    ];

    /// What it demands, with its section of rfc8216bis-22.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Syntax => "playlists follow the grammar (4)",
            Self::S1 => "the target duration stays, no segment is longer (4.4.3.1, 6.2.1)",
            Self::S2 => "parts: at most the part target, at least 85 % of it, adding up to their segment (4.4.4.9)",
            Self::S3 => "hold-backs and skip boundary are long enough (4.4.3.8)",
            Self::S4 => "all renditions have the same server control and target duration (6.2.4)",
            Self::S5 => "only allowed edits between reloads (6.2.1)",
            Self::S6 => "parts leave late and stay downloadable (6.2.2)",
            Self::S7 => "segments leave late and stay downloadable (6.2.2)",
            Self::S8 => "changes are marked as discontinuities, and those are counted (6.2.1, 6.2.2)",
            Self::S9 => "missing time is marked as gaps, the clock goes on (6.2.1)",
            Self::S10 => "new segments and parts come in time (6.2.1)",
            Self::S11 => "blocking reload waits, answers and refuses as written (6.2.5.2)",
            Self::S12 => "delta updates skip only what they may (6.2.5.1)",
            Self::S13 => "hints can be requested and become parts (6.2.6)",
            Self::S14 => "low-latency profile: dates, hints, reports that are true, HTTP/2, priorities, gzip (B.1)",
            Self::S15 => "caches are told the recommended lifetimes (B.1)",
            Self::S17 => "renditions are aligned (6.2.4)",
            Self::S18 => "the version is the one that is needed (8)",
            Self::M1 => "decode times are continuous",
            Self::M2 => "a segment is its parts",
            Self::M3 => "independent parts begin with a sync sample",
        }
    }
}

/// How much the specification means it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Level {
    Must,
    Should,
}

/// A rule that was broken, by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    pub rule: Rule,
    pub level: Level,
    pub sentence: String,
    /// What was requested when it showed.
    pub url: String,
    /// When it showed first, since the checker began.
    pub at_ms: u64,
    /// How often the same was seen.
    pub times: u64,
    /// Lines of the playlist as they were and as they are.
    pub before: String,
    pub after: String,
}

/// A sentence with the lines that show it.
pub(crate) struct Finding {
    sentence: String,
    before: String,
    after: String,
}

impl Finding {
    pub(crate) fn between(sentence: String, before: &str, after: &str) -> Self {
        Self { sentence, before: first_lines(before), after: first_lines(after) }
    }

    pub(crate) fn shown(sentence: String, after: &str) -> Self {
        Self::between(sentence, "", after)
    }
}

impl From<String> for Finding {
    fn from(sentence: String) -> Self {
        Self { sentence, before: String::new(), after: String::new() }
    }
}

impl From<&str> for Finding {
    fn from(sentence: &str) -> Self {
        sentence.to_owned().into()
    }
}

/// Checks and violations of one rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    pub checked: u64,
    pub must: u64,
    pub should: u64,
    /// The first few different ones.
    pub violations: Vec<Violation>,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rows: BTreeMap<Rule, Row>,
}

impl Ledger {
    pub(crate) fn row(&self, rule: Rule) -> Row {
        self.rows.get(&rule).cloned().unwrap_or_default()
    }

    fn break_rule(&mut self, violation: Violation) {
        let row = self.rows.entry(violation.rule).or_default();
        match violation.level {
            Level::Must => row.must += 1,
            Level::Should => row.should += 1,
        }
        // The same of another object is no news.
        let same = |kept: &&mut Violation| kept.sentence == violation.sentence;
        if let Some(kept) = row.violations.iter_mut().find(same) {
            kept.times += 1;
        } else if row.violations.len() < KEPT_PER_RULE {
            row.violations.push(violation);
        }
    }
}

/// Where a check happens: what was requested, when.
pub(crate) struct Scene<'a> {
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) url: &'a str,
    pub(crate) at: Duration,
}

impl Scene<'_> {
    pub(crate) fn must<F: Into<Finding>>(&mut self, rule: Rule, holds: bool, finding: impl FnOnce() -> F) {
        self.check(rule, Level::Must, holds, || finding().into());
    }

    pub(crate) fn should<F: Into<Finding>>(&mut self, rule: Rule, holds: bool, finding: impl FnOnce() -> F) {
        self.check(rule, Level::Should, holds, || finding().into());
    }

    fn check(&mut self, rule: Rule, level: Level, holds: bool, finding: impl FnOnce() -> Finding) {
        self.ledger.rows.entry(rule).or_default().checked += 1;
        if holds {
            return;
        }
        let Finding { sentence, before, after } = finding();
        let (url, at_ms) = (self.url.to_owned(), u64::try_from(self.at.as_millis()).unwrap_or(u64::MAX));
        self.ledger.break_rule(Violation { rule, level, sentence, url, at_ms, times: 1, before, after });
    }
}

fn first_lines(text: &str) -> String {
    text.lines().take(EXCERPT_LINES).collect::<Vec<_>>().join("\n")
}
