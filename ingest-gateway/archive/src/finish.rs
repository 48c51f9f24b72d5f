//! Finishing: files that play, made of what was written while a recording ran.
//!
//! Each file is written under another name and gets its own once it is whole, so a file that is there is done. The list
//! of files comes last; only after it are tracks deleted that are in no file any more.

use std::io;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use velella_recording::{FileName, Manifest, TrackId, media_playlist};

use crate::folder::Folder;
use crate::gauge::Gauge;
use crate::progress::Progress;
use crate::tracks::{Tracks, write_movie};

/// Of the list of files.
const VERSION: u32 = 1;

/// What becomes of recordings. Tracks stay as they were recorded when playlists play them; otherwise they go once they
/// are in a movie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Products {
    /// One MP4 of everything.
    pub movie: bool,
    /// An MP4 of each track.
    pub track_movies: bool,
    /// A playlist of HLS for each track.
    pub playlists: bool,
}

/// What came of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Of this description; 1.
    pub version: u32,
    /// What it is of; `None` when a crash took even that.
    pub manifest: Option<Manifest>,
    /// When the last of it was written, in milliseconds since 1970.
    pub ended_unix_ms: u64,
    /// The files that play, in the order in which somebody who finds one finds those it names.
    pub files: Vec<FinishedFile>,
    /// Whether all tracks were closed in order.
    pub whole: bool,
    /// Samples that were not kept while it ran.
    pub samples_lost: u64,
    /// Whether tracks are still there as they were recorded.
    pub tracks_kept: bool,
    /// Why a movie is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A file that plays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedFile {
    /// Within the directory.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// The list of files; `None` when it is not finished, or the list cannot be read and has to be made again.
pub(crate) fn read(folder: &Folder) -> io::Result<Option<Finished>> {
    let text = folder.read(&FileName::Finished)?;
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
}

/// Makes what is missing.
pub(crate) fn finish(
    folder: &Folder,
    products: Products,
    gauge: &Gauge,
    progress: &Progress,
) -> Result<Finished, FinishError> {
    let finished = match read(folder)? {
        Some(finished) => finished,
        None => make(folder, products, gauge, progress)?,
    };
    tidy(folder, &finished)?;
    Ok(finished)
}

/// Deletes tracks that are in a movie.
pub(crate) fn tidy(folder: &Folder, finished: &Finished) -> io::Result<()> {
    if finished.tracks_kept {
        return Ok(());
    }
    for name in folder.names()? {
        if matches!(name, FileName::Media(..) | FileName::Sidecar(_)) {
            folder.remove(&name)?;
        }
    }
    Ok(())
}

fn make(folder: &Folder, products: Products, gauge: &Gauge, progress: &Progress) -> Result<Finished, FinishError> {
    let tracks = Tracks::read(folder)?;
    let movies = planned(&tracks, products);
    progress.begin(movies.iter().map(|(_, tracks)| tracks.payload_bytes()).sum());
    let mut trouble = None;
    for (name, tracks) in &movies {
        match write_movie(folder, name, tracks, gauge, progress) {
            Ok(()) => {}
            // Another try would end the same way; what was recorded stays.
            Err(FinishError::Movie(error)) => {
                tracing::warn!(folder = %folder.path().display(), %error, "a recording has no movie");
                trouble = Some(error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    let is_movie = |name: &FileName| matches!(name, FileName::Movie | FileName::TrackMovie(_));
    let mut files: Vec<FileName> = folder.names()?.into_iter().filter(is_movie).collect();
    let by_playlist = products.playlists || trouble.is_some();
    if by_playlist {
        files.extend(playlists(folder, &tracks)?);
    }
    let in_movie = (products.movie || products.track_movies) && trouble.is_none();
    let finished = Finished {
        version: VERSION,
        manifest: folder.read(&FileName::Manifest)?.and_then(|text| Manifest::read(&text)),
        ended_unix_ms: ended(folder)?,
        files: with_lengths(folder, files)?,
        whole: tracks.are_whole(),
        samples_lost: tracks.samples_lost(),
        tracks_kept: by_playlist || !in_movie || tracks.has_untold(folder)?,
        trouble,
    };
    let text = serde_json::to_string_pretty(&finished).map_err(io::Error::other)?;
    folder.replace_text(&FileName::Finished, &text)?;
    Ok(finished)
}

/// Which movies are made of which tracks; none of nothing.
fn planned(tracks: &Tracks, products: Products) -> Vec<(FileName, Tracks)> {
    let mut movies = Vec::new();
    let recorded = tracks.recorded();
    if products.movie && !recorded.is_empty() {
        movies.push((FileName::Movie, recorded.clone()));
    }
    if products.track_movies {
        movies.extend(recorded.each().map(|(id, track)| (FileName::TrackMovie(id), track)));
    }
    movies
}

/// Behind the files that they play.
fn playlists(folder: &Folder, tracks: &Tracks) -> io::Result<Vec<FileName>> {
    let (mut media, mut playlists) = (Vec::new(), Vec::new());
    for (id, track) in tracks.recorded().iter() {
        let playlist = FileName::Playlist(TrackId::clone(id));
        folder.replace_text(&playlist, &media_playlist(id, track))?;
        media.extend(track.files.keys().map(|number| FileName::Media(id.clone(), *number)));
        playlists.push(playlist);
    }
    media.extend(playlists);
    Ok(media)
}

fn with_lengths(folder: &Folder, names: Vec<FileName>) -> io::Result<Vec<FinishedFile>> {
    let described = |name: FileName| {
        let bytes = folder.length(&name)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(FinishedFile { name: name.to_string(), bytes })
    };
    names.into_iter().map(described).collect()
}

/// When the last of what was recorded was written.
fn ended(folder: &Folder) -> io::Result<u64> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for name in folder.names()? {
        if matches!(name, FileName::Media(..) | FileName::Sidecar(_) | FileName::Manifest) {
            newest = newest.max(folder.file(&name).metadata()?.modified()?);
        }
    }
    let since = newest.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Why a recording is not finished.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// It runs, or is being worked on.
    #[error("the recording is being worked on")]
    Busy,
    /// It was asked to stop.
    #[error("finishing was stopped")]
    Stopped,
    /// A movie would take what recordings that run need.
    #[error("too little space is left for a movie of {0} bytes")]
    Full(u64),
    /// There is no movie of this recording.
    #[error(transparent)]
    Movie(#[from] velella_recording::MovieError),
    /// The disk failed.
    #[error("the disk of recordings failed: {0}")]
    Disk(#[from] io::Error),
}
