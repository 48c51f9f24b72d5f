//! A recording while it runs: tracks in, jobs for its writer out. Nothing here waits for a disk.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::{io, thread};

use tokio::sync::oneshot;
use velella_cmaf::Output;
use velella_recording::{About, Command, Input, Manifest, Recorder, RecordingId, Stats, TrackId};

use crate::archive::Claim;
use crate::folder::Folder;
use crate::gauge::Gauge;
use crate::writer::{Answer, Job, Writer};

/// Most commands that wait for the disk; how many bytes they may hold is the recorder's to bound. When there are more,
/// everything that waits is given up as if the disk had failed.
const JOBS_MAX: usize = 4_096;
/// Answers are heard before more commands are sent, and each is for at least one.
const ANSWERS_MAX: usize = 2 * JOBS_MAX;

/// A recording that runs. Dropped without [`Self::end`], it is left as a crash would leave it, and finished all the same.
#[derive(Debug)]
pub struct Take {
    id: RecordingId,
    recorder: Recorder,
    jobs: SyncSender<Job>,
    answers: Receiver<Answer>,
    /// When the writer is done.
    ended: oneshot::Receiver<()>,
    attempt: u64,
    /// Whether the writer has to be told to look for space.
    resume_owed: bool,
    failures: u64,
    overflows: u64,
}

/// Counted since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakeStats {
    /// What was told to be written, and what was left out.
    pub recorder: Stats,
    /// How often the disk refused.
    pub failures: u64,
    /// How often more was waiting for the disk than may.
    pub overflows: u64,
}

impl Take {
    /// Begins in an empty folder. The claim is held until the last byte is written.
    pub(crate) fn begin(
        id: RecordingId,
        manifest: &Manifest,
        folder: Folder,
        gauge: Arc<Gauge>,
        claim: Claim,
    ) -> io::Result<Self> {
        let (jobs, from_take) = sync_channel(JOBS_MAX);
        let (to_take, answers) = sync_channel(ANSWERS_MAX);
        let (done, ended) = oneshot::channel();
        let writer = Writer::new(folder, gauge, from_take, to_take);
        thread::Builder::new().name("recording".to_owned()).spawn(move || {
            writer.run();
            drop(claim);
            // Nobody may wait for it.
            let _ = done.send(());
        })?;
        let mut take = Self {
            id,
            recorder: Recorder::new(manifest),
            jobs,
            answers,
            ended,
            attempt: 0,
            resume_owed: false,
            failures: 0,
            overflows: 0,
        };
        take.send();
        Ok(take)
    }

    /// Which recording it is.
    #[must_use]
    pub fn id(&self) -> &RecordingId {
        &self.id
    }

    /// A track begins.
    pub fn open(&mut self, track: TrackId, about: About) {
        self.handle(Input::Opened(track, about));
    }

    /// The sampler of a track gave this.
    pub fn media(&mut self, track: TrackId, output: Output) {
        self.handle(Input::Media(track, output));
    }

    /// A track ended.
    pub fn close(&mut self, track: TrackId) {
        self.handle(Input::Closed(track));
    }

    /// Whether media is left out now, since the disk is full or fails.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.recorder.is_full()
    }

    /// Counters since the beginning.
    #[must_use]
    pub fn stats(&self) -> TakeStats {
        TakeStats { recorder: self.recorder.stats(), failures: self.failures, overflows: self.overflows }
    }

    /// Ends the recording and all its tracks, and waits until everything is on the disk. It can be finished then.
    pub async fn end(mut self) -> TakeStats {
        self.handle(Input::Ended);
        let stats = self.stats();
        drop(self.jobs);
        // A writer that panicked is gone as well.
        let _ = self.ended.await;
        stats
    }

    fn handle(&mut self, input: Input) {
        self.hear();
        self.recorder.handle_input(input);
        self.send();
    }

    fn hear(&mut self) {
        while let Ok(answer) = self.answers.try_recv() {
            match answer {
                Answer::Written { attempt, commands } if attempt == self.attempt => {
                    (0..commands).for_each(|_| self.recorder.handle_input(Input::Written));
                }
                Answer::Failed { attempt } if attempt == self.attempt => {
                    self.failures += 1;
                    self.fail();
                }
                Answer::Resumed { attempt } if attempt == self.attempt => {
                    self.recorder.handle_input(Input::SpaceFound);
                    self.send();
                }
                Answer::Written { .. } | Answer::Failed { .. } | Answer::Resumed { .. } => {}
            }
        }
        if self.resume_owed && self.jobs.try_send(Job::Resume { attempt: self.attempt }).is_ok() {
            self.resume_owed = false;
        }
    }

    fn send(&mut self) {
        while let Some(Command::Append(file, bytes)) = self.recorder.poll_output() {
            if self.jobs.try_send(Job::Append { attempt: self.attempt, file, bytes }).is_err() {
                self.overflows += 1;
                self.fail();
            }
        }
    }

    fn fail(&mut self) {
        self.recorder.handle_input(Input::Failed);
        self.attempt += 1;
        self.resume_owed = true;
    }
}
