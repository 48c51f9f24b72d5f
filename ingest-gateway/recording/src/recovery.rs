//! A track as its sidecar tells it, whatever a crash left.
//!
//! A fragment counts when its line is whole and the file is long enough. Since a line is written after its fragment, at
//! most the last fragment is lost.

use std::collections::BTreeMap;

use crate::sidecar::{About, Configured, Fragment, Line};

/// Longest line that is read; one fragment has at most some thousand samples.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// A track of a recording that has ended, in order or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// What it is; `None` when even the first line is lost.
    pub about: Option<About>,
    /// How its files are decoded.
    pub files: BTreeMap<u32, Configured>,
    /// Whole ones, by ascending decode time.
    pub fragments: Vec<Fragment>,
    /// Whether it was closed in order.
    pub ended: bool,
    /// Samples that were not kept while it ran.
    pub samples_lost: u64,
    /// Lines that were left out: cut short, not to be read, or of what is not there.
    pub lines_dropped: u64,
}

impl Track {
    /// Reads a sidecar. `file_bytes` tells how long a file of the track is now, `None` when it is not there.
    #[must_use]
    pub fn recover(sidecar: &[u8], file_bytes: impl Fn(u32) -> Option<u64>) -> Self {
        let mut track = Self::default();
        for line in sidecar.split_inclusive(|byte| *byte == b'\n') {
            let Some(text) = line.strip_suffix(b"\n") else {
                track.lines_dropped += 1;
                continue;
            };
            if text.is_empty() {
                continue;
            }
            let line = (text.len() <= LINE_BYTES_MAX).then(|| serde_json::from_slice(text).ok()).flatten();
            let taken = line.is_some_and(|line| track.take(line, &file_bytes));
            track.lines_dropped += u64::from(!taken);
        }
        track
    }

    /// The end of the last fragment, in ticks.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.fragments.last().map_or(0, |last| last.decode_time.saturating_add(last.ticks()))
    }

    /// Ticks in a second, of the first file.
    #[must_use]
    pub fn timescale(&self) -> u32 {
        self.files.values().next().map_or(1, |file| file.timescale.max(1))
    }

    fn take(&mut self, line: Line, file_bytes: impl Fn(u32) -> Option<u64>) -> bool {
        match line {
            Line::Opened(about) => self.about = Some(about),
            Line::Configured(file) => {
                let there = file_bytes(file.file).is_some_and(|bytes| bytes >= file.init_bytes);
                // Sound may change its rate; then decode times have other units, which one file cannot tell.
                let fits = self.files.values().all(|other| other.timescale == file.timescale);
                if !there || !fits || file.timescale == 0 {
                    return false;
                }
                self.files.insert(file.file, file);
            }
            Line::Fragment(fragment) => {
                let there = file_bytes(fragment.file)
                    .is_some_and(|bytes| bytes >= fragment.from.saturating_add(fragment.bytes));
                let known = self.files.contains_key(&fragment.file);
                if !there || !known || !fragment.is_sound() || fragment.decode_time < self.end() {
                    return false;
                }
                self.fragments.push(fragment);
            }
            Line::Discontinuity { .. } => {}
            Line::Lost { samples, .. } => self.samples_lost = self.samples_lost.saturating_add(samples),
            Line::Ended => self.ended = true,
        }
        true
    }
}
