//! A directory of its own for each test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, process};

/// An empty directory that goes when this is dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Within `env!("CARGO_TARGET_TMPDIR")`, which only the test knows.
    #[must_use]
    pub fn new(target: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("scratch-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = Path::new(target).join(name);
        // Of a process with the same number, long ago.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("the target directory can be written");
        Self(directory)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in the target directory harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}
