//! One MP4 of tracks that lie in fragments: what to write first, and what to copy behind it.
//!
//! The index comes first (fast start), so that a file plays while it is fetched. It is all that is held in memory, some
//! bytes a sample; the media is copied in pieces of a fragment. Time that is missing stays: a track that begins late
//! waits, and the last sample before a gap lasts until its end.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use bytes::Bytes;
use shiguredo_mp4::boxes::{
    Brand, Co64Box, CttsBox, CttsEntry, EdtsBox, ElstBox, ElstEntry, FtypBox, MoovBox, MvhdBox, SampleEntry, StblBox,
    StscBox, StscEntry, StsdBox, StssBox, StszBox, SttsBox, SttsEntry, TrakBox,
};
use shiguredo_mp4::{Decode as _, Either, Encode as _, FixedPointNumber, Mp4FileTime};

use crate::layout::TrackId;
use crate::recovery::Track;
use crate::sidecar::Fragment;

/// Ticks of a movie in a second.
const MOVIE_TIMESCALE: u32 = 90_000;
/// Most samples of all tracks: three days of 30 pictures and 50 packets a second. Their index takes 160 MB.
const SAMPLES_MAX: usize = 20_000_000;
/// The head of an `mdat` whose length has 64 bits.
const MDAT_HEAD_BYTES: usize = 16;

/// A track on its way into a movie.
#[derive(Clone, Debug)]
pub struct MovieTrack<'a> {
    /// Its name in the recording.
    pub id: TrackId,
    /// What its sidecar tells.
    pub track: &'a Track,
    /// The init segment of each of its files.
    pub inits: BTreeMap<u32, Bytes>,
}

/// Bytes to copy from a file of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Whose.
    pub id: TrackId,
    /// Which of its files.
    pub file: u32,
    /// The first byte.
    pub from: u64,
    /// How many.
    pub bytes: u64,
}

/// How to write a movie: the head, and behind it the copies in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movie {
    /// `ftyp`, `moov`, and the head of `mdat`.
    pub head: Bytes,
    /// What follows, by time, sound and picture side by side.
    pub copies: Vec<Copy>,
}

impl Movie {
    /// Plans a movie of these tracks, of which at least one has to have samples.
    ///
    /// # Errors
    /// When there is nothing, more than an index holds, or an init segment that does not fit.
    pub fn plan(tracks: &[MovieTrack<'_>]) -> Result<Self, MovieError> {
        let tracks: Vec<&MovieTrack<'_>> = tracks.iter().filter(|track| !track.track.fragments.is_empty()).collect();
        let samples: usize = tracks.iter().flat_map(|track| &track.track.fragments).map(|one| one.sizes.len()).sum();
        if samples == 0 || samples > SAMPLES_MAX {
            return Err(MovieError::Samples(samples));
        }
        let chunks = interleaved(&tracks);
        let payload: u64 = chunks.iter().map(|chunk| chunk.fragment.payload_bytes()).sum();
        let ftyp = FtypBox {
            major_brand: Brand::ISOM,
            minor_version: 0,
            compatible_brands: vec![Brand::ISOM, Brand::ISO6, Brand::MP41],
        };
        let mut head = ftyp.encode_to_vec().map_err(written)?;
        // Offsets have a fixed length, so the index is as long with the true ones.
        let draft = movie(&tracks, &chunks, 0)?.encode_to_vec().map_err(written)?;
        let media_from = head.len() + draft.len() + MDAT_HEAD_BYTES;
        let media_from = u64::try_from(media_from).map_err(written)?;
        head.extend(movie(&tracks, &chunks, media_from)?.encode_to_vec().map_err(written)?);
        head.extend([0, 0, 0, 1]);
        head.extend(b"mdat");
        head.extend((payload + 16).to_be_bytes());
        let copies = chunks.iter().filter_map(|chunk| Some(chunk.copy(&tracks.get(chunk.track)?.id))).collect();
        Ok(Self { head: head.into(), copies })
    }

    /// Of the whole file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let head = u64::try_from(self.head.len()).unwrap_or(u64::MAX);
        self.copies.iter().fold(head, |sum, copy| sum.saturating_add(copy.bytes))
    }
}

/// The samples of one fragment.
struct Chunk<'a> {
    track: usize,
    fragment: &'a Fragment,
}

impl Chunk<'_> {
    /// Samples are the end of a fragment.
    fn copy(&self, id: &TrackId) -> Copy {
        let bytes = self.fragment.payload_bytes();
        let from = self.fragment.from + (self.fragment.bytes - bytes);
        Copy { id: id.clone(), file: self.fragment.file, from, bytes }
    }
}

/// All fragments in the order of time.
fn interleaved<'a>(tracks: &[&MovieTrack<'a>]) -> Vec<Chunk<'a>> {
    let chunks = tracks.iter().enumerate().flat_map(|(index, track)| {
        let timescale = u128::from(track.track.timescale());
        let begins = move |fragment: &Fragment| u128::from(fragment.decode_time) * 1_000_000_000 / timescale;
        track.track.fragments.iter().map(move |fragment| (begins(fragment), Chunk { track: index, fragment }))
    });
    let mut chunks: Vec<_> = chunks.collect();
    chunks.sort_by_key(|(begins, chunk)| (*begins, chunk.track));
    chunks.into_iter().map(|(_, chunk)| chunk).collect()
}

fn movie(tracks: &[&MovieTrack<'_>], chunks: &[Chunk<'_>], media_from: u64) -> Result<MoovBox, MovieError> {
    let mut offsets: Vec<Vec<u64>> = vec![Vec::new(); tracks.len()];
    let mut at = media_from;
    for chunk in chunks {
        offsets.get_mut(chunk.track).into_iter().for_each(|offsets| offsets.push(at));
        at = at.saturating_add(chunk.fragment.payload_bytes());
    }
    let mut boxes = Vec::with_capacity(tracks.len());
    for ((track, offsets), id) in tracks.iter().zip(offsets).zip(1..) {
        boxes.push(track_box(track, offsets, id)?);
    }
    let duration = boxes.iter().map(|track| track.tkhd_box.duration).max().unwrap_or(0);
    Ok(MoovBox {
        mvhd_box: MvhdBox {
            creation_time: Mp4FileTime::from_secs(0),
            modification_time: Mp4FileTime::from_secs(0),
            timescale: NonZeroU32::new(MOVIE_TIMESCALE).unwrap_or(NonZeroU32::MIN),
            duration,
            rate: MvhdBox::DEFAULT_RATE,
            volume: MvhdBox::DEFAULT_VOLUME,
            matrix: MvhdBox::DEFAULT_MATRIX,
            next_track_id: u32::try_from(tracks.len()).map_err(written)? + 1,
        },
        trak_boxes: boxes,
        mvex_box: None,
        unknown_boxes: Vec::new(),
    })
}

/// As the init segment has it, with an index of samples and its place in time.
fn track_box(track: &MovieTrack<'_>, offsets: Vec<u64>, id: u32) -> Result<TrakBox, MovieError> {
    let fragments = &track.track.fragments;
    let mut files: Vec<u32> = fragments.iter().map(|fragment| fragment.file).collect();
    files.sort_unstable();
    files.dedup();
    let mut inits = files.iter().map(|file| init(track, *file)).collect::<Result<Vec<TrakBox>, _>>()?;
    let entries = inits.iter().flat_map(|init| init.mdia_box.minf_box.stbl_box.stsd_box.entries.clone()).collect();
    let mut first = inits.swap_remove(0);
    let begins = fragments.first().map_or(0, |fragment| fragment.decode_time);
    let lasts = track.track.end().saturating_sub(begins);
    let in_movie = |ticks: u64| {
        let ticks = u128::from(ticks) * u128::from(MOVIE_TIMESCALE) / u128::from(track.track.timescale());
        u64::try_from(ticks).map_err(written)
    };
    let shown_later =
        fragments.first().and_then(|first| first.offsets.first()).map_or(0, |(_, offset)| (*offset).max(0));
    let waits = in_movie(begins.saturating_add(u64::from(shown_later.unsigned_abs())))?;
    first.tkhd_box.track_id = id;
    first.tkhd_box.duration = waits.saturating_add(in_movie(lasts)?);
    first.edts_box = Some(edits(waits, in_movie(lasts)?, i64::from(shown_later)));
    first.mdia_box.mdhd_box.duration = lasts;
    first.mdia_box.minf_box.stbl_box = samples(fragments, &files, entries, offsets)?;
    Ok(first)
}

/// Nothing first, then the whole track.
fn edits(waits: u64, lasts: u64, media_time: i64) -> EdtsBox {
    let edit =
        |edit_duration, media_time| ElstEntry { edit_duration, media_time, media_rate: FixedPointNumber::new(1, 0) };
    let empty = (waits > 0).then(|| edit(waits, -1));
    let entries = empty.into_iter().chain([edit(lasts, media_time)]).collect();
    EdtsBox { elst_box: Some(ElstBox { entries }), unknown_boxes: Vec::new() }
}

/// The only track of an init segment.
fn init(track: &MovieTrack<'_>, file: u32) -> Result<TrakBox, MovieError> {
    let unreadable = || MovieError::Init(track.id.clone(), file);
    let bytes = track.inits.get(&file).ok_or_else(unreadable)?;
    let (_, ftyp_bytes) = FtypBox::decode(bytes).map_err(|_| unreadable())?;
    let (movie, _) = MoovBox::decode(bytes.get(ftyp_bytes..).unwrap_or_default()).map_err(|_| unreadable())?;
    movie.trak_boxes.into_iter().next().ok_or_else(unreadable)
}

fn samples(
    fragments: &[Fragment],
    files: &[u32],
    entries: Vec<SampleEntry>,
    chunk_offsets: Vec<u64>,
) -> Result<StblBox, MovieError> {
    let sizes: Vec<u32> = fragments.iter().flat_map(|fragment| fragment.sizes.iter().copied()).collect();
    let sync_samples = sync_samples(fragments);
    Ok(StblBox {
        stsd_box: StsdBox { entries },
        stts_box: SttsBox { entries: durations(fragments)? },
        ctts_box: composition_offsets(fragments),
        cslg_box: None,
        stsc_box: StscBox { entries: chunks(fragments, files) },
        // With none in it, every sample would be one that decodes by itself.
        stss_box: (sync_samples.len() < sizes.len()).then_some(StssBox { sample_numbers: sync_samples }),
        stsz_box: StszBox::Variable { entry_sizes: sizes },
        stco_or_co64_box: Either::B(Co64Box { chunk_offsets }),
        sdtp_box: None,
        unknown_boxes: Vec::new(),
    })
}

/// The last sample before a gap lasts until its end.
fn durations(fragments: &[Fragment]) -> Result<Vec<SttsEntry>, MovieError> {
    let mut entries: Vec<SttsEntry> = Vec::new();
    let mut add = |sample_count: u32, sample_delta: u32| match entries.last_mut() {
        Some(last) if last.sample_delta == sample_delta => last.sample_count += sample_count,
        _ => entries.push(SttsEntry { sample_count, sample_delta }),
    };
    let nexts = fragments.iter().skip(1).map(|next| Some(next.decode_time)).chain([None]);
    for (fragment, next) in fragments.iter().zip(nexts) {
        let end = fragment.decode_time + fragment.ticks();
        let gap = u32::try_from(next.unwrap_or(end).saturating_sub(end)).map_err(|_| MovieError::Gap)?;
        let Some(((count, last), before)) = fragment.durations.split_last() else { continue };
        before.iter().filter(|(count, _)| *count > 0).for_each(|(count, ticks)| add(*count, *ticks));
        if gap == 0 {
            add(*count, *last);
        } else {
            if *count > 1 {
                add(count - 1, *last);
            }
            add(1, last.checked_add(gap).ok_or(MovieError::Gap)?);
        }
    }
    Ok(entries)
}

fn composition_offsets(fragments: &[Fragment]) -> Option<CttsBox> {
    if fragments.iter().all(|fragment| fragment.offsets.is_empty()) {
        return None;
    }
    let mut entries: Vec<CttsEntry> = Vec::new();
    for fragment in fragments {
        let samples = u32::try_from(fragment.sizes.len()).unwrap_or(u32::MAX);
        let none = [(samples, 0)];
        let runs = if fragment.offsets.is_empty() { &none[..] } else { &fragment.offsets };
        for (sample_count, offset) in runs {
            entries.push(CttsEntry { sample_count: *sample_count, sample_offset: i64::from(*offset) });
        }
    }
    Some(CttsBox { version: 1, entries })
}

/// A chunk is a fragment; of those that are alike only the first is told.
fn chunks(fragments: &[Fragment], files: &[u32]) -> Vec<StscEntry> {
    let mut entries: Vec<StscEntry> = Vec::new();
    for (number, fragment) in (1..).zip(fragments) {
        let place = files.iter().position(|file| *file == fragment.file).unwrap_or(0);
        let description = u32::try_from(place).unwrap_or(0) + 1;
        let entry = StscEntry {
            first_chunk: NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN),
            sample_per_chunk: u32::try_from(fragment.sizes.len()).unwrap_or(u32::MAX),
            sample_description_index: NonZeroU32::new(description).unwrap_or(NonZeroU32::MIN),
        };
        let same = entries.last().is_some_and(|last| {
            last.sample_per_chunk == entry.sample_per_chunk
                && last.sample_description_index == entry.sample_description_index
        });
        if !same {
            entries.push(entry);
        }
    }
    entries
}

fn sync_samples(fragments: &[Fragment]) -> Vec<NonZeroU32> {
    let mut before = 0;
    let mut numbers = Vec::new();
    for fragment in fragments {
        numbers.extend(fragment.sync.iter().filter_map(|index| NonZeroU32::new(before + index + 1)));
        before += u32::try_from(fragment.sizes.len()).unwrap_or(0);
    }
    numbers
}

fn written(error: impl std::fmt::Display) -> MovieError {
    MovieError::Written(error.to_string())
}

/// Why there is no movie.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MovieError {
    /// None, or more than an index may hold.
    #[error("no movie is made of {0} samples")]
    Samples(usize),
    /// The init segment of this file is missing or not to be read.
    #[error("the beginning of file {1} of track {0} cannot be read")]
    Init(TrackId, u32),
    /// Longer than an index can tell, which is half a day of video.
    #[error("a track has a gap of more than half a day")]
    Gap,
    /// A value that a box cannot hold.
    #[error("the index cannot be written: {0}")]
    Written(String),
}
