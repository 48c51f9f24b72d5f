//! The directory of all recordings: which there are, who works on which, and what happens to them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use velella_recording::retention::{self, Kept, Limits};
use velella_recording::{FileName, Manifest, RecordingId, Space, SpaceLimits};

use crate::bucket::Bucket;
use crate::finish::{self, FinishError, Finished, Products};
use crate::folder::{Folder, sync_directory, there};
use crate::gauge::Gauge;
use crate::progress::Progress;
use crate::take::Take;
use crate::upload::{self, UploadError, Uploaded};

/// A recording with this in front of its name is being deleted. No recording can be named so.
const DELETED: &str = ".deleted-";

/// Locked while an archive is open: another process would take what runs here for what a crash left.
const LOCK: &str = ".lock";

/// All recordings of this machine. Clones are the same.
#[derive(Clone, Debug)]
pub struct Archive(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    products: Products,
    gauge: Arc<Gauge>,
    claims: Arc<Claims>,
}

/// What was there when an archive was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Not finished yet, since a crash or a stop came before.
    pub unfinished: Vec<RecordingId>,
    /// Finished ones.
    pub finished: Vec<RecordingId>,
}

impl Archive {
    /// Opens a directory, which is made when it is not there, and clears away what a crash left half deleted.
    ///
    /// # Errors
    /// When the directory cannot be made, read or written, or another process has it open.
    pub async fn open(directory: &Path, products: Products, space: SpaceLimits) -> io::Result<(Self, Recovered)> {
        let directory = directory.to_owned();
        blocking(move || {
            fs::create_dir_all(&directory)?;
            let lock = lock(&directory)?;
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                if entry.file_name().to_str().is_some_and(|name| name.starts_with(DELETED)) {
                    fs::remove_dir_all(entry.path())?;
                }
            }
            let gauge = Arc::new(Gauge::new(directory.clone(), space));
            let claims = Arc::new(Claims { held: Mutex::default(), released: Notify::new(), _lock: lock });
            let archive = Self(Arc::new(Inner { directory, products, gauge, claims }));
            let mut recovered = Recovered::default();
            for id in archive.list()? {
                let folder = archive.folder(&id);
                match finish::read(&folder)? {
                    Some(finished) => {
                        finish::tidy(&folder, &finished)?;
                        recovered.finished.push(id);
                    }
                    None => recovered.unfinished.push(id),
                }
            }
            Ok((archive, recovered))
        })
        .await
    }

    /// Begins a recording.
    ///
    /// # Errors
    /// When there is one of this name, too little space, or a disk that fails.
    pub async fn begin(&self, id: RecordingId, manifest: Manifest) -> Result<Take, ArchiveError> {
        let claim = self.claim(&id).ok_or(ArchiveError::Busy)?;
        let archive = self.clone();
        let begin = move || {
            if archive.0.gauge.look()? != Space::Enough {
                return Ok(Err(ArchiveError::Full));
            }
            let folder = archive.folder(&id);
            match fs::create_dir(folder.path()) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Err(ArchiveError::Exists)),
                made => made?,
            }
            sync_directory(&archive.0.directory)?;
            Ok(Ok(Take::begin(id, &manifest, folder, archive.0.gauge.clone(), claim)?))
        };
        blocking(begin).await?
    }

    /// Makes files that play of a recording that has ended, in order or not. Done again, it goes on behind the last
    /// file that was whole.
    ///
    /// # Errors
    /// When it runs, the disk fails or is full, or [`Progress::stop`] was called. Nothing is lost then.
    pub async fn finish(&self, id: &RecordingId, progress: &Progress) -> Result<Finished, FinishError> {
        let claim = self.claim(id).ok_or(FinishError::Busy)?;
        let (folder, inner, progress) = (self.folder(id), self.0.clone(), progress.clone());
        let work = move || {
            let finished = finish::finish(&folder, inner.products, &inner.gauge, &progress);
            drop(claim);
            Ok(finished)
        };
        blocking(work).await?
    }

    /// Brings the files of a finished recording into a bucket. Done again, it goes on behind the last part that arrived.
    ///
    /// # Errors
    /// When it is not finished, the bucket refuses or cannot be reached, or the disk fails. Nothing is lost then.
    pub async fn upload(
        &self,
        id: &RecordingId,
        bucket: &Bucket,
        progress: &Progress,
    ) -> Result<Uploaded, UploadError> {
        let _claim = self.claim(id).ok_or(UploadError::Busy)?;
        let finished = self.finished(id).await?.ok_or(UploadError::Unfinished)?;
        upload::upload(id, &self.folder(id), &finished, bucket, progress).await
    }

    /// What came of a recording; `None` when it is not finished, or not there.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn finished(&self, id: &RecordingId) -> io::Result<Option<Finished>> {
        let folder = self.folder(id);
        blocking(move || finish::read(&folder)).await
    }

    /// All recordings that nobody works on, by whether they are finished.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn idle(&self) -> io::Result<Recovered> {
        let archive = self.clone();
        blocking(move || {
            let mut idle = Recovered::default();
            for id in archive.list()? {
                let finished = archive.folder(&id).length(&FileName::Finished)?.is_some();
                match (archive.is_claimed(&id), finished) {
                    (true, _) => {}
                    (false, true) => idle.finished.push(id),
                    (false, false) => idle.unfinished.push(id),
                }
            }
            Ok(idle)
        })
        .await
    }

    /// Deletes a recording that nobody works on. Whether it was there.
    ///
    /// # Errors
    /// When it is being worked on, or the disk fails.
    pub async fn remove(&self, id: &RecordingId) -> Result<bool, ArchiveError> {
        let claim = self.claim(id).ok_or(ArchiveError::Busy)?;
        Ok(self.delete(claim).await?)
    }

    async fn delete(&self, claim: Claim) -> io::Result<bool> {
        let archive = self.clone();
        let delete = move || {
            let id = &claim.id;
            let deleted = archive.0.directory.join(format!("{DELETED}{id}"));
            // At once out of sight, so that half of it is never taken for a recording.
            if there(fs::rename(archive.folder(id).path(), &deleted))?.is_none() {
                return Ok(false);
            }
            sync_directory(&archive.0.directory)?;
            fs::remove_dir_all(deleted)?;
            Ok(true)
        };
        blocking(delete).await
    }

    /// Deletes finished recordings above the limits, and tells which.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn expire(&self, limits: Limits) -> io::Result<Vec<RecordingId>> {
        let archive = self.clone();
        let kept = blocking(move || archive.kept()).await?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut gone = Vec::new();
        for id in retention::expired(&kept, limits, now).iter().filter_map(|id| id.parse().ok()) {
            // Somebody may have begun to work on it; another time.
            let Some(claim) = self.claim(&id) else { continue };
            self.delete(claim).await?;
            gone.push(id);
        }
        Ok(gone)
    }

    /// Where a file of a recording lies.
    #[must_use]
    pub fn path(&self, id: &RecordingId, file: &FileName) -> PathBuf {
        self.folder(id).file(file)
    }

    /// Returns when a recording has ended since the last time.
    pub(crate) async fn some_ended(&self) {
        self.0.claims.released.notified().await;
    }

    fn folder(&self, id: &RecordingId) -> Folder {
        Folder::new(self.0.directory.join(id.to_string()))
    }

    fn list(&self) -> io::Result<Vec<RecordingId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.0.directory)? {
            let entry = entry?;
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
            ids.extend(id.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_dir())));
        }
        ids.sort();
        Ok(ids)
    }

    fn kept(&self) -> io::Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for id in self.list()? {
            let folder = self.folder(&id);
            let Some(finished) = finish::read(&folder)? else { continue };
            let mut bytes = 0;
            for name in folder.names()? {
                bytes += folder.length(&name)?.unwrap_or(0);
            }
            let in_use = self.is_claimed(&id);
            let ended = Duration::from_millis(finished.ended_unix_ms);
            kept.push(Kept { id: id.to_string(), ended, bytes, in_use });
        }
        Ok(kept)
    }

    /// Nobody else works on the recording while it is held; `None` when somebody does.
    fn claim(&self, id: &RecordingId) -> Option<Claim> {
        let claims = self.0.claims.clone();
        let claimed = claims.held.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        claimed.then(|| Claim { id: id.clone(), claims })
    }

    fn is_claimed(&self, id: &RecordingId) -> bool {
        self.0.claims.held.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }
}

#[derive(Debug)]
struct Claims {
    held: Mutex<BTreeSet<RecordingId>>,
    released: Notify,
    /// As long as anybody here works on a recording.
    _lock: File,
}

/// The right to work on a recording.
#[derive(Debug)]
pub(crate) struct Claim {
    id: RecordingId,
    claims: Arc<Claims>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        self.claims.released.notify_one();
    }
}

fn lock(directory: &Path) -> io::Result<File> {
    let lock = File::create(directory.join(LOCK))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        rustix::io::Errno::WOULDBLOCK => {
            io::Error::new(io::ErrorKind::ResourceBusy, "another process keeps its recordings in this directory")
        }
        error => error.into(),
    })?;
    Ok(lock)
}

/// On a thread that may wait for a disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is a recording of this name.
    #[error("there is a recording of this name")]
    Exists,
    /// It runs, or is being finished, uploaded or deleted.
    #[error("the recording is being worked on")]
    Busy,
    /// No recording begins now.
    #[error("too little space is left for another recording")]
    Full,
    /// The disk failed.
    #[error("the disk of recordings failed: {0}")]
    Disk(#[from] io::Error),
}
