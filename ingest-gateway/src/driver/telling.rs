//! Tells coordinators what comes through of the ingests, again and again.

use std::collections::BTreeSet;
use std::time::Instant;

use velella_model::subject;
use velella_model::wire::encode;
use velella_model::wire::ingest::{INGESTS_PER_REPORT_MAX, IngestReading, IngestReport};

use super::{Driver, Place};

impl Driver {
    pub(super) async fn tell_readings(&mut self, now: Instant) {
        self.troubles.keep(|(room, component)| self.board.task(room, component).is_some());
        let places: Vec<Place> = self.jobs.keys().cloned().collect();
        places.iter().for_each(|place| self.note_trouble(place));
        let known: BTreeSet<&Place> = places.iter().chain(self.troubles.places()).collect();
        let mut ingests: Vec<IngestReading> = Vec::with_capacity(known.len());
        for place in known {
            let (room, component) = place.clone();
            let flow = self.jobs.get_mut(place).and_then(|running| running.gauge.flow(now));
            let last_trouble = self.troubles.get(place).cloned();
            ingests.push(IngestReading { room, component, flow, last_trouble });
        }
        for ingests in ingests.chunks(INGESTS_PER_REPORT_MAX) {
            let (gateway, incarnation) = (self.wiring.gateway.clone(), self.wiring.incarnation);
            let report = IngestReport { gateway, incarnation, ingests: ingests.to_vec() };
            if let Err(error) = self.wiring.bus.publish(subject::INGEST_REPORTS, encode(&report).into()).await {
                // The next one says it again.
                return tracing::debug!(%error, "what comes through of ingests was not told");
            }
        }
    }

    /// What an ingest says went wrong with it, while it can be asked.
    pub(super) fn note_trouble(&mut self, place: &Place) {
        if let Some((trouble, at)) = self.jobs.get(place).and_then(|running| running.gauge.last_trouble()) {
            self.troubles.note(place, trouble, at);
        }
    }
}
