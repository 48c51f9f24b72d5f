//! Recordings on a disk and in a bucket: what `velella-recording` decides is done here.
//!
//! An [`Archive`] is a directory with one for each recording. A [`Take`] writes one while it runs, on a thread of its
//! own, and never makes live media wait. [`Archive::finish`] makes files of it that play, also of one that a crash left;
//! [`Archive::upload`] brings them into a [`Bucket`], [`Archive::expire`] deletes what is too old or too much. A
//! [`Keeper`] does all three, one after the other and again after a failure.
//!
//! The state of a recording is its files: what is done twice after a crash has the same result.

#![warn(missing_docs)]

mod archive;
mod backoff;
mod bucket;
mod finish;
mod folder;
mod gauge;
mod keeper;
mod progress;
mod take;
mod tracks;
mod upload;
mod writer;

pub use archive::{Archive, ArchiveError, Recovered};
pub use backoff::Backoff;
pub use bucket::{Bucket, BucketConfig, BucketError};
pub use finish::{FinishError, Finished, FinishedFile, Products};
pub use keeper::{Keeper, Report, Trouble};
pub use progress::Progress;
pub use take::{Take, TakeStats};
pub use upload::{UploadError, Uploaded};
