//! A directory in memory that does what a recorder says.

#![allow(dead_code, reason = "not every test needs all of it")]
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;

use velella_recording::{Command, FileName, Input, Line, Recorder, Track};

#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// What was appended to, in order.
    pub(crate) log: Vec<FileName>,
    /// Bytes that are left.
    pub(crate) space: usize,
    /// Without space, what fits of the last write stays, and then the machine is gone.
    pub(crate) torn: bool,
}

impl Default for Disk {
    fn default() -> Self {
        Self { files: BTreeMap::new(), log: Vec::new(), space: usize::MAX, torn: false }
    }
}

impl Disk {
    /// Does what is commanded; tells how much that was.
    pub(crate) fn run(&mut self, recorder: &mut Recorder) -> usize {
        let mut done = 0;
        while let Some(Command::Append(file, bytes)) = recorder.poll_output() {
            done += 1;
            let fits = bytes.len().min(self.space);
            self.append(&file, bytes.get(..fits).unwrap());
            self.space -= if self.space == usize::MAX { 0 } else { fits };
            if fits == bytes.len() {
                recorder.handle_input(Input::Written);
            } else if !self.torn {
                recorder.handle_input(Input::Failed);
            } else {
                self.space = 0;
            }
        }
        done
    }

    pub(crate) fn append(&mut self, file: &FileName, bytes: &[u8]) {
        self.files.entry(file.to_string()).or_default().extend(bytes);
        self.log.push(file.clone());
    }

    pub(crate) fn bytes(&self, file: &FileName) -> &[u8] {
        self.files.get(&file.to_string()).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn size(&self, track: &str, file: u32) -> Option<u64> {
        let name = FileName::Media(track.parse().unwrap(), file);
        self.files.get(&name.to_string()).map(|bytes| u64::try_from(bytes.len()).unwrap())
    }

    pub(crate) fn track(&self, track: &str) -> Track {
        let sidecar = self.bytes(&FileName::Sidecar(track.parse().unwrap()));
        Track::recover(sidecar, |file| self.size(track, file))
    }

    pub(crate) fn lines(&self, track: &str) -> Vec<Line> {
        let sidecar = self.bytes(&FileName::Sidecar(track.parse().unwrap()));
        sidecar.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}
