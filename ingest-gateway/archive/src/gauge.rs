//! How much space is left on the disk of recordings.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;

use rustix::fs::statvfs;
use velella_recording::{Space, SpaceLimits};

/// Looks at the disk, for all recordings on it.
#[derive(Debug)]
pub(crate) struct Gauge {
    directory: PathBuf,
    limits: SpaceLimits,
    said: Mutex<Space>,
}

impl Gauge {
    pub(crate) fn new(directory: PathBuf, limits: SpaceLimits) -> Self {
        Self { directory, limits, said: Mutex::new(Space::Enough) }
    }

    /// As it is now. Asks the disk, so not for a task that carries media.
    pub(crate) fn look(&self) -> io::Result<Space> {
        let free = self.free()?;
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        *said = said.after(free, self.limits);
        Ok(*said)
    }

    /// Whether a file of this length leaves as much as recordings that run need.
    pub(crate) fn fits(&self, bytes: u64) -> io::Result<bool> {
        Ok(self.free()? >= bytes.saturating_add(self.limits.free_min))
    }

    /// Bytes that are not kept for root.
    fn free(&self) -> io::Result<u64> {
        let disk = statvfs(&self.directory)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}
