//! Transport streams.

use std::time::Instant;

use velella_mpegts::{Demuxer, Output};

use crate::input::pieces;
use crate::media::assert_whole;

/// The same comes out in whatever pieces a stream comes in.
pub(crate) fn stream(input: &[u8]) {
    let (length, stream) = pieces(input);
    let now = Instant::now();
    let whole = demux(stream, stream.len().max(1), now);
    assert_eq!(demux(stream, length, now), whole);
    for output in &whole {
        if let Output::Frame(frame) = output {
            assert_whole(frame);
        }
    }
}

fn demux(stream: &[u8], length: usize, now: Instant) -> Vec<Output> {
    let (mut demuxer, mut outputs) = (Demuxer::new(), Vec::new());
    for piece in stream.chunks(length) {
        demuxer.handle_bytes(piece, now);
        outputs.extend(std::iter::from_fn(|| demuxer.poll_output()));
    }
    outputs
}
