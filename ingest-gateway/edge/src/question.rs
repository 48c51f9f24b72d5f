//! What an edge asks the job that packages a stream.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;
use velella_hls::address::Address;
use velella_hls::{Answer, Directives, Packager};

use crate::object::{Content, Object};
use crate::reason::Reason;

/// Asks for one object of a stream. Dropping it is no answer either: who asked is told to come back.
#[derive(Debug)]
pub struct Question {
    /// The object, as [`Address`] reads it.
    pub path: String,
    /// What is demanded of the playlist of a rendition; nothing of anything else.
    pub directives: Directives,
    /// When the first of those who want it asked.
    pub asked_at: Instant,
    /// Who asked.
    pub answer: oneshot::Sender<Object>,
}

/// What became of a question.
#[derive(Debug)]
#[must_use]
pub enum Asked {
    /// It has its answer.
    Answered,
    /// It has none yet: to be put again when the packager tells something new, and at the latest then.
    Waits {
        /// The question.
        question: Question,
        /// When waiting ends in a refusal.
        until: Instant,
    },
    /// The packager does not hold it any more: to be answered by whoever kept it.
    Elsewhere(Question),
}

impl Question {
    /// Puts it to a packager.
    pub fn put(self, packager: &Packager, now: Instant) -> Asked {
        let asked = match Address::parse(&self.path) {
            None => return self.answered(Object::refused(Reason::NotFound, Duration::ZERO)),
            Some(Address::Multivariant) => playlist(packager.multivariant()),
            Some(Address::Playlist(name)) => playlist(packager.playlist(name, self.directives, self.asked_at, now)),
            Some(media @ (Address::Init(..) | Address::Segment(..) | Address::Part(..))) => {
                map(packager.media(media, self.asked_at, now), Content::Media)
            }
        };
        match asked {
            Answer::Ready { body, max_age, urgency } => self.answered(Object { content: body, max_age, urgency }),
            Answer::Refused { refusal, max_age } => self.answered(Object::refused(refusal.into(), max_age)),
            Answer::Wait { until } => Asked::Waits { question: self, until },
            Answer::Elsewhere => Asked::Elsewhere(self),
        }
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_forgotten(&self) -> bool {
        self.answer.is_closed()
    }

    fn answered(self, object: Object) -> Asked {
        // Nobody is left to tell.
        let _ = self.answer.send(object);
        Asked::Answered
    }
}

fn playlist(answer: Answer<String>) -> Answer<Content> {
    map(answer, |text| Content::Playlist(Bytes::from(text)))
}

fn map<T>(answer: Answer<T>, content: impl FnOnce(T) -> Content) -> Answer<Content> {
    match answer {
        Answer::Ready { body, max_age, urgency } => Answer::Ready { body: content(body), max_age, urgency },
        Answer::Wait { until } => Answer::Wait { until },
        Answer::Elsewhere => Answer::Elsewhere,
        Answer::Refused { refusal, max_age } => Answer::Refused { refusal, max_age },
    }
}
