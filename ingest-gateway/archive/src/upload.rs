//! The files of a recording into a bucket.
//!
//! How far that is stands beside them, so that another try, also after a restart, sends no part twice. One part is in
//! memory at a time. An object is believed to be there when the bucket tells its length.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};

use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt as _, PutPayload};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use velella_recording::{FileName, RecordingId};

use crate::bucket::Bucket;
use crate::finish::{Finished, FinishedFile};
use crate::folder::Folder;
use crate::progress::Progress;

/// What is sent at once; S3 wants at least 5 MiB of all but the last part.
const PART_BYTES: u64 = 8 * 1024 * 1024;
/// Most parts of an object. Parts of longer files are larger.
const PARTS_MAX: u64 = 10_000;

/// Where the files of a recording are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// Their names in the bucket, in the order of [`Finished::files`].
    pub keys: Vec<String>,
}

/// How far an upload is.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// Into which bucket. In another one, nothing of this is true.
    bucket: String,
    files: BTreeMap<String, FileState>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FileState {
    /// Parts that arrived, by what the bucket calls them.
    Sending {
        upload: String,
        parts: Vec<String>,
    },
    Done,
}

/// Sends what is missing, one file after the other.
pub(crate) async fn upload(
    id: &RecordingId,
    folder: &Folder,
    finished: &Finished,
    bucket: &Bucket,
    progress: &Progress,
) -> Result<Uploaded, UploadError> {
    let mut upload = Upload { folder, bucket, progress, state: State::read(folder, bucket)? };
    progress.begin(finished.files.iter().map(|file| file.bytes).sum());
    let mut keys = Vec::with_capacity(finished.files.len());
    for file in &finished.files {
        let key = bucket.key(id, &file.name);
        upload.file(file, &key).await?;
        keys.push(key.to_string());
    }
    Ok(Uploaded { keys })
}

struct Upload<'a> {
    folder: &'a Folder,
    bucket: &'a Bucket,
    progress: &'a Progress,
    state: State,
}

impl Upload<'_> {
    async fn file(&mut self, file: &FinishedFile, key: &Path) -> Result<(), UploadError> {
        if matches!(self.state.files.get(&file.name), Some(FileState::Done)) {
            self.progress.add(file.bytes);
            return Ok(());
        }
        if file.bytes <= PART_BYTES {
            let bytes = self.read(file, 0, file.bytes).await?;
            self.bucket.store.put(key, bytes).await?;
            self.progress.add(file.bytes);
        } else {
            self.parts(file, key).await?;
        }
        self.check(file, key).await?;
        self.set(file, FileState::Done).await
    }

    async fn parts(&mut self, file: &FinishedFile, key: &Path) -> Result<(), UploadError> {
        let (upload, mut parts) = match self.state.files.get(&file.name) {
            Some(FileState::Sending { upload, parts }) => (upload.clone(), parts.clone()),
            Some(FileState::Done) | None => (self.bucket.store.create_multipart(key).await?, Vec::new()),
        };
        let part_bytes = part_bytes(file.bytes);
        let count = file.bytes.div_ceil(part_bytes);
        self.progress.add(part_bytes * u64::try_from(parts.len()).unwrap_or(0));
        for number in (0..count).skip(parts.len()) {
            let from = number * part_bytes;
            let length = part_bytes.min(file.bytes - from);
            let payload = self.read(file, from, length).await?;
            let sent = self.bucket.store.put_part(key, &upload, parts.len(), payload).await;
            parts.push(self.known(file, sent).await?.content_id);
            self.set(file, FileState::Sending { upload: upload.clone(), parts: parts.clone() }).await?;
            self.progress.add(length);
        }
        let parts = parts.into_iter().map(|content_id| PartId { content_id }).collect();
        let completed = self.bucket.store.complete_multipart(key, &upload, parts).await;
        // The answer to the one before may have been lost, and then the object is there.
        if completed.is_err() && self.check(file, key).await.is_ok() {
            return Ok(());
        }
        self.known(file, completed).await.map(drop)
    }

    /// Buckets forget uploads that take too long; then this one begins anew the next time.
    async fn known<T>(&mut self, file: &FinishedFile, answer: Result<T, StoreError>) -> Result<T, UploadError> {
        if matches!(answer, Err(StoreError::NotFound { .. })) {
            self.state.files.remove(&file.name);
            self.save().await?;
        }
        Ok(answer?)
    }

    async fn check(&self, file: &FinishedFile, key: &Path) -> Result<(), UploadError> {
        let bytes = self.bucket.store.head(key).await?.size;
        if bytes == file.bytes { Ok(()) } else { Err(UploadError::Length { key: key.to_string(), bytes }) }
    }

    async fn set(&mut self, file: &FinishedFile, state: FileState) -> Result<(), UploadError> {
        self.state.files.insert(file.name.clone(), state);
        self.save().await
    }

    async fn save(&self) -> Result<(), UploadError> {
        let text = serde_json::to_string(&self.state).map_err(io::Error::other)?;
        let folder = self.folder.clone();
        blocking(move || folder.replace_text(&FileName::Upload, &text)).await
    }

    async fn read(&self, file: &FinishedFile, from: u64, length: u64) -> Result<PutPayload, UploadError> {
        let path = self.folder.path().join(&file.name);
        blocking(move || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.take(length).read_to_end(&mut bytes)?;
            let whole = u64::try_from(bytes.len()).is_ok_and(|read| read == length);
            if whole { Ok(bytes.into()) } else { Err(ErrorKind::UnexpectedEof.into()) }
        })
        .await
    }
}

impl State {
    /// What cannot be read is begun anew.
    fn read(folder: &Folder, bucket: &Bucket) -> io::Result<Self> {
        let text = folder.read(&FileName::Upload)?.unwrap_or_default();
        let state: Self = serde_json::from_slice(&text).unwrap_or_default();
        let same = state.bucket == bucket.name;
        Ok(if same { state } else { Self { bucket: bucket.name.clone(), files: BTreeMap::new() } })
    }
}

/// The same for a file in each try: it depends on nothing but its length.
fn part_bytes(file_bytes: u64) -> u64 {
    PART_BYTES.max(file_bytes.div_ceil(PARTS_MAX))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, UploadError> {
    let done = spawn_blocking(work).await;
    Ok(done.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))?)
}

/// Why a recording is not in its bucket. It is still on the disk.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It runs, or is being worked on.
    #[error("the recording is being worked on")]
    Busy,
    /// It has to be finished first.
    #[error("the recording is not finished")]
    Unfinished,
    /// The bucket does not take it from us, and says this.
    #[error("the bucket refuses these credentials: {0}")]
    Refused(String),
    /// There is no such bucket, or it has forgotten this upload.
    #[error("the bucket knows nothing of it: {0}")]
    Unknown(String),
    /// It cannot be reached, or fails.
    #[error("the bucket cannot be reached, or fails: {0}")]
    Unavailable(String),
    /// What arrived is not what was sent.
    #[error("{key} has {bytes} bytes in the bucket")]
    Length {
        /// The object.
        key: String,
        /// Its length there.
        bytes: u64,
    },
    /// The disk failed.
    #[error("the disk of recordings failed: {0}")]
    Disk(#[from] io::Error),
}

impl From<StoreError> for UploadError {
    fn from(error: StoreError) -> Self {
        let said = said(&error);
        if matches!(error, StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. }) {
            Self::Refused(said)
        } else if matches!(error, StoreError::NotFound { .. }) {
            Self::Unknown(said)
        } else {
            Self::Unavailable(said)
        }
    }
}

/// The code in the answer of a server; its whole text tells an attacker what was signed. Without one, the innermost
/// cause.
fn said(error: &StoreError) -> String {
    let text = error.to_string();
    if let Some((code, _)) = text.split_once("<Code>").and_then(|(_, behind)| behind.split_once("</Code>")) {
        return code.to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_has_too_many_parts() {
        assert_eq!(part_bytes(9 * 1024 * 1024), PART_BYTES);
        for bytes in [PART_BYTES * PARTS_MAX, PART_BYTES * PARTS_MAX + 1, 5 << 40] {
            assert!(bytes.div_ceil(part_bytes(bytes)) <= PARTS_MAX, "{bytes}");
        }
    }

    #[test]
    fn of_an_answer_only_its_code_is_told() {
        let source = "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>key</StringToSign></Error>".into();
        let error = StoreError::PermissionDenied { path: "a".to_owned(), source };
        assert_eq!(UploadError::from(error).to_string(), "the bucket refuses these credentials: SignatureDoesNotMatch");
    }
}
