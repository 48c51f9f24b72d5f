//! Publishers: who is let in, who is sent away, and who has to go on to another gateway.

use std::time::Instant;

use velella_gateway_core::{Task, Transcoding};
use velella_model::component::{ComponentSpec, IngestRecord, JobKind, PublishSpec, Trouble};
use velella_model::wire::announce::GatewayState;

use super::farewell::HANDFUL;
use super::{Beginning, Driver, Place, Wiring};
use crate::allowance::Carried;
use crate::listen::{Ask, Refusal, Terms};
use crate::report::{Failure, Right};

/// What became of a publisher's claim.
pub(super) struct Claimed {
    place: Place,
    task: Task,
    ask: Ask,
    refused: Option<Refusal>,
}

impl Driver {
    /// A publisher came: its component has to be claimed before it is let in.
    pub(super) fn asked(&mut self, ask: Ask) {
        let known = self.board.tasks().find_map(|(room, id, task)| {
            let publish = publish_spec(&task.record.spec).filter(|publish| publish.key_digest == ask.key_digest)?;
            let is_kind = task.record.spec.kind() == ask.kind;
            is_kind.then(|| ((room.clone(), id.clone()), task.clone(), publish.takeover))
        });
        let Some((place, task, takeover)) = known else { return self.refuse(ask, None, Refusal::UnknownKey) };
        let Some(lease) = *self.wiring.lease.borrow() else { return self.refuse(ask, Some(&place), Refusal::Away) };
        if let Some(refusal) = self.keeps_out(ask.kind, &place, takeover) {
            return self.refuse(ask, Some(&place), refusal);
        }
        let report = self.report(&place, task.generation, Right::Published);
        self.claims.spawn(async move {
            let refused = match report.claim(takeover, lease).await {
                Ok(()) => None,
                Err(Failure::Superseded) => Some(Refusal::InUse),
                Err(Failure::Store(error)) => {
                    tracing::warn!(%error, "a publisher's component was not claimed");
                    Some(Refusal::Away)
                }
            };
            Claimed { place, task, ask, refused }
        });
    }

    /// Why no publisher is taken for this component now.
    fn keeps_out(&self, kind: JobKind, place: &Place, takeover: bool) -> Option<Refusal> {
        if self.wiring.standing.borrow().state != Some(GatewayState::Ready) {
            return Some(Refusal::Busy);
        }
        if self.jobs.get(place).is_some_and(|running| !takeover && !running.mail.is_closed()) {
            return Some(Refusal::InUse);
        }
        // Whoever is taken over from makes room.
        let others = self.jobs.iter().filter(|(of, _)| *of != place).map(|(_, running)| running.carried());
        let claiming = std::iter::repeat_n(Carried { kind, live: false }, self.claims.len());
        (!self.wiring.allowance.has_room_for(kind, others.chain(claiming))).then_some(Refusal::Full)
    }

    fn refuse(&mut self, ask: Ask, of: Option<&Place>, refusal: Refusal) {
        self.refused(of, refusal);
        // A publisher that is gone already needs no answer.
        let _ = ask.answer.send(Err(refusal));
    }

    /// Counts a publisher that was sent away, and keeps why where its key was right.
    fn refused(&mut self, of: Option<&Place>, refusal: Refusal) {
        self.wiring.metrics.publishers_refused.with_label_values(&[refusal.code()]).inc();
        if let Some(place) = of {
            let trouble = Trouble { code: refusal.code().into(), sentence: refusal.to_string() };
            self.troubles.note(place, trouble, Instant::now());
        }
    }

    pub(super) async fn claimed(&mut self, Claimed { place, task, ask, refused }: Claimed) {
        let Ask { source, answer, .. } = ask;
        let stands = self.board.task(&place.0, &place.1).is_some_and(|standing| standing.record == task.record);
        let refused = refused.or_else(|| (!stands).then_some(Refusal::UnknownKey));
        let transcodes = self.wiring.means.transcoding(task.record.transcode) == Transcoding::Able;
        // A publisher that left meanwhile shows in its source.
        let _ = answer.send(refused.map_or(Ok(Terms { transcodes }), Err));
        match refused {
            Some(refusal) => self.refused(Some(&place), refusal),
            None => self.start(place, &task, Beginning::Published(source)).await,
        }
    }

    /// Another gateway has taken over what was published to us.
    pub(super) fn reported(&mut self, place: &Place, record: Option<IngestRecord>) {
        let Wiring { gateway, incarnation, .. } = &self.wiring;
        let is_others = |record: IngestRecord| (&record.job.gateway, record.job.incarnation) != (gateway, *incarnation);
        let published = self.jobs.get(place).is_some_and(|running| running.right == Right::Published);
        if published && record.is_some_and(is_others) {
            tracing::info!(room = %place.0, component = %place.1, "another publisher took over");
            self.stop(place);
        }
    }

    /// The next of those that have to find another gateway, since this one ends.
    pub(super) fn send_publishers_on(&mut self) {
        let published = self.jobs.iter().filter(|(_, running)| running.right == Right::Published);
        let leaving: Vec<Place> = published.map(|(place, _)| place.clone()).take(HANDFUL).collect();
        for place in leaving {
            tracing::info!(room = %place.0, component = %place.1, "a publisher has to find another gateway");
            self.wiring.metrics.publishers_sent_on.inc();
            self.stop(&place);
        }
    }
}

fn publish_spec(spec: &ComponentSpec) -> Option<&PublishSpec> {
    match spec {
        ComponentSpec::Rtmp(publish) | ComponentSpec::Srt(publish) => Some(publish),
        ComponentSpec::Rtsp(_) | ComponentSpec::File(_) | ComponentSpec::Hls(_) => None,
    }
}
