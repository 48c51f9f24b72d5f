//! What was seen, and how it is told.

use std::fmt::{self, Display};

use serde_json::{Value, json};

use super::{Policy, Setting};

/// Load of the busiest worker over the mean, in permille.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Mean over all samples.
    pub mean_permille: u64,
    /// What one of a hundred samples exceeds.
    pub p99_permille: u64,
}

impl FromIterator<u64> for Figures {
    fn from_iter<I: IntoIterator<Item = u64>>(ratios: I) -> Self {
        let mut ratios: Vec<u64> = ratios.into_iter().collect();
        ratios.sort_unstable();
        let mean_permille = ratios.iter().sum::<u64>() / (ratios.len() as u64).max(1);
        let p99_permille = ratios.get(ratios.len() * 99 / 100).copied().unwrap_or(0);
        Self { mean_permille, p99_permille }
    }
}

/// One policy in one setting.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// How many workers, how old the reports.
    pub setting: Setting,
    /// Whose figures.
    pub policy: Policy,
    /// The figures.
    pub figures: Figures,
}

impl Row {
    /// What stands above the rows.
    pub const HEAD: &'static str = "workers  report every  policy               mean    p99";

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "workers": self.setting.workers,
            "report_every_s": self.setting.report_every.as_secs(),
            "policy": self.policy.name(),
            "max_over_mean_permille": { "mean": self.figures.mean_permille, "p99": self.figures.p99_permille },
        })
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, policy, figures } = self;
        let (every, name) = (setting.report_every.as_secs(), policy.name());
        let (mean, p99) = (figures.mean_permille, figures.p99_permille);
        let ratio = |permille: u64| format!("{}.{:03}", permille / 1_000, permille % 1_000);
        write!(f, "{:>7}  {every:>10} s  {name:<18}  {}  {}", setting.workers, ratio(mean), ratio(p99))
    }
}
