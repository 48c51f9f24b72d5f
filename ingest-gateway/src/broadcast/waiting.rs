//! Questions that have no answer yet.

use std::time::{Duration, Instant};

use velella_edge::{Asked, Object, Question, Reason};
use velella_hls::Packager;

use crate::metrics::Streams;

/// Most questions that wait. An edge asks for each object once, so these are many gateways; whoever asks one more is told
/// to come back.
const WAITING_MAX: usize = 4_096;

/// What the gateway before had is gone with it. No longer than errors should be kept at the shortest target duration.
const LOST_FOR: Duration = Duration::from_secs(1);

/// Questions that have no answer yet, each with the end of its patience.
pub(super) struct Waiting {
    questions: Vec<(Instant, Question)>,
    metrics: Streams,
}

impl Waiting {
    pub(super) fn new(metrics: Streams) -> Self {
        Self { questions: Vec::new(), metrics }
    }

    /// When the first of them has waited enough.
    pub(super) fn due(&self) -> Option<Instant> {
        self.questions.iter().map(|(until, _)| *until).min()
    }

    /// A question came.
    pub(super) fn put(&mut self, question: Question, packager: &Packager, now: Instant) {
        match question.put(packager, now) {
            Asked::Answered => {}
            Asked::Waits { question, until } => self.keep(question, until),
            Asked::Elsewhere(question) => {
                // Nobody is left to tell.
                let _ = question.answer.send(Object::refused(Reason::Gone, LOST_FOR));
            }
        }
    }

    /// There is something new, or somebody has waited enough.
    pub(super) fn put_again(&mut self, packager: &Packager, now: Instant) {
        for (_, question) in std::mem::take(&mut self.questions) {
            if !question.is_forgotten() {
                self.put(question, packager, now);
            }
        }
    }

    /// Whoever asked is told to come back.
    pub(super) fn forget(&mut self) {
        self.questions.clear();
    }

    fn keep(&mut self, question: Question, until: Instant) {
        if self.questions.len() >= WAITING_MAX {
            self.questions.retain(|(_, question)| !question.is_forgotten());
        }
        if self.questions.len() >= WAITING_MAX {
            self.metrics.turned_away.inc();
            return;
        }
        self.questions.push((until, question));
    }
}
