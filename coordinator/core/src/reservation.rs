//! The expected cost of rooms that a worker was given and does not show in its load yet.
//!
//! Without it a burst of rooms herds onto the one worker whose report is stale. A reservation
//! stands in full until an announcement covers it. From then on each announcement shows more of the room's
//! real load, and so much less stays reserved.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use velella_model::{RoomId, RoomType};

/// How long a room takes to reach its usual load after it was assigned.
pub(crate) const RAMP: Duration = Duration::from_secs(20);

/// After this long an assignment has arrived or failed, whatever the announcements say.
pub(crate) const COVER_PATIENCE: Duration = Duration::from_secs(5);

/// Expected load of a room with video: four people make about 2000 datagrams/s, a hundredth of
/// what a shard forwards.
pub(crate) const VIDEO_ROOM_PERMILLE: u32 = 10;

/// Expected load of a room without video.
pub(crate) const AUDIO_ROOM_PERMILLE: u32 = 2;

/// What rooms of this type are expected to cost.
pub(crate) fn expected_permille(room_type: RoomType) -> u32 {
    if room_type.has_video() { VIDEO_ROOM_PERMILLE } else { AUDIO_ROOM_PERMILLE }
}

/// All reservations at one worker.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    rooms: BTreeMap<RoomId, Reservation>,
    /// What is left of all of them, as of the last announcement.
    left_permille: u32,
}

#[derive(Debug)]
struct Reservation {
    cost_permille: u32,
    /// Of its cost, as of the last announcement.
    left_permille: u32,
    made_at: Instant,
    /// The store holds the placement, so the room counts there.
    recorded: bool,
    /// Count of assignments at the worker that covers this one.
    covering_total: u64,
    covered: bool,
}

impl Reservations {
    /// Reserves for a room; `assigned_total` is what the worker last announced.
    pub(crate) fn make(&mut self, room: &RoomId, cost_permille: u32, assigned_total: u64, now: Instant) {
        let ahead = self.rooms.values().filter(|r| !r.covered).count() as u64;
        // What a worker says of itself may be anything.
        let covering_total = assigned_total.saturating_add(ahead + 1);
        let left_permille = cost_permille;
        let reservation =
            Reservation { cost_permille, left_permille, made_at: now, recorded: false, covering_total, covered: false };
        self.release(room);
        self.rooms.insert(room.clone(), reservation);
        self.left_permille += left_permille;
    }

    /// The store holds the placement; reserves for it when another replica placed it.
    pub(crate) fn record(&mut self, room: &RoomId, cost_permille: u32, assigned_total: u64, now: Instant) {
        if !self.rooms.contains_key(room) {
            self.make(room, cost_permille, assigned_total, now);
        }
        if let Some(reservation) = self.rooms.get_mut(room) {
            reservation.recorded = true;
        }
    }

    pub(crate) fn release(&mut self, room: &RoomId) {
        if let Some(reservation) = self.rooms.remove(room) {
            self.left_permille -= reservation.left_permille;
        }
    }

    /// An announcement came: it may cover more, and shows more of what is covered; drops what has faded.
    pub(crate) fn cover(&mut self, assigned_total: u64, now: Instant) {
        for reservation in self.rooms.values_mut() {
            let late = now.saturating_duration_since(reservation.made_at) >= COVER_PATIENCE;
            reservation.covered |= late || assigned_total >= reservation.covering_total;
            reservation.left_permille = reservation.left_permille(now);
        }
        self.rooms.retain(|_, r| r.left_permille > 0);
        self.left_permille = self.rooms.values().map(|r| r.left_permille).sum();
    }

    /// What is expected on top of the load that was announced last.
    pub(crate) fn load_permille(&self) -> u32 {
        self.left_permille
    }

    /// Rooms decided on that the records do not show yet.
    pub(crate) fn pending(&self) -> u32 {
        u32::try_from(self.rooms.values().filter(|r| !r.recorded).count()).unwrap_or(u32::MAX)
    }
}

impl Reservation {
    fn left_permille(&self, now: Instant) -> u32 {
        if !self.covered {
            return self.cost_permille;
        }
        let left = RAMP.saturating_sub(now.saturating_duration_since(self.made_at));
        let cost = u128::from(self.cost_permille) * left.as_millis() / RAMP.as_millis();
        u32::try_from(cost).unwrap_or(self.cost_permille)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{room, start};

    #[test]
    fn a_reservation_stands_in_full_until_it_is_covered_and_then_fades() {
        let (mut r, t0) = (Reservations::default(), start());
        r.make(&room("r1"), 10, 7, t0);
        r.cover(7, t0 + Duration::from_secs(1));
        assert_eq!(r.load_permille(), 10, "an announcement without it covers nothing");
        r.cover(8, t0 + Duration::from_secs(4));
        assert_eq!(r.load_permille(), 8, "a fifth of its ramp is in what was announced");
        r.cover(8, t0 + RAMP / 2);
        assert_eq!(r.load_permille(), 5);
        r.cover(8, t0 + RAMP);
        assert_eq!(r.load_permille(), 0);
    }

    #[test]
    fn two_rooms_at_once_are_covered_one_by_one() {
        let (mut r, t0) = (Reservations::default(), start());
        r.make(&room("r1"), 10, 0, t0);
        r.make(&room("r2"), 10, 0, t0);
        r.cover(1, t0);
        r.cover(1, t0 + COVER_PATIENCE / 2);
        assert_eq!(r.load_permille(), 8 + 10, "the second is not announced yet");
    }

    #[test]
    fn an_assignment_that_was_never_announced_does_not_block_for_ever() {
        let (mut r, t0) = (Reservations::default(), start());
        r.make(&room("r1"), 10, 0, t0);
        r.cover(0, t0 + COVER_PATIENCE);
        r.cover(0, t0 + RAMP);
        assert_eq!(r.load_permille(), 0);
    }

    #[test]
    fn a_count_beyond_all_measure_is_only_a_number() {
        let (mut r, t0) = (Reservations::default(), start());
        r.make(&room("r1"), 10, u64::MAX, t0);
        r.cover(u64::MAX, t0 + RAMP);
        assert_eq!(r.load_permille(), 0);
    }

    #[test]
    fn a_room_is_pending_until_its_record_is_seen() {
        let (mut r, t0) = (Reservations::default(), start());
        r.make(&room("r1"), 10, 0, t0);
        assert_eq!(r.pending(), 1);
        r.record(&room("r1"), 10, 0, t0);
        assert_eq!((r.pending(), r.load_permille()), (0, 10));
    }
}
