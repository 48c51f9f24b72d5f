//! Just enough fragmented MP4 for the script: one track, one sample in each part.

/// Ticks per second: durations of the script are whole milliseconds.
const TIMESCALE: u32 = 1000;

pub(crate) fn init() -> Vec<u8> {
    let tkhd = full(b"tkhd", 0, &words(&[0, 0, 1, 0]));
    let mdhd = full(b"mdhd", 0, &words(&[0, 0, TIMESCALE, 0, 0]));
    let trak = container(b"trak", &[tkhd, container(b"mdia", &[mdhd])]);
    let trex = full(b"trex", 0, &words(&[1, 1, 0, 0, 0]));
    container(b"moov", &[trak, container(b"mvex", &[trex])])
}

/// A fragment whose only sample is decoded at `start_ms`; `what` makes its bytes its own.
pub(crate) fn part(start_ms: u64, duration_ms: u64, sync: bool, what: &str) -> Vec<u8> {
    let tfhd = full(b"tfhd", 0x02_0000, &words(&[1]));
    let tfdt = [&[1, 0, 0, 0], &start_ms.to_be_bytes()[..]].concat();
    let flags = if sync { 0x0200_0000 } else { 0x0101_0000 };
    let duration = u32::try_from(duration_ms).unwrap();
    let trun = full(b"trun", 0x0500, &words(&[1, duration, flags]));
    let traf = container(b"traf", &[tfhd, boxed(b"tfdt", &tfdt), trun]);
    [container(b"moof", &[traf]), boxed(b"mdat", what.as_bytes())].concat()
}

fn boxed(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
    [&size[..], name, content].concat()
}

fn container(name: &[u8; 4], children: &[Vec<u8>]) -> Vec<u8> {
    boxed(name, &children.concat())
}

/// A box of version 0 with flags.
fn full(name: &[u8; 4], flags: u32, content: &[u8]) -> Vec<u8> {
    boxed(name, &[&flags.to_be_bytes(), content].concat())
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}
