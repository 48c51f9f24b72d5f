//! A line through the sender reports of one track: its RTP clock on the sender's NTP clock.

use std::collections::VecDeque;

/// Reports that the line goes through.
const KEPT_MAX: usize = 20;
/// From so many on, spread over a few seconds, the line has its own slope; before, the clock counts as exact.
const SLOPE_FROM: usize = 4;
const SLOPE_SECONDS_MIN: f64 = 5.0;
/// Clocks of real devices are off by less.
const SLOPE_OFF_MAX: f64 = 0.001;
/// So many reports in a row that do not fit tell that the old ones are wrong.
const OUTLIERS_MAX: usize = 5;
/// A report this near the line fits whatever the others do, in seconds: senders read their clocks when the thread of
/// RTCP happens to run.
const FITS_WITHIN: f64 = 0.05;

/// What a sender report says: the same moment on two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// On the track's clock.
    pub rtp: u32,
    /// On the sender's, in units of 2⁻³² s, from any moment on.
    pub ntp: u64,
}

/// The last reports that fit each other.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    rate_hz: f64,
    /// RTP, and NTP since the first report in seconds.
    kept: VecDeque<(i64, f64)>,
    outliers: Vec<(i64, f64)>,
    /// NTP of the first report.
    base: Option<u64>,
}

/// NTP in seconds = `ntp` + (RTP - `rtp`) * `slope`.
#[derive(Clone, Copy, Debug)]
struct Line {
    rtp: i64,
    ntp: f64,
    slope: f64,
    /// How far reports lie off, in seconds (standard deviation).
    spread: f64,
}

impl Reports {
    pub(crate) fn new(rate_hz: u32) -> Self {
        Self { rate_hz: f64::from(rate_hz.max(1)), kept: VecDeque::new(), outliers: Vec::new(), base: None }
    }

    /// Takes a report; `false` when it does not fit the ones before.
    pub(crate) fn note(&mut self, rtp: i64, ntp: u64) -> bool {
        let base = *self.base.get_or_insert(ntp);
        let report = (rtp, seconds(ntp.wrapping_sub(base).cast_signed()));
        let fits = self.line().is_none_or(|line| {
            let off = report.1 - line.at(rtp);
            off.abs() <= (3.0 * line.spread).max(FITS_WITHIN)
        });
        if fits {
            self.outliers.clear();
            self.kept.push_back(report);
        } else {
            self.note_outlier(report);
        }
        if self.kept.len() > KEPT_MAX {
            self.kept.pop_front();
        }
        fits
    }

    fn note_outlier(&mut self, report: (i64, f64)) {
        self.outliers.push(report);
        // A single one has no word against another; of many, the newer ones are right.
        if self.kept.len() == 1 || self.outliers.len() == OUTLIERS_MAX {
            let from = if self.kept.len() == 1 { self.outliers.len() - 1 } else { 0 };
            self.kept = self.outliers.drain(from..).collect();
            self.outliers.clear();
        }
    }

    /// The sender's clock when the track's shows this, in nanoseconds; `None` before two reports fit each other.
    pub(crate) fn ntp_ns(&self, rtp: i64) -> Option<i64> {
        if self.kept.len() < 2 {
            return None;
        }
        let since_base = self.line()?.at(rtp) * 1e9;
        #[expect(clippy::cast_possible_truncation, reason = "floats saturate, and years of nanoseconds fit")]
        Some(nanos(self.base?).saturating_add(since_base as i64))
    }

    /// Least squares, about the means so that large counts cost no precision.
    fn line(&self) -> Option<Line> {
        let first = self.kept.front()?.0;
        let count = f64::from(u32::try_from(self.kept.len()).ok()?);
        let points = || self.kept.iter().map(|(rtp, ntp)| (exact(rtp - first), *ntp));
        let mean_rtp = points().map(|(rtp, _)| rtp).sum::<f64>() / count;
        let mean_ntp = points().map(|(_, ntp)| ntp).sum::<f64>() / count;
        let square = points().map(|(rtp, _)| (rtp - mean_rtp).powi(2)).sum::<f64>();
        let product = points().map(|(rtp, ntp)| (rtp - mean_rtp) * (ntp - mean_ntp)).sum::<f64>();
        let nominal = 1.0 / self.rate_hz;
        let reach = exact(self.kept.back()?.0 - first) / self.rate_hz;
        let fitted = self.kept.len() >= SLOPE_FROM && reach >= SLOPE_SECONDS_MIN && square > 0.0;
        let off = if fitted { (product / square / nominal - 1.0).clamp(-SLOPE_OFF_MAX, SLOPE_OFF_MAX) } else { 0.0 };
        let slope = nominal * (1.0 + off);
        let residuals = points().map(|(rtp, ntp)| (ntp - mean_ntp - (rtp - mean_rtp) * slope).powi(2)).sum::<f64>();
        let ntp = mean_ntp - mean_rtp * slope;
        Some(Line { rtp: first, ntp, slope, spread: (residuals / count).sqrt() })
    }
}

impl Line {
    fn at(self, rtp: i64) -> f64 {
        self.ntp + exact(rtp - self.rtp) * self.slope
    }
}

/// From units of 2⁻³² s; the whole era fits.
fn nanos(ntp: u64) -> i64 {
    i64::try_from((u128::from(ntp) * 1_000_000_000) >> 32).unwrap_or(i64::MAX)
}

/// From units of 2⁻³² s.
fn seconds(ntp: i64) -> f64 {
    exact(ntp) / 4_294_967_296.0
}

/// Differences here are far below 2⁵³ for years.
#[expect(clippy::cast_precision_loss, reason = "see above; what is larger is nonsense and does not fit")]
fn exact(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "numbers of a test are small")]
mod tests {
    use super::*;

    const SECOND: u64 = 1 << 32;

    /// Reports of a clock at 1 000 Hz, in seconds of NTP.
    fn noted(reports: &[(i64, f64)]) -> (Reports, Vec<bool>) {
        let mut line = Reports::new(1_000);
        let fits = reports.iter().map(|(rtp, ntp)| line.note(*rtp, (ntp * SECOND as f64) as u64)).collect();
        (line, fits)
    }

    fn ms_at(line: &Reports, rtp: i64) -> Option<i64> {
        Some((line.ntp_ns(rtp)? as f64 / 1e6).round() as i64)
    }

    #[test]
    fn two_reports_make_a_line_of_the_nominal_slope() {
        let (line, _) = noted(&[(500, 7.0)]);
        assert_eq!(ms_at(&line, 1_500), None);
        let (line, _) = noted(&[(500, 7.0), (1_500, 8.0)]);
        assert_eq!((ms_at(&line, 500), ms_at(&line, 2_500)), (Some(7_000), Some(9_000)));
    }

    #[test]
    fn the_slope_is_the_true_rate_of_the_clock() {
        let reports: Vec<_> = (0..10).map(|n| (n * 1_000, n as f64 * 1.0002)).collect();
        assert_eq!(ms_at(&noted(&reports).0, 100_000), Some(100_020));
    }

    #[test]
    fn a_first_report_that_is_wrong_goes_with_the_second() {
        let (line, fits) = noted(&[(4_294_967_295, 7.0), (1_000, 8.0), (2_000, 9.0)]);
        assert_eq!(fits, [true, false, true]);
        assert_eq!(ms_at(&line, 1_000), Some(8_000));
    }

    #[test]
    fn one_that_does_not_fit_is_left_out_and_five_in_a_row_are_right() {
        let steady = |from: i64, to: i64, off: f64| (from..to).map(move |n| (n * 1_000, n as f64 + off));
        let glitch: Vec<_> = steady(0, 6, 0.0).chain([(6_000, 36.0)]).chain(steady(7, 9, 0.0)).collect();
        let (line, fits) = noted(&glitch);
        assert_eq!(fits.iter().filter(|fits| !**fits).count(), 1);
        assert_eq!(ms_at(&line, 8_000), Some(8_000));
        let stepped: Vec<_> = steady(0, 10, 0.0).chain(steady(10, 15, 2.0)).collect();
        assert_eq!(ms_at(&noted(&stepped).0, 14_000), Some(16_000));
    }
}
