//! The tracks of a recording as they lie on the disk, and a movie of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::rc::Rc;

use bytes::Bytes;
use velella_recording::{Copy, FileName, Movie, MovieTrack, Track, TrackId};

use crate::finish::FinishError;
use crate::folder::{Folder, Open};
use crate::gauge::Gauge;
use crate::progress::Progress;

/// Longest init segment that is read. Parameter sets are some hundred bytes.
const INIT_BYTES_MAX: u64 = 1024 * 1024;

/// Tracks by their ids, as their sidecars tell them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracks(BTreeMap<TrackId, Rc<Found>>);

#[derive(Debug)]
struct Found {
    track: Track,
    inits: BTreeMap<u32, Bytes>,
}

impl Tracks {
    /// Whatever a crash left of them.
    pub(crate) fn read(folder: &Folder) -> io::Result<Self> {
        let mut lengths = BTreeMap::new();
        for name in folder.names()? {
            let bytes = folder.length(&name)?.unwrap_or(0);
            lengths.insert(name, bytes);
        }
        let mut tracks = BTreeMap::new();
        for name in lengths.keys() {
            let FileName::Sidecar(id) = name else { continue };
            let sidecar = folder.read(name)?.unwrap_or_default();
            let track = Track::recover(&sidecar, |number| lengths.get(&FileName::Media(id.clone(), number)).copied());
            let inits = inits(folder, id, &track)?;
            tracks.insert(id.clone(), Rc::new(Found { track, inits }));
        }
        Ok(Self(tracks))
    }

    /// Those of which there is something.
    pub(crate) fn recorded(&self) -> Self {
        let some = |(id, found): (&TrackId, &Rc<Found>)| {
            (!found.track.fragments.is_empty()).then(|| (id.clone(), found.clone()))
        };
        Self(self.0.iter().filter_map(some).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TrackId, &Track)> {
        self.0.iter().map(|(id, found)| (id, &found.track))
    }

    /// One by one.
    pub(crate) fn each(&self) -> impl Iterator<Item = (TrackId, Self)> {
        self.0.iter().map(|(id, found)| (id.clone(), Self([(id.clone(), found.clone())].into())))
    }

    pub(crate) fn payload_bytes(&self) -> u64 {
        self.iter().flat_map(|(_, track)| &track.fragments).map(|fragment| fragment.payload_bytes()).sum()
    }

    pub(crate) fn are_whole(&self) -> bool {
        self.iter().all(|(_, track)| track.ended)
    }

    pub(crate) fn samples_lost(&self) -> u64 {
        self.iter().map(|(_, track)| track.samples_lost).sum()
    }

    /// Whether there is more than the sidecars tell: files they do not know, or more lines than a crash tears that
    /// fit nothing. Nobody knows what that is worth.
    pub(crate) fn has_untold(&self, folder: &Folder) -> io::Result<bool> {
        if self.iter().any(|(_, track)| track.lines_dropped > 1) {
            return Ok(true);
        }
        let told = |id: &TrackId, number| self.0.get(id).is_some_and(|found| found.track.files.contains_key(&number));
        let untold = |name: &FileName| matches!(name, FileName::Media(id, number) if !told(id, *number));
        Ok(folder.names()?.iter().any(untold))
    }

    fn plan(&self) -> Result<Movie, FinishError> {
        let described = self.0.iter().map(|(id, found)| {
            let Found { track, inits } = &**found;
            MovieTrack { id: id.clone(), track, inits: inits.clone() }
        });
        let tracks: Vec<MovieTrack<'_>> = described.collect();
        Ok(Movie::plan(&tracks)?)
    }
}

fn inits(folder: &Folder, id: &TrackId, track: &Track) -> io::Result<BTreeMap<u32, Bytes>> {
    let mut inits = BTreeMap::new();
    for (number, file) in &track.files {
        let media = File::open(folder.file(&FileName::Media(id.clone(), *number)))?;
        let mut init = Vec::new();
        media.take(file.init_bytes.min(INIT_BYTES_MAX)).read_to_end(&mut init)?;
        inits.insert(*number, init.into());
    }
    Ok(inits)
}

/// Writes a movie of the tracks, unless it is there.
pub(crate) fn write_movie(
    folder: &Folder,
    name: &FileName,
    tracks: &Tracks,
    gauge: &Gauge,
    progress: &Progress,
) -> Result<(), FinishError> {
    if folder.length(name)?.is_some() {
        progress.add(tracks.payload_bytes());
        return Ok(());
    }
    let movie = tracks.plan()?;
    if !gauge.fits(movie.bytes())? {
        return Err(FinishError::Full(movie.bytes()));
    }
    let mut open = Open::default();
    let written = folder.replace(name, |file| {
        file.write_all(&movie.head)?;
        for copy in &movie.copies {
            if progress.is_stopped() {
                return Err(ErrorKind::Interrupted.into());
            }
            copy_into(file, open.read(folder, &FileName::Media(copy.id.clone(), copy.file))?, copy)?;
            progress.add(copy.bytes);
        }
        Ok(())
    });
    if written.is_err() && progress.is_stopped() {
        return Err(FinishError::Stopped);
    }
    Ok(written?)
}

fn copy_into(movie: &mut File, media: &mut File, copy: &Copy) -> io::Result<()> {
    media.seek(SeekFrom::Start(copy.from))?;
    let copied = io::copy(&mut media.take(copy.bytes), movie)?;
    if copied == copy.bytes { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}
