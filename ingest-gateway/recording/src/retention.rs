//! Which recordings to delete: too old ones, and the oldest while there are too many bytes.

use std::time::Duration;

/// A recording that is kept. Those that run are none yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub id: String,
    /// When it ended, since 1970.
    pub ended: Duration,
    /// Of all its files.
    pub bytes: u64,
    /// Not to be deleted yet: it is being finished, uploaded or sent.
    pub in_use: bool,
}

/// How much is kept; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// At most this old.
    pub age_max: Option<Duration>,
    /// At most so many bytes of all.
    pub bytes_max: Option<u64>,
}

/// The ids of those to delete now, the oldest first. `now` is the time since 1970.
#[must_use]
pub fn expired(kept: &[Kept], limits: Limits, now: Duration) -> Vec<String> {
    let mut free: Vec<&Kept> = kept.iter().filter(|kept| !kept.in_use).collect();
    free.sort_by(|one, other| (one.ended, &one.id).cmp(&(other.ended, &other.id)));
    let mut bytes = kept.iter().fold(0_u64, |sum, kept| sum.saturating_add(kept.bytes));
    let goes = |kept: &&Kept| {
        let too_old = limits.age_max.is_some_and(|age_max| now.saturating_sub(kept.ended) > age_max);
        let too_much = limits.bytes_max.is_some_and(|bytes_max| bytes > bytes_max);
        if too_old || too_much {
            bytes = bytes.saturating_sub(kept.bytes);
        }
        too_old || too_much
    };
    free.into_iter().take_while(goes).map(|kept| kept.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn kept(id: &str, ended_hours: u32, bytes: u64) -> Kept {
        Kept { id: id.to_owned(), ended: HOUR * ended_hours, bytes, in_use: false }
    }

    #[test]
    fn old_ones_go_and_then_the_oldest_of_too_many() {
        let all = [kept("c", 9, 5), kept("a", 1, 5), kept("b", 6, 5)];
        let age = Limits { age_max: Some(HOUR * 5), bytes_max: None };
        assert_eq!(expired(&all, age, HOUR * 10), ["a"]);
        let both = Limits { bytes_max: Some(7), ..age };
        assert_eq!(expired(&all, both, HOUR * 10), ["a", "b"]);
        assert!(expired(&all, Limits::default(), HOUR * 1_000).is_empty());
    }

    #[test]
    fn one_in_use_stays_and_counts() {
        let all = [Kept { in_use: true, ..kept("a", 1, 50) }, kept("b", 2, 5), kept("c", 3, 5)];
        let limits = Limits { age_max: None, bytes_max: Some(54) };
        assert_eq!(expired(&all, limits, HOUR * 4), ["b", "c"]);
    }
}
