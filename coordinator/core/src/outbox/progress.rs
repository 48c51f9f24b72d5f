//! How far webhooks are delivered, in revisions of the store: what the next leader has to know.

use std::collections::BTreeMap;

use velella_model::RoomId;

use crate::chronicle::Sequence;
use crate::input::Revision;

/// Rooms whose receivers are behind that are named, those furthest behind first. With more of them
/// the rest counts as no further than the first that is not named, and what is newer comes again.
pub const BEHIND_MAX: usize = 256;

/// Everything up to a revision, but for some rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// All other rooms have everything up to here.
    pub through: Revision,
    /// These have everything up to a revision of their own.
    pub behind: BTreeMap<RoomId, Revision>,
}

impl Progress {
    /// Everything up to `seen` but what waits: per room the first notice.
    pub(super) fn new(seen: Revision, waiting: impl Iterator<Item = (RoomId, Sequence)>) -> Self {
        // What a revision holds for a room may be delivered in part: it comes again as a whole.
        let before = |sequence: Sequence| Revision(sequence.revision().0.saturating_sub(1));
        let mut waiting: Vec<_> = waiting.map(|(room, first)| (before(first), room)).collect();
        waiting.sort();
        let through = waiting.get(BEHIND_MAX).map_or(seen, |(revision, _)| *revision);
        waiting.truncate(BEHIND_MAX);
        Self { through, behind: waiting.into_iter().map(|(revision, room)| (room, revision)).collect() }
    }

    /// The revision as of which the store has to be read to go on.
    pub fn start(&self) -> Revision {
        self.behind.values().copied().min().map_or(self.through, |behind| behind.min(self.through))
    }

    /// Whether a room has everything of this revision.
    pub fn has(&self, room: &RoomId, revision: Revision) -> bool {
        revision <= *self.behind.get(room).unwrap_or(&self.through)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::room;

    #[test]
    fn rooms_that_are_behind_hold_up_nobody_else() {
        let progress = Progress::new(Revision(9), [(room("slow"), sequence(5))].into_iter());
        assert_eq!(progress.start(), Revision(4));
        assert!(progress.has(&room("slow"), Revision(4)) && !progress.has(&room("slow"), Revision(5)));
        assert!(progress.has(&room("quick"), Revision(9)) && !progress.has(&room("quick"), Revision(10)));
    }

    #[test]
    fn with_too_many_of_them_nothing_is_skipped() {
        let waiting = (0..=BEHIND_MAX as u64).map(|n| (room(&format!("r{n}")), sequence(100 + n)));
        let progress = Progress::new(Revision(9999), waiting);
        assert_eq!((progress.behind.len(), progress.start()), (BEHIND_MAX, Revision(99)));
        let unnamed = room(&format!("r{BEHIND_MAX}"));
        assert!(!progress.has(&unnamed, Revision(100 + BEHIND_MAX as u64)));
        assert!(!progress.has(&room("quick"), Revision(1000)), "it comes again");
    }

    fn sequence(revision: u64) -> Sequence {
        Sequence::last_of(Revision(revision))
    }
}
