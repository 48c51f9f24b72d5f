//! A broadcast that goes on: feeds its machine, does what that wants, and answers who watches.

use std::time::Instant;

use tokio::sync::{mpsc, watch};
use velella_broadcast::{Broadcast, Input, LISTENERS, Output};
use velella_edge::Question;
use velella_gateway_core::{ListenerInput, Name, Progress};
use velella_hls::{Output as Hls, Snapshot};
use velella_model::component::Trouble;

use super::waiting::Waiting;
use crate::courier::{Courier, News};
use crate::letter::Letter;
use crate::metrics::Share;
use crate::readings::Reading;

/// The machine with its hands.
pub(super) struct Broadcaster {
    pub(super) broadcast: Box<Broadcast>,
    /// Number of the first listener's sessions; those of the others follow.
    pub(super) first: u64,
    /// Of the listeners, in their order.
    pub(super) couriers: [Courier; LISTENERS],
    pub(super) mail: mpsc::Receiver<Letter>,
    pub(super) questions: mpsc::Receiver<Question>,
    pub(super) waiting: Waiting,
    /// After each segment.
    pub(super) snapshots: watch::Sender<Option<Snapshot>>,
    pub(super) progress: watch::Sender<Option<Progress>>,
    pub(super) reading: watch::Sender<Reading>,
    pub(super) share: Share,
    /// The last one.
    pub(super) trouble: Option<(Trouble, Instant)>,
}

/// What woke the loop.
enum Woken {
    Mail(Option<Letter>),
    Question(Question),
    Courier(usize, News),
    Timeout,
}

impl Broadcaster {
    /// Until there is no more mail.
    pub(super) async fn run(&mut self) {
        loop {
            self.execute().await;
            let due = self
                .waiting
                .due()
                .map_or_else(|| self.broadcast.poll_timeout(), |at| at.min(self.broadcast.poll_timeout()));
            let woken = tokio::select! {
                letter = self.mail.recv() => Woken::Mail(letter),
                Some(question) = self.questions.recv() => Woken::Question(question),
                (at, news) = news(&mut self.couriers) => Woken::Courier(at, news),
                () = tokio::time::sleep_until(due.into()) => Woken::Timeout,
            };
            let now = Instant::now();
            match woken {
                Woken::Mail(None) => return,
                Woken::Mail(Some(letter)) => self.letter(letter, now).await,
                Woken::Question(question) => self.waiting.put(question, self.broadcast.packager(), now),
                Woken::Courier(at, news) => self.news(at, news, now),
                Woken::Timeout => {
                    self.broadcast.handle_input(Input::Timeout, now);
                    self.waiting.put_again(self.broadcast.packager(), now);
                }
            }
        }
    }

    /// Closes the sessions. To viewers the stream is not over: they come back, maybe to another gateway, which goes on
    /// with what is returned.
    pub(super) async fn end(mut self) -> (mpsc::Receiver<Letter>, Option<Snapshot>) {
        let last = self.broadcast.packager().snapshot();
        self.waiting.forget();
        self.broadcast.handle_input(Input::End, Instant::now());
        self.execute().await;
        (self.mail, last)
    }

    async fn letter(&mut self, letter: Letter, now: Instant) {
        match letter {
            Letter::Homed(lodging) => {
                for (at, courier) in self.couriers.iter_mut().enumerate() {
                    let home = courier.move_to(lodging.clone()).await;
                    self.broadcast.handle_input(Input::Listener(at, ListenerInput::Homed(home)), now);
                }
            }
            Letter::Said(message) => {
                let number = Name::job_of(&message.session).and_then(|number| number.checked_sub(self.first));
                if let Some(at) = number.and_then(|number| usize::try_from(number).ok()) {
                    self.broadcast.handle_input(Input::Listener(at, ListenerInput::Said(message)), now);
                }
            }
            Letter::Chosen(of) => self.broadcast.handle_input(Input::Choose(of), now),
            // Viewers come and go without a word.
            Letter::Wanted(_) => {}
        }
    }

    fn news(&mut self, at: usize, news: News, now: Instant) {
        let input = match news {
            News::Opened(session, done) => ListenerInput::Opened { session, done },
            News::Datagram(source, length) => {
                let contents = self.couriers.get(at).map_or(&[][..], |courier| courier.datagram(length));
                ListenerInput::Datagram { source, contents }
            }
        };
        self.broadcast.handle_input(Input::Listener(at, input), now);
    }

    fn progressed(&mut self, progress: Progress) {
        if let Some(trouble) = &progress.trouble {
            self.trouble = Some((trouble.clone(), Instant::now()));
        }
        self.progress.send_replace(Some(progress));
    }

    /// Does what the machine wants, and tells what is new.
    async fn execute(&mut self) {
        let (mut part, mut segment) = (false, false);
        while let Some(output) = self.broadcast.poll_output() {
            match output {
                Output::Do(at, errand) => {
                    if let Some(courier) = self.couriers.get_mut(at) {
                        courier.run(errand).await;
                    }
                }
                Output::Progress(progress) => self.progressed(progress),
                Output::Hls(Hls::SegmentReady { .. }) => segment = true,
                Output::Hls(Hls::PartReady { .. } | Hls::BecomePlayable | Hls::End) => part = true,
                // It does that itself.
                Output::Hls(Hls::RequestKeyFrame { .. }) => {}
            }
        }
        let packager = self.broadcast.packager();
        if part || segment {
            self.waiting.put_again(packager, Instant::now());
        }
        if segment {
            self.snapshots.send_replace(packager.snapshot());
        }
        self.share.count(packager.stats(), self.broadcast.stats());
        self.reading.send_if_modified(|reading| {
            reading.take(self.broadcast.counts(), None, self.trouble.as_ref());
            // It is looked at by the clock; nobody waits for it.
            false
        });
    }
}

/// What comes next to one of them.
async fn news(couriers: &mut [Courier; LISTENERS]) -> (usize, News) {
    let [first, second, third] = couriers;
    tokio::select! {
        news = first.next() => (0, news),
        news = second.next() => (1, news),
        news = third.next() => (2, news),
    }
}
