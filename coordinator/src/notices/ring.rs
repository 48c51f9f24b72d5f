//! The last notifications in a bounded ring, each encoded once and shared by all who read it.
//!
//! Readers are cursors: nothing is kept per reader, so one that does not read costs nothing and
//! falls out of the ring in time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
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
    /// Position of the newest; 0 before the first.
    head: u64,
    /// Notifications told of each room that stands; forgotten with the room.
    rooms: BTreeMap<RoomId, u64>,
}

#[derive(Debug)]
struct Entry {
    room: RoomId,
    bytes: Bytes,
}

/// Where a notification stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Among all, from 1.
    pub(crate) position: u64,
    /// Within its room, from 1.
    pub(crate) room_position: u64,
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

    /// The place that the next notification of this room gets.
    pub(crate) fn next(&self, room: &RoomId) -> Place {
        Place { position: self.head + 1, room_position: self.rooms.get(room).copied().unwrap_or(0) + 1 }
    }

    /// Takes the next notification. `last` tells that the room is gone with it.
    pub(crate) fn push(&mut self, room: RoomId, bytes: Bytes, last: bool) {
        let Place { position, room_position } = self.next(&room);
        self.head = position;
        self.bytes += bytes.len();
        if last {
            self.rooms.remove(&room);
        } else {
            self.rooms.insert(room.clone(), room_position);
        }
        self.held.push_back(Entry { room, bytes });
        while self.held.len() > NOTICES_MAX || (self.bytes > BYTES_MAX && self.held.len() > 1) {
            let Some(oldest) = self.held.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
        }
    }

    /// Whether everything after `position` is still held.
    pub(crate) fn holds_after(&self, position: u64) -> bool {
        position <= self.head && position >= self.head - self.held.len() as u64
    }

    /// The next notifications for this reader, oldest first, and moves it on; none when it has read all.
    pub(crate) fn read(&self, cursor: &mut Cursor) -> Result<Vec<Bytes>, Lost> {
        let forgotten = self.head - self.held.len() as u64;
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
    fn positions_count_for_all_and_for_each_room_until_it_is_gone() {
        let mut ring = Ring::default();
        for (id, last, expected) in
            [("a", false, (1, 1)), ("b", false, (2, 1)), ("a", true, (3, 2)), ("a", false, (4, 1))]
        {
            let Place { position, room_position } = ring.next(&room(id));
            assert_eq!((position, room_position), expected);
            ring.push(room(id), text(id), last);
        }
    }

    #[test]
    fn a_reader_gets_what_came_since_and_only_its_rooms() {
        let mut ring = Ring::default();
        ["a", "b", "a"].into_iter().for_each(|id| ring.push(room(id), text(id), false));
        let (mut all, mut some) = (cursor(1, &[]), cursor(0, &["a"]));
        assert_eq!(ring.read(&mut all), Ok(vec![text("b"), text("a")]));
        assert_eq!(ring.read(&mut some), Ok(vec![text("a"), text("a")]));
        assert_eq!((all.after, ring.read(&mut all)), (3, Ok(vec![])));
    }

    #[test]
    fn a_reader_that_fell_out_is_told_how_many_it_lost() {
        let mut ring = Ring::default();
        (0..NOTICES_MAX + 10).for_each(|_| ring.push(room("a"), text("x"), false));
        assert_eq!(ring.read(&mut cursor(3, &[])), Err(Lost(7)));
        assert_eq!(ring.read(&mut cursor(10, &[])).unwrap().len(), BATCH_MAX);
        assert!(ring.holds_after(10) && !ring.holds_after(9) && !ring.holds_after(ring.head() + 1));
    }

    #[test]
    fn large_notifications_push_out_older_ones_by_their_bytes() {
        let mut ring = Ring::default();
        let large = Bytes::from(vec![0; BYTES_MAX / 4]);
        (0..6).for_each(|_| ring.push(room("a"), large.clone(), false));
        assert_eq!((ring.held.len(), ring.bytes), (4, BYTES_MAX));
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
