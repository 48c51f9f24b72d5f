//! Gives packets in the order in which they were sent, and tells where one is missing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::rtp::Packet;

/// Most packets that wait for an earlier one. At 10 Mbit/s they are 70 ms.
const WAITING_MAX: usize = 64;

/// Longest time for which they wait.
const WAIT: Duration = Duration::from_millis(100);

/// A packet this far before the expected one is late; any further, and the camera began anew.
const LATE_MAX: u16 = 1_000;

/// Packets that came too early wait here.
#[derive(Debug)]
pub(crate) struct Reorder {
    /// Whether the way can change the order at all.
    ordered: bool,
    next: Option<u16>,
    /// Sorted by sequence number, none of them the next one.
    waiting: VecDeque<(Packet, Instant)>,
    pub(crate) lost: u64,
    pub(crate) late: u64,
}

/// The next packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ordered {
    pub(crate) packet: Packet,
    /// Whether packets are missing before it.
    pub(crate) lost: bool,
}

impl Reorder {
    /// On an `ordered` way nothing waits: what is missing was never sent.
    pub(crate) fn new(ordered: bool) -> Self {
        Self { ordered, next: None, waiting: VecDeque::new(), lost: 0, late: 0 }
    }

    /// Forgets what came before: the camera begins anew.
    pub(crate) fn restart(&mut self) {
        self.next = None;
        self.waiting.clear();
    }

    /// Takes a packet; drain `next` then.
    pub(crate) fn put(&mut self, packet: Packet, now: Instant) {
        let next = *self.next.get_or_insert(packet.sequence);
        let ahead = packet.sequence.wrapping_sub(next);
        if ahead > u16::MAX - LATE_MAX {
            self.late += 1;
            return;
        }
        let at = self.waiting.partition_point(|(known, _)| known.sequence.wrapping_sub(next) < ahead);
        if self.waiting.get(at).is_some_and(|(known, _)| known.sequence == packet.sequence) {
            self.late += 1;
            return;
        }
        self.waiting.insert(at, (packet, now));
    }

    /// The next packet, when it is there, or when what is before it is given up.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Ordered> {
        let next = self.next?;
        let first = self.waiting.front()?.0.sequence;
        let oldest = self.waiting.iter().map(|(_, arrival)| *arrival).min()?;
        let given_up = self.ordered || self.waiting.len() > WAITING_MAX || now.duration_since(oldest) >= WAIT;
        if first != next && !given_up {
            return None;
        }
        let (packet, _) = self.waiting.pop_front()?;
        self.next = Some(first.wrapping_add(1));
        self.lost += u64::from(first.wrapping_sub(next));
        Some(Ordered { packet, lost: first != next })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(sequence: u16) -> Packet {
        Packet { sequence, ..Packet::for_test(0, false, &[]) }
    }

    /// What comes out when these come in at once: sequence numbers, and whether something is missing.
    fn put(reorder: &mut Reorder, sequences: &[u16], now: Instant) -> Vec<(u16, bool)> {
        sequences.iter().for_each(|sequence| reorder.put(packet(*sequence), now));
        std::iter::from_fn(|| reorder.next(now)).map(|ordered| (ordered.packet.sequence, ordered.lost)).collect()
    }

    #[test]
    fn packets_come_out_in_order_across_the_end_of_the_numbers() {
        let (mut udp, now) = (Reorder::new(false), Instant::now());
        assert_eq!(put(&mut udp, &[65_534], now), [(65_534, false)]);
        assert_eq!(put(&mut udp, &[0, 1], now), []);
        assert_eq!(put(&mut udp, &[65_535], now), [(65_535, false), (0, false), (1, false)]);
    }

    #[test]
    fn a_missing_packet_is_waited_for_and_given_up() {
        let (mut udp, now) = (Reorder::new(false), Instant::now());
        assert_eq!(put(&mut udp, &[7, 9], now), [(7, false)]);
        assert_eq!(put(&mut udp, &[10], now + WAIT), [(9, true), (10, false)]);
        assert_eq!(put(&mut udp, &[8], now + WAIT), []);
        assert_eq!((udp.lost, udp.late), (1, 1));
    }

    #[test]
    fn no_more_than_a_few_packets_wait() {
        let (mut udp, now) = (Reorder::new(false), Instant::now());
        put(&mut udp, &[0], now);
        let many: Vec<_> = (2..70).collect();
        assert_eq!(put(&mut udp, &many, now)[0], (2, true));
    }

    #[test]
    fn on_an_ordered_way_nothing_waits() {
        let (mut tcp, now) = (Reorder::new(true), Instant::now());
        assert_eq!(put(&mut tcp, &[7], now), [(7, false)]);
        assert_eq!(put(&mut tcp, &[9], now), [(9, true)]);
    }

    #[test]
    fn a_packet_that_comes_twice_counts_once() {
        let (mut udp, now) = (Reorder::new(false), Instant::now());
        assert_eq!(put(&mut udp, &[7, 9, 9, 7, 8], now), [(7, false), (8, false), (9, false)]);
        assert_eq!(udp.late, 2);
    }

    proptest! {
        #[test]
        fn what_comes_out_only_goes_forward(sequences in prop::collection::vec(0_u16..200, 0..200), ordered: bool) {
            let (mut reorder, now) = (Reorder::new(ordered), Instant::now());
            let out: Vec<_> = sequences.iter().flat_map(|sequence| put(&mut reorder, &[*sequence], now)).collect();
            prop_assert!(out.windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert!(out.windows(2).all(|pair| pair[1].1 == (pair[1].0 != pair[0].0 + 1)));
            prop_assert!(reorder.waiting.len() <= WAITING_MAX);
        }
    }
}
