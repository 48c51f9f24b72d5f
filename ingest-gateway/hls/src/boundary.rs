//! Where segments begin, for all renditions together.
//!
//! Whoever needs a new segment first makes its boundary; the others follow at their next key frame. So a media sequence
//! number means the same time in all playlists, and a discontinuity is one in all of them (6.2.4).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::time::StreamTime;

/// The beginning of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Boundary {
    /// Media sequence number.
    pub(crate) msn: u64,
    pub(crate) start: StreamTime,
    pub(crate) discontinuity: bool,
    /// How many discontinuities there were, this one included: the discontinuity sequence number of the segment.
    pub(crate) dsn: u64,
}

/// The boundaries from the oldest segment that is listed anywhere to the newest one. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Boundaries {
    head: Boundary,
    past: VecDeque<Boundary>,
}

/// Media sequence number of the first segment. Not 0: hls.js up to 1.7.4 takes that for none, and whoever joins within that
/// segment asks for its last parts again and again.
pub(crate) const FIRST: u64 = 1;

impl Boundaries {
    pub(crate) fn new() -> Self {
        Self {
            head: Boundary { msn: FIRST, start: StreamTime::default(), discontinuity: false, dsn: 0 },
            past: VecDeque::new(),
        }
    }

    /// From a snapshot; `None` when the numbers do not follow each other.
    pub(crate) fn from_parts(all: Vec<Boundary>) -> Option<Self> {
        let mut past = VecDeque::from(all);
        let head = past.pop_back()?;
        let numbers = past.iter().chain([&head]).map(|boundary| boundary.msn);
        let steady = numbers.clone().zip(numbers.skip(1)).all(|(before, after)| before.checked_add(1) == Some(after));
        steady.then_some(Self { head, past })
    }

    /// All of them, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Boundary> {
        self.past.iter().chain([&self.head])
    }

    /// The newest.
    pub(crate) fn head(&self) -> Boundary {
        self.head
    }

    /// The one of this number, if it was made and is not forgotten.
    pub(crate) fn get(&self, msn: u64) -> Option<Boundary> {
        if msn == self.head.msn {
            return Some(self.head);
        }
        let oldest = self.past.front()?.msn;
        self.past.get(usize::try_from(msn.checked_sub(oldest)?).ok()?).copied()
    }

    /// The oldest that is remembered.
    pub(crate) fn oldest(&self) -> Boundary {
        self.past.front().copied().unwrap_or(self.head)
    }

    /// Makes the next one.
    pub(crate) fn push(&mut self, start: StreamTime, discontinuity: bool) {
        self.past.push_back(self.head);
        let dsn = self.head.dsn + u64::from(discontinuity);
        self.head = Boundary { msn: self.head.msn + 1, start, discontinuity, dsn };
    }

    /// No segment before this one is listed any more.
    pub(crate) fn forget_before(&mut self, msn: u64) {
        while self.past.front().is_some_and(|boundary| boundary.msn < msn) {
            self.past.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_are_found_by_number_until_they_are_forgotten() {
        let mut boundaries = Boundaries::new();
        boundaries.push(StreamTime(2), false);
        boundaries.push(StreamTime(4), true);
        assert_eq!(boundaries.get(2), Some(Boundary { msn: 2, start: StreamTime(2), discontinuity: false, dsn: 0 }));
        assert_eq!(boundaries.get(3), Some(boundaries.head()));
        assert_eq!(boundaries.get(4), None);

        boundaries.forget_before(3);
        assert_eq!(boundaries.get(2), None);
        assert_eq!(boundaries.oldest(), boundaries.head());
        assert_eq!(Boundaries::from_parts(boundaries.iter().copied().collect()), Some(boundaries));
    }
}
