//! Components that the management API adds and removes.

use std::time::Instant;

use velella_model::component::{ComponentRecord, Job, JobKind};
use velella_model::{ComponentId, RoomId};

use crate::components::Key;
use crate::input::{Entry, Fact, Ticket, WriteOutcome};
use crate::jobs::{self, Errand, WITHOUT_TRANSCODER, Work};
use crate::output::{Denial, Expect, Output, Reply};
use crate::{Coordinator, WriteStep};

/// Components that one room may have.
pub const COMPONENTS_MAX: usize = 128;

/// Addresses for a publisher that one answer names.
const LISTENS_MAX: usize = 8;

impl Coordinator {
    pub(crate) fn add_component(
        &mut self,
        ticket: Ticket,
        (room, component): Key,
        record: ComponentRecord,
        now: Instant,
    ) {
        if self.records.room(&room).is_none() {
            return self.deny(ticket, Denial::RoomNotFound);
        }
        let adding = self.adding_components.get(&room).copied().unwrap_or(0);
        if self.records.components.of_room(&room).count() + adding >= COMPONENTS_MAX {
            return self.deny(ticket, Denial::ComponentsLimit);
        }
        let work = Work::of(&record);
        if work.kind == JobKind::Hls && self.broadcast_of(&room).is_some() {
            return self.deny(ticket, Denial::BroadcastsLimit);
        }
        let job = match self.choose_first_gateway(&component, work, now) {
            Ok(job) => work.kind.is_pulled().then_some(job),
            Err(denial) => {
                self.stats.no_gateway += 1;
                return self.deny(ticket, denial);
            }
        };
        let key = (room.clone(), component.clone());
        self.begin_giving(&key, job.as_ref(), work);
        *self.adding_components.entry(room.clone()).or_default() += 1;
        let fact = Fact::Component(room, component, Some(ComponentRecord { job, ..record }));
        self.write(WriteStep::ComponentAdded(ticket, Box::new(fact.clone())), fact, Expect::Absent);
    }

    /// Somebody has to do something before a cluster without a transcoder has one; everything else may pass.
    fn choose_first_gateway(&self, component: &ComponentId, work: Work, now: Instant) -> Result<Job, Denial> {
        let offers = self.offers(now);
        jobs::choose(Errand { component, work, region: &self.region }, &offers).map_err(|reasons| {
            let has_one = offers.iter().any(|offer| offer.announce.transcoder.is_some());
            if reasons.contains(&WITHOUT_TRANSCODER) && !has_one {
                return Denial::NoTranscoder;
            }
            Denial::NoGateway(work.kind, reasons)
        })
    }

    pub(crate) fn component_added(&mut self, ticket: Ticket, fact: Fact, outcome: WriteOutcome, now: Instant) {
        let Fact::Component(room, component, Some(record)) = &fact else { return };
        let (key, work) = ((room.clone(), component.clone()), Work::of(record));
        self.giving.remove(&key);
        if let Some(adding) = self.adding_components.get_mut(room) {
            *adding -= 1;
            if *adding == 0 {
                self.adding_components.remove(room);
            }
        }
        let revision = match outcome {
            WriteOutcome::Done(revision) => revision,
            // All broadcasts of a room have one id; of every other kind they are random.
            WriteOutcome::Conflict(standing) if work.kind == JobKind::Hls => {
                self.stats.write_conflicts += 1;
                if let Some(Entry { fact, revision }) = standing {
                    self.answered(fact, revision, now);
                }
                return self.deny(ticket, Denial::BroadcastsLimit);
            }
            WriteOutcome::Conflict(_) | WriteOutcome::Failed => {
                self.stats.writes_lost += 1;
                return self.deny(ticket, Denial::StoreDown);
            }
        };
        if self.records.room(room).is_none() {
            self.forget_component(key, Expect::Any);
            return self.deny(ticket, Denial::RoomNotFound);
        }
        self.answered(fact, revision, now);
        let listens = self.listens(&key.1, work, now);
        let reply = match self.records.components.view(&key) {
            Some(view) => Reply::Component { view, listens },
            None => Reply::Denied(Denial::ComponentNotFound),
        };
        self.emit(Output::Reply { ticket, reply });
    }

    fn listens(&self, component: &ComponentId, work: Work, now: Instant) -> Vec<String> {
        let offers = self.offers(now);
        let fitting = jobs::fitting(Errand { component, work, region: &self.region }, &offers);
        let mut listens: Vec<String> = Vec::new();
        let encrypted = fitting.iter().filter_map(|offer| offer.announce.listens_encrypted.get(&work.kind));
        let plain = fitting.iter().filter_map(|offer| offer.announce.listens.get(&work.kind));
        // Whoever takes the first shall not tell the key to all who are on the way.
        for listen in encrypted.chain(plain) {
            // Behind a load balancer they all name the same.
            if listens.len() < LISTENS_MAX && !listens.contains(listen) {
                listens.push(listen.clone());
            }
        }
        listens
    }

    pub(crate) fn show_component(&self, key: Key) -> Reply {
        if self.records.room(&key.0).is_none() {
            return Reply::Denied(Denial::RoomNotFound);
        }
        match self.records.components.view(&key) {
            Some(view) => Reply::Component { view, listens: Vec::new() },
            None => Reply::Denied(Denial::ComponentNotFound),
        }
    }

    pub(crate) fn delete_component(&mut self, ticket: Ticket, key: Key) {
        if self.records.room(&key.0).is_none() {
            return self.deny(ticket, Denial::RoomNotFound);
        }
        if self.records.components.get(&key).is_none() {
            return self.deny(ticket, Denial::ComponentNotFound);
        }
        let fact = Fact::Component(key.0.clone(), key.1.clone(), None);
        self.write(WriteStep::ComponentRemoved(ticket, key), fact, Expect::Any);
    }

    pub(crate) fn component_removed(&mut self, ticket: Ticket, (room, id): Key, outcome: &WriteOutcome, now: Instant) {
        let WriteOutcome::Done(revision) = outcome else {
            self.stats.writes_lost += 1;
            return self.deny(ticket, Denial::StoreDown);
        };
        self.answered(Fact::Component(room, id, None), *revision, now);
        self.emit(Output::Reply { ticket, reply: Reply::Done });
    }

    /// Those of a room that is gone, whoever deleted it.
    pub(crate) fn forget_components(&mut self, room: &RoomId) {
        let ids: Vec<ComponentId> = self.records.components.of_room(room).map(|view| view.component).collect();
        for id in ids {
            self.forget_component((room.clone(), id), Expect::Any);
        }
    }

    pub(crate) fn forget_component(&mut self, (room, id): Key, expect: Expect) {
        self.write(WriteStep::ComponentForgotten, Fact::Component(room, id, None), expect);
    }
}
