//! Keeps a leased key by asking the store what the real tenure wants.

use std::time::Duration;

use velella_store::LeaseId;
use velella_store::tenure::{self, Standing, Tenure};

use crate::ctx::Ctx;
use crate::mail::Timer;
use crate::net::Node;
use crate::store::{Answer, Call, Leased};

/// As in the real keeper.
const TIMEOUT: Duration = Duration::from_millis(1_500);

#[derive(Debug)]
pub(crate) struct Keeping {
    number: usize,
    leased: Leased,
    tenure: Tenure,
    call: Option<u64>,
}

impl Keeping {
    pub(crate) fn new(number: usize, leased: Leased, ctx: &Ctx) -> Self {
        Self { number, leased, tenure: Tenure::new(ctx.instant()), call: None }
    }

    /// Asks what is due, or wakes up when it will be.
    pub(crate) fn go_on(&mut self, node: Node, boot: u32, ctx: &mut Ctx) {
        if let Some(ask) = self.tenure.poll(ctx.instant()) {
            self.call = Some(ctx.ask(node, boot, Call::Keep(Box::new(self.leased.clone()), ask), TIMEOUT));
        } else if let Some(at) = self.tenure.wakes_at() {
            ctx.remind(node, boot, ctx.since_start(at), Timer::Keep(self.number));
        }
    }

    /// Takes an answer, or its absence; false if that is none of its own.
    pub(crate) fn answered(
        &mut self,
        id: u64,
        answer: Option<&Answer>,
        (node, boot): (Node, u32),
        ctx: &mut Ctx,
    ) -> bool {
        if self.call != Some(id) {
            return false;
        }
        self.call = None;
        let answer = if let Some(Answer::Kept(answer)) = answer { *answer } else { tenure::Answer::Down };
        self.tenure.answered(answer, ctx.instant());
        self.go_on(node, boot, ctx);
        true
    }

    pub(crate) fn standing(&self) -> Standing {
        self.tenure.standing()
    }

    pub(crate) fn lease(&self) -> Option<LeaseId> {
        self.tenure.lease()
    }
}
