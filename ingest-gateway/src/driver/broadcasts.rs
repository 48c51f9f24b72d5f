//! How a broadcast begins.

use std::ops::Range;

use tokio::sync::mpsc;
use tracing::Instrument;
use velella_gateway_core::{Name, Task};
use velella_model::component::{HlsSpec, Job as Assigned};
use velella_model::{ComponentId, PeerId, key};

use super::{Driver, Place, Reins, Wiring};
use crate::broadcast::{Job, LISTENERS, QUESTIONS_MAX, Record, settings};
use crate::courier::Courier;

/// Letters of a component's id in the ids of its sessions' endpoints, which have to be told apart.
const ID_LETTERS: usize = 190;

impl Driver {
    pub(super) fn begin_broadcast(&mut self, place: &Place, task: &Task, spec: &HlsSpec, reins: Reins) {
        let (room, component) = place;
        let span = tracing::error_span!("broadcast", %room, %component);
        let Reins { numbers, mail, progress, reading } = reins;
        let names = self.names(place, task, &numbers);
        let (asks, questions) = mpsc::channel(QUESTIONS_MAX);
        let Wiring { gateway, incarnation, bus, store, metrics, origins, .. } = &self.wiring;
        let record = Record {
            store: store.clone(),
            key: key::stream(room, component),
            component: key::component(room, component),
            job: Assigned { gateway: gateway.clone(), incarnation: *incarnation },
            generation: task.generation,
        };
        let job = Job {
            names,
            numbers,
            of: task.record.subscriptions.clone(),
            settings: settings(spec),
            record,
            couriers: std::array::from_fn(|_| Courier::new(bus.clone())),
            mail,
            questions,
            progress,
            reading,
            metrics: metrics.streams.clone(),
        };
        tracing::info!(parent: &span, generation = task.generation.0, "a broadcast begins");
        self.tasks.spawn(job.run().instrument(span));
        origins.packaged(place, Some(asks));
    }

    fn names(&self, (room, component): &Place, task: &Task, numbers: &Range<u64>) -> [Name; LISTENERS] {
        let Wiring { gateway, incarnation, .. } = &self.wiring;
        std::array::from_fn(|at| {
            let number = numbers.start + at as u64;
            let name = Name::new(gateway.clone(), *incarnation, number, task.generation, room.clone(), component);
            Name { endpoint: endpoint(component, at), ..name }
        })
    }
}

/// A worker has one session of each endpoint. Nobody is shown these.
fn endpoint(component: &ComponentId, at: usize) -> PeerId {
    let id: String = component.as_str().chars().take(ID_LETTERS).collect();
    PeerId::parse(&format!("{id}.{at}")).expect("letters of an id are an id")
}
