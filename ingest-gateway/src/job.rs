//! One ingest: feeds its machine and does what that wants.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, watch};
use velella_gateway_core::{Counts, Errand, Ingest, Input, Output, Progress};
use velella_media::Picture;
use velella_model::component::ComponentSpec;

use crate::courier::{Courier, News};
use crate::letter::Letter;
use crate::metrics::Metrics;
use crate::readings::Reading;
use crate::source::{End, Event, Means, Source};
use crate::transcoder::Transcoder;

/// A job with its hands. Runs until the sender of its mail is dropped, or what was published to it ends.
pub(crate) struct Job {
    pub(crate) ingest: Ingest,
    pub(crate) spec: ComponentSpec,
    /// Where its record stands.
    pub(crate) key: String,
    pub(crate) means: Means,
    pub(crate) metrics: Arc<Metrics>,
    /// What the metrics know of it already.
    pub(crate) counted: Counts,
    pub(crate) courier: Courier,
    pub(crate) mail: mpsc::Receiver<Letter>,
    pub(crate) progress: watch::Sender<Option<Progress>>,
    /// For whoever wants to know how much comes through.
    pub(crate) reading: watch::Sender<Reading>,
    pub(crate) source: Option<Source>,
    pub(crate) transcoder: Option<Transcoder>,
}

/// What woke the loop.
enum Woken {
    Mail(Option<Letter>),
    Source(Result<Event, End>),
    Transcoder(Result<Picture, String>),
    Courier(News),
    Timeout,
}

impl Job {
    pub(crate) async fn run(mut self) {
        loop {
            if self.execute().await {
                return;
            }
            let timeout = self.ingest.poll_timeout();
            let woken = tokio::select! {
                letter = self.mail.recv() => Woken::Mail(letter),
                news = self.courier.next() => Woken::Courier(news),
                event = next(self.source.as_mut()) => Woken::Source(event),
                picture = transcoded(self.transcoder.as_mut()) => Woken::Transcoder(picture),
                () = sleep_until(timeout) => Woken::Timeout,
            };
            let now = Instant::now();
            match woken {
                Woken::Mail(None) => return self.end().await,
                Woken::Mail(Some(letter)) => self.letter(letter, now).await,
                Woken::Source(Ok(event)) => self.ingest.handle_input(event.into(), now),
                Woken::Source(Err(End { trouble, retry })) => {
                    self.source = None;
                    self.ingest.handle_input(Input::Ended { trouble, retry }, now);
                }
                Woken::Transcoder(Ok(picture)) => self.ingest.handle_input(Input::Transcoded(picture), now),
                Woken::Transcoder(Err(why)) => {
                    self.transcoder = None;
                    self.ingest.handle_input(Input::TranscoderEnded(&why), now);
                }
                Woken::Courier(News::Datagram(source, length)) => {
                    let contents = self.courier.datagram(length);
                    self.ingest.handle_input(Input::Datagram { source, contents }, now);
                }
                Woken::Courier(News::Opened(session, done)) => {
                    self.ingest.handle_input(Input::Opened { session, done }, now);
                }
                Woken::Timeout => self.ingest.handle_input(Input::Timeout, now),
            }
        }
    }

    async fn letter(&mut self, letter: Letter, now: Instant) {
        let input = match letter {
            Letter::Homed(lodging) => Input::Homed(self.courier.move_to(lodging).await),
            Letter::Wanted(wanted) => Input::Wanted(wanted),
            Letter::Said(message) => Input::Said(message),
            // It receives nothing.
            Letter::Chosen(_) => return,
        };
        self.ingest.handle_input(input, now);
    }

    /// Does what the machine wants; whether it is finished.
    async fn execute(&mut self) -> bool {
        let counts = self.ingest.counts();
        self.metrics.add(std::mem::replace(&mut self.counted, counts), counts);
        self.reading.send_if_modified(|reading| {
            reading.take(counts, self.ingest.key_frame_interval(), self.ingest.last_trouble());
            // It is looked at by the clock; nobody waits for it.
            false
        });
        while let Some(output) = self.ingest.poll_output() {
            match output {
                Output::OpenSource => self.source = Some(Source::open(&self.spec, &self.key, &self.means)),
                Output::CloseSource => self.source = None,
                Output::StartTranscoder(encoding) => self.transcoder = self.means.transcoder(encoding),
                Output::Transcode(coded) => {
                    if let Some(transcoder) = &self.transcoder {
                        transcoder.give(coded);
                    }
                }
                Output::StopTranscoder => self.transcoder = None,
                Output::Open { session, worker, incarnation, order } => {
                    self.courier.run(Errand::Open { session, worker, incarnation, order }).await;
                }
                Output::Close { worker, incarnation, order } => {
                    self.courier.run(Errand::Close { worker, incarnation, order }).await;
                }
                Output::Signal { worker, message } => self.courier.run(Errand::Signal { worker, message }).await,
                Output::Send(packet) => self.courier.run(Errand::Send(packet)).await,
                Output::Progress(progress) => drop(self.progress.send_replace(Some(progress))),
                Output::Finished => return true,
            }
        }
        false
    }

    async fn end(mut self) {
        self.ingest.close(Instant::now());
        self.execute().await;
    }
}

async fn next(source: Option<&mut Source>) -> Result<Event, End> {
    match source {
        Some(source) => source.next().await,
        None => std::future::pending().await,
    }
}

async fn transcoded(transcoder: Option<&mut Transcoder>) -> Result<Picture, String> {
    match transcoder {
        Some(transcoder) => transcoder.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
