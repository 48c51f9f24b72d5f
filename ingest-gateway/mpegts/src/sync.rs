//! Where packets begin. A stream may be joined anywhere, and may lose any number of bytes.

use crate::packet::{PACKET_BYTES, SYNC};

/// Bytes that are looked at together.
const CHUNK_BYTES: usize = 7 * PACKET_BYTES;

/// Parts bytes into packets. Holds at most what lies between two of them.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    bytes: Vec<u8>,
    /// Where the next packet begins in them.
    at: usize,
    /// The packet before ended there.
    locked: bool,
    lost: u64,
}

impl Splitter {
    /// Takes as much of the input as is looked at together; what is left comes next.
    pub(crate) fn take<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        self.bytes.drain(..self.at.min(self.bytes.len()));
        self.at = 0;
        let (now, later) = input.split_at(input.len().min(CHUNK_BYTES));
        self.bytes.extend_from_slice(now);
        later
    }

    /// The next packet, when it is whole.
    pub(crate) fn next_packet(&mut self) -> Option<[u8; PACKET_BYTES]> {
        loop {
            if !self.locked {
                self.at = self.search()?;
                self.locked = true;
            }
            let packet: &[u8; PACKET_BYTES] = self.bytes.get(self.at..)?.first_chunk()?;
            if packet.first() == Some(&SYNC) {
                self.at += PACKET_BYTES;
                return Some(*packet);
            }
            self.locked = false;
            self.lost += 1;
        }
    }

    /// How often packets did not begin where the one before ended.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// A packet begins where another follows at its end. What lies before the first that might is left behind.
    fn search(&mut self) -> Option<usize> {
        let is_sync = |at: usize| self.bytes.get(at).map(|byte| *byte == SYNC);
        let ahead = self.bytes.len();
        let candidate =
            (self.at..ahead).find(|at| is_sync(*at) == Some(true) && is_sync(at + PACKET_BYTES) != Some(false));
        self.at = candidate.unwrap_or(ahead);
        is_sync(self.at + PACKET_BYTES).map(|_| self.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packets(numbers: impl IntoIterator<Item = u8>) -> Vec<u8> {
        let packet = |number| [&[SYNC, number][..], &[0; PACKET_BYTES - 2]].concat();
        numbers.into_iter().flat_map(packet).collect()
    }

    fn split(splitter: &mut Splitter, mut input: &[u8]) -> Vec<u8> {
        let mut numbers = Vec::new();
        loop {
            input = splitter.take(input);
            numbers.extend(std::iter::from_fn(|| splitter.next_packet()).map(|packet| packet[1]));
            if input.is_empty() {
                return numbers;
            }
        }
    }

    #[test]
    fn a_stream_is_joined_in_the_middle_of_a_packet() {
        let stream = packets(0..20);
        assert_eq!(split(&mut Splitter::default(), &stream[100..]), (1..20).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_missing_costs_no_more_than_the_packet_it_was_of() {
        let mut stream = packets(0..10);
        stream.drain(3 * PACKET_BYTES + 50..3 * PACKET_BYTES + 60);
        let mut splitter = Splitter::default();
        // The packet with the gap looks whole; what is behind it does not fit.
        assert_eq!(split(&mut splitter, &stream), [0, 1, 2, 3, 5, 6, 7, 8, 9]);
        assert_eq!(splitter.lost(), 1);
    }

    #[test]
    fn packets_may_come_byte_by_byte() {
        let mut splitter = Splitter::default();
        let stream = packets(0..4);
        let numbers: Vec<u8> = stream.iter().flat_map(|byte| split(&mut splitter, &[*byte])).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
    }

    proptest! {
        #[test]
        fn little_is_held_whatever_comes(chunks: Vec<Vec<u8>>, zeros in 0_usize..5_000) {
            let mut splitter = Splitter::default();
            for chunk in chunks.iter().chain([&vec![0; zeros], &vec![SYNC; zeros]]) {
                split(&mut splitter, chunk);
                prop_assert!(splitter.bytes.len() <= 2 * PACKET_BYTES + CHUNK_BYTES);
                prop_assert!(splitter.bytes.len() - splitter.at <= PACKET_BYTES);
            }
        }
    }
}
