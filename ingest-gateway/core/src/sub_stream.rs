//! The second, smaller stream of a source. It comes and goes by itself; the first one goes on whatever it does.

use std::time::Instant;

use velella_media::Picture;
use velella_model::component::Trouble;

use crate::clock::Clock;
use crate::continuity::Continuity;
use crate::gate::Gate;

/// The second stream.
#[derive(Debug)]
pub(crate) struct SubStream {
    /// Its own: what arrives late of one stream says nothing of the other.
    clock: Clock,
    continuity: Continuity,
    gate: Gate,
    /// Why it is away.
    pub(crate) trouble: Option<Trouble>,
}

impl SubStream {
    pub(crate) fn new(began: Instant) -> Self {
        let (clock, gate) = (Clock::default(), Gate::default());
        Self { clock, continuity: Continuity::new(began), gate, trouble: None }
    }

    pub(crate) fn opened(&mut self) {
        self.clock = Clock::default();
        self.continuity.reopen();
        self.gate.reopen();
    }

    pub(crate) fn lost(&mut self) {
        self.gate.lost();
    }

    /// The picture with its place on the line of time and when it was captured; `None` if it does not go on.
    pub(crate) fn picture(&mut self, picture: Picture, now: Instant) -> Option<(Picture, Instant)> {
        self.trouble = None;
        let passes = self.gate.picture(&picture, now).passes;
        let captured = self.clock.captured(picture.time, now);
        let time = self.continuity.place(picture.time, now);
        passes.then_some((Picture { time, ..picture }, captured))
    }
}
