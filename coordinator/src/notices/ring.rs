//! The last notifications in a bounded ring, each encoded once and shared by all who read it.
//!
//! Readers are cursors: nothing is kept per reader, so one that does not read costs nothing and
//! falls out of the ring in time.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use velella_coordinator_core::chronicle::Sequence;
use velella_model::RoomId;

/// Notifications that are held for readers; a minute at a thousand a second.
const NOTICES_MAX: usize = 64 * 1024;

/// Bytes of notifications that are held; the oldest go first.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Notifications that one reading looks at, and returns: a reader far behind takes its turn with others.
const SCAN_MAX: usize = 4096;
const BATCH_MAX: usize = 256;

/// The ring.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    held: VecDeque<Entry>,
    bytes: usize,
    /// Position of the newest: how many there were.
    head: u64,
    /// Number of the newest that has one.
    newest: Sequence,
    /// What follows this number is held.
    floor: Sequence,
}

#[derive(Debug)]
struct Entry {
    room: RoomId,
    /// Its own, or else that of the one before.
    sequence: Sequence,
    numbered: bool,
    bytes: Bytes,
}

/// A reader: where it stands, and what it wants.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    /// The position after which it goes on.
    pub(crate) after: u64,
    /// Only these rooms; empty for all.
    pub(crate) rooms: BTreeSet<RoomId>,
}

/// The reader was too slow: these many notifications are not held any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost(pub(crate) u64);

impl Ring {
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    pub(crate) fn newest(&self) -> Sequence {
        self.newest
    }

    /// What follows begins after this number; what is between is not known.
    pub(crate) fn begin(&mut self, after: Sequence) {
        self.newest = self.newest.max(after);
        self.floor = self.newest;
    }

    /// Takes the next notification.
    pub(crate) fn push(&mut self, room: RoomId, sequence: Option<Sequence>, bytes: Bytes) {
        self.head += 1;
        self.bytes += bytes.len();
        self.newest = sequence.unwrap_or(self.newest);
        self.held.push_back(Entry { room, sequence: self.newest, numbered: sequence.is_some(), bytes });
        while self.held.len() > NOTICES_MAX || (self.bytes > BYTES_MAX && self.held.len() > 1) {
            let Some(oldest) = self.held.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
            self.floor = self.floor.max(oldest.sequence);
        }
    }

    /// The position of the notification with this number, or of the last one before it; `None` when
    /// some of what follows is not held, or when the number has not come up here.
    pub(crate) fn after(&self, sequence: Sequence) -> Option<u64> {
        if sequence < self.floor || sequence > self.newest {
            return None;
        }
        let is_before = |e: &Entry| e.sequence < sequence || (e.sequence == sequence && e.numbered);
        Some(self.forgotten() + self.held.partition_point(is_before) as u64)
    }

    /// How many are not held any more.
    fn forgotten(&self) -> u64 {
        self.head - self.held.len() as u64
    }

    /// The next notifications for this reader, oldest first, and moves it on; none when it has read all.
    pub(crate) fn read(&self, cursor: &mut Cursor) -> Result<Vec<Bytes>, Lost> {
        let forgotten = self.forgotten();
        if cursor.after < forgotten {
            return Err(Lost(forgotten - cursor.after));
        }
        let mut batch = Vec::new();
        let skip = usize::try_from(cursor.after - forgotten).unwrap_or(usize::MAX);
        for entry in self.held.iter().skip(skip).take(SCAN_MAX) {
            if batch.len() == BATCH_MAX {
                break;
            }
            cursor.after += 1;
            if cursor.rooms.is_empty() || cursor.rooms.contains(&entry.room) {
                batch.push(entry.bytes.clone());
            }
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_goes_on_after_any_number_that_has_come_up_and_is_followed_whole() {
        let mut ring = Ring::default();
        ring.begin(Sequence(10));
        [Some(20), None, Some(30), None].into_iter().for_each(|number| push(&mut ring, number));
        let found = [9, 10, 15, 20, 29, 30, 31].map(|number| ring.after(Sequence(number)));
        assert_eq!(found, [None, Some(0), Some(0), Some(1), Some(2), Some(3), None]);
        ring.begin(Sequence(40));
        push(&mut ring, None);
        assert_eq!(ring.after(Sequence(30)), None, "what was between is not known");
        assert_eq!((ring.after(Sequence(40)), ring.newest()), (Some(4), Sequence(40)));
    }

    #[test]
    fn what_fell_out_cannot_be_gone_on_after() {
        let mut ring = Ring::default();
        (1..=NOTICES_MAX as u64 + 10).for_each(|number| push(&mut ring, Some(number)));
        assert_eq!((ring.after(Sequence(9)), ring.after(Sequence(10))), (None, Some(10)));
    }

    #[test]
    fn a_reader_gets_what_came_since_and_only_its_rooms() {
        let mut ring = Ring::default();
        ["a", "b", "a"].into_iter().for_each(|id| ring.push(room(id), None, text(id)));
        let (mut all, mut some) = (cursor(1, &[]), cursor(0, &["a"]));
        assert_eq!(ring.read(&mut all), Ok(vec![text("b"), text("a")]));
        assert_eq!(ring.read(&mut some), Ok(vec![text("a"), text("a")]));
        assert_eq!((all.after, ring.read(&mut all)), (3, Ok(vec![])));
    }

    #[test]
    fn a_reader_that_fell_out_is_told_how_many_it_lost() {
        let mut ring = Ring::default();
        (0..NOTICES_MAX + 10).for_each(|_| ring.push(room("a"), None, text("x")));
        assert_eq!(ring.read(&mut cursor(3, &[])), Err(Lost(7)));
        assert_eq!(ring.read(&mut cursor(10, &[])).unwrap().len(), BATCH_MAX);
    }

    #[test]
    fn large_notifications_push_out_older_ones_by_their_bytes() {
        let mut ring = Ring::default();
        let large = Bytes::from(vec![0; BYTES_MAX / 4]);
        (0..6).for_each(|_| ring.push(room("a"), None, large.clone()));
        assert_eq!((ring.held.len(), ring.bytes), (4, BYTES_MAX));
    }

    fn push(ring: &mut Ring, number: Option<u64>) {
        ring.push(room("a"), number.map(Sequence), text("x"));
    }

    fn cursor(after: u64, rooms: &[&str]) -> Cursor {
        Cursor { after, rooms: rooms.iter().map(|id| room(id)).collect() }
    }

    fn room(id: &str) -> RoomId {
        RoomId::parse(id).unwrap()
    }

    fn text(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }
}
