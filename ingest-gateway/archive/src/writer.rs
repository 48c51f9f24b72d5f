//! The thread that writes one recording.
//!
//! It takes whatever waits in one go: fragments first, then, once those are safe on the disk, the lines that tell of
//! them. So a line never tells of what a crash of the machine took away, and a disk that is slow is asked to synchronise
//! less often, not later and later.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvError, RecvTimeoutError, SyncSender};
use std::time::Duration;

use bytes::Bytes;
use velella_recording::{FileName, Space};

use crate::folder::{Folder, Open};
use crate::gauge::Gauge;

/// How long a disk that failed or is full is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// What to do. Attempts are numbered: what was asked in one that failed is left out.
#[derive(Debug)]
pub(crate) enum Job {
    Append {
        attempt: u64,
        file: FileName,
        bytes: Bytes,
    },
    /// Nothing is sent any more until this attempt can begin.
    Resume {
        attempt: u64,
    },
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// So many more commands are safe.
    Written {
        attempt: u64,
        commands: usize,
    },
    /// The disk refused, and everything behind it was left out.
    Failed {
        attempt: u64,
    },
    Resumed {
        attempt: u64,
    },
}

pub(crate) struct Writer {
    folder: Folder,
    gauge: Arc<Gauge>,
    jobs: Receiver<Job>,
    answers: SyncSender<Answer>,
    open: Open,
    /// The newest attempt that failed.
    failed: Option<u64>,
    /// The attempt that waits for the disk.
    waiting: Option<u64>,
}

impl Writer {
    pub(crate) fn new(folder: Folder, gauge: Arc<Gauge>, jobs: Receiver<Job>, answers: SyncSender<Answer>) -> Self {
        Self { folder, gauge, jobs, answers, open: Open::default(), failed: None, waiting: None }
    }

    /// Until nobody sends any more.
    pub(crate) fn run(mut self) {
        loop {
            match self.next() {
                Ok(job) => self.handle(job),
                Err(RecvTimeoutError::Timeout) => self.resume(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn next(&self) -> Result<Job, RecvTimeoutError> {
        if self.waiting.is_some() {
            return self.jobs.recv_timeout(RETRY);
        }
        self.jobs.recv().map_err(|RecvError| RecvTimeoutError::Disconnected)
    }

    /// With all that waits behind it.
    fn handle(&mut self, first: Job) {
        let waiting: Vec<Job> = std::iter::once(first).chain(self.jobs.try_iter()).collect();
        let (mut appends, mut newest) = (Vec::new(), None);
        for job in waiting {
            match job {
                Job::Append { attempt, .. } if self.failed >= Some(attempt) => {}
                Job::Append { attempt, file, bytes } => {
                    newest = Some(attempt);
                    appends.push((file, bytes));
                }
                Job::Resume { attempt } => self.waiting = Some(attempt),
            }
        }
        let Some(attempt) = newest else { return };
        match self.write(&appends) {
            Ok(()) => self.answer(Answer::Written { attempt, commands: appends.len() }),
            Err(error) => {
                tracing::warn!(folder = %self.folder.path().display(), %error, "a recording cannot be written");
                self.failed = Some(attempt);
                self.open.close_all();
                self.answer(Answer::Failed { attempt });
            }
        }
    }

    fn resume(&mut self) {
        let Some(attempt) = self.waiting else { return };
        if self.gauge.look().is_ok_and(|space| space != Space::Full) {
            self.waiting = None;
            self.answer(Answer::Resumed { attempt });
        }
    }

    fn write(&mut self, appends: &[(FileName, Bytes)]) -> io::Result<()> {
        if self.gauge.look()? == Space::Full {
            return Err(ErrorKind::StorageFull.into());
        }
        let is_media = |name: &FileName| matches!(name, FileName::Media(..));
        self.append_all(appends.iter().filter(|(name, _)| is_media(name)))?;
        self.append_all(appends.iter().filter(|(name, _)| !is_media(name)))
    }

    fn append_all<'a>(&mut self, appends: impl Iterator<Item = &'a (FileName, Bytes)>) -> io::Result<()> {
        let (mut touched, mut any_made) = (BTreeSet::new(), false);
        for (name, bytes) in appends {
            let (file, made) = self.open.append(&self.folder, name)?;
            file.write_all(bytes)?;
            any_made |= made;
            touched.insert(name);
        }
        for name in touched {
            self.open.append(&self.folder, name)?.0.sync_data()?;
        }
        if any_made { self.folder.sync() } else { Ok(()) }
    }

    fn answer(&self, answer: Answer) {
        // Nobody listens after the end.
        let _ = self.answers.send(answer);
    }
}
