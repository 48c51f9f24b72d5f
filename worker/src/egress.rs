//! Joins datagrams into runs that one system call sends (UDP generic segmentation offload).
//!
//! A run goes to one destination, its datagrams are of one size, and only the last may be shorter.
//! A video frame for one subscriber is such a run; nothing is padded or delayed to make one.
//! Measured: 1.5 µs for one datagram with one call each, 0.39 µs with nine per call.

use std::net::SocketAddr;

use str0m::net::Transmit;

/// Largest payload of a UDP datagram over IPv4, which a run must not exceed.
const RUN_BYTES_MAX: usize = 65_507;

/// Datagrams for one call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    pub(crate) destination: SocketAddr,
    pub(crate) contents: &'a [u8],
    /// Size of all datagrams but the last; `None` for a single one.
    pub(crate) segment_bytes: Option<usize>,
    /// Datagrams in it.
    pub(crate) datagrams: usize,
}

/// Calls `send` with each run of `transmits`. `buffer` is reused from call to call.
pub(crate) fn for_each_run(
    transmits: &[Transmit],
    segments_max: usize,
    buffer: &mut Vec<u8>,
    mut send: impl FnMut(Run<'_>),
) {
    let mut rest = transmits;
    while let Some(first) = rest.first() {
        let count = run_length(rest, segments_max);
        let (run, tail) = rest.split_at(count);
        rest = tail;
        if count == 1 {
            let contents: &[u8] = &first.contents;
            send(Run { destination: first.destination, contents, segment_bytes: None, datagrams: 1 });
            continue;
        }
        buffer.clear();
        run.iter().for_each(|t| buffer.extend_from_slice(&t.contents));
        send(Run {
            destination: first.destination,
            contents: buffer,
            segment_bytes: Some(first.contents.len()),
            datagrams: count,
        });
    }
}

/// How many of `transmits` one call can carry, from the first on.
fn run_length(transmits: &[Transmit], segments_max: usize) -> usize {
    let Some(first) = transmits.first() else { return 0 };
    let size = first.contents.len();
    let mut bytes = size;
    let mut count = 1;
    for next in transmits.iter().skip(1).take(segments_max.saturating_sub(1)) {
        bytes += next.contents.len();
        if next.destination != first.destination || next.contents.len() > size || bytes > RUN_BYTES_MAX {
            break;
        }
        count += 1;
        if next.contents.len() < size {
            break;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use str0m::net::Protocol;

    use super::*;

    fn transmit(port: u16, bytes: usize) -> Transmit {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Transmit {
            proto: Protocol::Udp,
            source: address(1),
            destination: address(port),
            contents: vec![0u8; bytes].into(),
        }
    }

    /// Runs as (port, datagrams, bytes).
    fn runs(transmits: &[Transmit]) -> Vec<(u16, usize, usize)> {
        let mut out = Vec::new();
        for_each_run(transmits, 64, &mut Vec::new(), |run| {
            out.push((run.destination.port(), run.datagrams, run.contents.len()));
        });
        out
    }

    #[test]
    fn a_frame_is_one_call_and_its_short_tail_ends_it() {
        let frame = [transmit(7, 1100), transmit(7, 1100), transmit(7, 300), transmit(7, 300)];
        assert_eq!(runs(&frame), [(7, 3, 2500), (7, 1, 300)]);
    }

    #[test]
    fn another_destination_or_a_longer_datagram_starts_a_new_run() {
        let mixed = [transmit(7, 100), transmit(8, 100), transmit(8, 200), transmit(8, 200)];
        assert_eq!(runs(&mixed), [(7, 1, 100), (8, 1, 100), (8, 2, 400)]);
    }

    #[test]
    fn a_run_stays_below_the_largest_datagram_and_segment_count() {
        let many: Vec<_> = (0..130).map(|_| transmit(7, 1200)).collect();
        assert_eq!(runs(&many), [(7, 54, 64_800), (7, 54, 64_800), (7, 22, 26_400)]);
        let small: Vec<_> = (0..70).map(|_| transmit(7, 100)).collect();
        assert_eq!(runs(&small), [(7, 64, 6_400), (7, 6, 600)]);
    }
}
