//! As much of fragmented MP4 (ISO/IEC 14496-12) as tells when media is decoded: tracks and their samples' times.

use std::collections::BTreeMap;

/// Boxes on one level that are read, and samples that cost no bytes; no part or segment has more.
const ENTRIES_MAX: usize = 4096;

/// What an init segment says of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Track {
    /// Ticks per second.
    pub timescale: u32,
    default_duration: u32,
    default_flags: u32,
}

/// The samples of one track in a part or segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Decode time of the first sample, in ticks.
    pub start: u64,
    pub duration: u64,
    pub samples: usize,
    pub begins_with_sync: bool,
    /// False when a later fragment does not begin where the one before it ends.
    pub continuous: bool,
}

/// Tracks of an init segment by their ids.
pub type Tracks = BTreeMap<u32, Track>;

/// Reads an init segment; empty when it is none.
#[must_use]
pub fn tracks(body: &[u8]) -> Tracks {
    let mut tracks = Tracks::new();
    for moov in boxes(body, *b"moov") {
        for trak in boxes(moov, *b"trak") {
            if let Some((id, timescale)) = track(trak) {
                tracks.entry(id).or_default().timescale = timescale;
            }
        }
        for trex in boxes(moov, *b"mvex").flat_map(|mvex| boxes(mvex, *b"trex")) {
            if let (Some(id), Some(duration), Some(flags)) = (u32_at(trex, 4), u32_at(trex, 12), u32_at(trex, 20)) {
                let track = tracks.entry(id).or_default();
                (track.default_duration, track.default_flags) = (duration, flags);
            }
        }
    }
    tracks
}

/// Reads a part or segment: one run for each track; empty when it is no fragmented MP4.
#[must_use]
pub fn runs(body: &[u8], tracks: &Tracks) -> BTreeMap<u32, Run> {
    let mut runs: BTreeMap<u32, Run> = BTreeMap::new();
    for traf in boxes(body, *b"moof").flat_map(|moof| boxes(moof, *b"traf")) {
        let Some((id, next)) = fragment(traf, tracks) else { continue };
        runs.entry(id)
            .and_modify(|run| {
                run.continuous &= run.start + run.duration == next.start;
                run.duration += next.duration;
                run.samples += next.samples;
            })
            .or_insert(next);
    }
    runs
}

/// Id and timescale of a `trak`.
fn track(trak: &[u8]) -> Option<(u32, u32)> {
    let tkhd = boxes(trak, *b"tkhd").next()?;
    let mdhd = boxes(trak, *b"mdia").next().and_then(|mdia| boxes(mdia, *b"mdhd").next())?;
    // Version 1 has two times of eight bytes, version 0 of four.
    let times = |full: &[u8]| if full.first() == Some(&1) { 20 } else { 12 };
    Some((u32_at(tkhd, times(tkhd))?, u32_at(mdhd, times(mdhd))?))
}

/// One `traf`: its track and samples.
fn fragment(traf: &[u8], tracks: &Tracks) -> Option<(u32, Run)> {
    let tfhd = boxes(traf, *b"tfhd").next()?;
    let tfdt = boxes(traf, *b"tfdt").next()?;
    let id = u32_at(tfhd, 4)?;
    let start = if tfdt.first() == Some(&1) { u64_at(tfdt, 4)? } else { u64::from(u32_at(tfdt, 4)?) };
    let known = tracks.get(&id).copied().unwrap_or_default();
    let mut run = Run { start, duration: 0, samples: 0, begins_with_sync: false, continuous: true };
    for trun in boxes(traf, *b"trun") {
        samples(trun, with_defaults(tfhd, known)?, &mut run)?;
    }
    Some((id, run))
}

/// The defaults of a `tfhd` over those of the init segment.
fn with_defaults(tfhd: &[u8], mut track: Track) -> Option<Track> {
    let flags = u32_at(tfhd, 0)?;
    let mut at = 8;
    for (bit, size) in [(0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4), (0x20, 4)] {
        if flags & bit == 0 {
            continue;
        }
        match bit {
            0x8 => track.default_duration = u32_at(tfhd, at)?,
            0x20 => track.default_flags = u32_at(tfhd, at)?,
            _ => {}
        }
        at += size;
    }
    Some(track)
}

/// Adds the samples of a `trun`.
fn samples(trun: &[u8], defaults: Track, run: &mut Run) -> Option<()> {
    let (flags, count) = (u32_at(trun, 0)?, u32_at(trun, 4)?);
    let mut at = 8 + if flags & 0x1 == 0 { 0 } else { 4 };
    let first_flags = if flags & 0x4 == 0 { None } else { u32_at(trun, at) };
    at += if first_flags.is_some() { 4 } else { 0 };
    for index in 0..count {
        let (mut duration, mut sample_flags) = (defaults.default_duration, defaults.default_flags);
        for bit in [0x100, 0x200, 0x400, 0x800] {
            if flags & bit == 0 {
                continue;
            }
            let value = u32_at(trun, at)?;
            at += 4;
            match bit {
                0x100 => duration = value,
                0x400 => sample_flags = value,
                _ => {}
            }
        }
        if run.samples == 0 {
            let flags = if index == 0 { first_flags.unwrap_or(sample_flags) } else { sample_flags };
            run.begins_with_sync = flags & NON_SYNC == 0;
        }
        run.duration += u64::from(duration);
        run.samples += 1;
        // A count without sizes or durations costs no bytes; the bytes of a real sample bound it.
        if flags & 0xf00 == 0 && index as usize >= ENTRIES_MAX {
            return None;
        }
    }
    Some(())
}

/// `sample_is_non_sync_sample`.
const NON_SYNC: u32 = 0x0001_0000;

/// The contents of the boxes of one type, on one level.
fn boxes(bytes: &[u8], kind: [u8; 4]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let all = std::iter::from_fn(move || {
        let size = u32_at(rest, 0)?;
        let name = rest.get(4..8)?;
        let (header, size) = match size {
            0 => (8, rest.len()),
            1 => (16, usize::try_from(u64_at(rest, 8)?).ok()?),
            _ => (8, usize::try_from(size).ok()?),
        };
        let content = rest.get(header..size)?;
        rest = rest.get(size..)?;
        Some((name, content))
    });
    all.take(ENTRIES_MAX).filter(move |(name, _)| *name == kind).map(|(_, content)| content)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
