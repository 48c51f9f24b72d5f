//! The outcome: a row for each rule, as a table for people and as JSON.

use std::fmt::Write;

use serde::Serialize;

use crate::playlist::MediaPlaylist;
use crate::rule::{Ledger, Level, Row, Rule, Violation};

#[derive(Debug, Serialize)]
pub struct Report {
    pub observed: u64,
    pub rules: Vec<Outcome>,
}

#[derive(Debug, Serialize)]
pub struct Outcome {
    pub rule: Rule,
    pub text: &'static str,
    /// Why nothing could be checked, where nothing was.
    pub not_checked: Option<&'static str>,
    #[serde(flatten)]
    pub row: Row,
}

impl Report {
    pub(crate) fn new(ledger: &Ledger, observed: u64, playlists: &[&MediaPlaylist]) -> Self {
        let outcome = |rule: Rule| {
            let row = ledger.row(rule);
            let not_checked = (row.checked == 0).then(|| why_not(rule, playlists));
            Outcome { rule, text: rule.text(), not_checked, row }
        };
        Self { observed, rules: Rule::ALL.map(outcome).into() }
    }

    /// How often a MUST was broken.
    #[must_use]
    pub fn musts(&self) -> u64 {
        self.rules.iter().map(|outcome| outcome.row.must).sum()
    }

    /// How often a SHOULD was broken.
    #[must_use]
    pub fn shoulds(&self) -> u64 {
        self.rules.iter().map(|outcome| outcome.row.should).sum()
    }

    pub fn violations(&self) -> impl Iterator<Item = &Violation> {
        self.rules.iter().flat_map(|outcome| &outcome.row.violations)
    }

    #[must_use]
    pub fn row(&self, rule: Rule) -> Option<&Outcome> {
        self.rules.iter().find(|outcome| outcome.rule == rule)
    }

    /// The table, and below it each violation with the lines that show it.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!("{:<7}{:>9}{:>7}{:>8}  what it demands\n", "rule", "checked", "must", "should");
        for Outcome { rule, text: demand, not_checked, row } in &self.rules {
            let rule = format!("{rule:?}");
            let _ = match not_checked {
                Some(why) => writeln!(text, "{rule:<7}{:>9}{:>7}{:>8}  {demand}: {why}", "-", "", ""),
                None => writeln!(text, "{rule:<7}{:>9}{:>7}{:>8}  {demand}", row.checked, row.must, row.should),
            };
        }
        let (musts, shoulds) = (self.musts(), self.shoulds());
        let _ = writeln!(text, "{} answers; MUST broken {musts} times, SHOULD {shoulds} times", self.observed);
        self.violations().for_each(|violation| tell(&mut text, violation));
        text
    }
}

fn tell(text: &mut String, violation: &Violation) {
    let level = if violation.level == Level::Must { "MUST" } else { "SHOULD" };
    let Violation { rule, at_ms, times, sentence, url, .. } = violation;
    let _ = writeln!(text, "\n{rule:?} {level}, {times} times, first at {at_ms} ms: {sentence}\n  {url}");
    for (sign, lines) in [('-', &violation.before), ('+', &violation.after)] {
        for line in lines.lines() {
            let _ = writeln!(text, "  {sign} {line}");
        }
    }
}

/// A rule that was not checked is about something that the server does not offer, or that did not happen.
fn why_not(rule: Rule, playlists: &[&MediaPlaylist]) -> &'static str {
    let offers = |offered: fn(&MediaPlaylist) -> bool| playlists.iter().any(|playlist| offered(playlist));
    let offered = match rule {
        Rule::S2 | Rule::S6 | Rule::S14 | Rule::S15 | Rule::M2 | Rule::M3 => offers(|p| p.part_target.is_some()),
        Rule::S3 => offers(|p| p.control.is_some()),
        Rule::S4 | Rule::S17 => playlists.len() > 1,
        Rule::S11 => offers(MediaPlaylist::can_block_reload),
        Rule::S12 => offers(|p| p.can_skip_until().is_some()),
        Rule::S13 => offers(|p| !p.hints.is_empty()),
        Rule::M1 => offers(|p| p.segments.iter().any(|segment| segment.map.is_some())),
        Rule::Syntax | Rule::S1 | Rule::S5 | Rule::S7 | Rule::S8 | Rule::S9 | Rule::S10 | Rule::S18 => true,
    };
    if offered { "did not happen" } else { "not offered" }
}
