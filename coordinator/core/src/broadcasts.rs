//! Broadcasts: rooms as streams over HTTP. A room has one at most, it can be chosen who is in it, and every
//! gateway that serves broadcasts serves those of all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use velella_model::component::{ComponentRecord, JobKind};
use velella_model::record::Subscriptions;
use velella_model::wire::announce::GatewayState;
use velella_model::{GatewayId, PeerId, RoomId};

use crate::components::{ComponentView, Key};
use crate::edits::EDIT_TRIES_MAX;
use crate::input::{Entry, Fact, Ticket, WriteOutcome};
use crate::jobs::Offer;
use crate::output::{Denial, Expect, Output, Reply};
use crate::placement::lot;
use crate::subscriptions::SUBSCRIPTIONS_MAX;
use crate::{Coordinator, WriteStep};

/// A component is to receive of more.
#[derive(Debug)]
pub(crate) struct Subscribing {
    ticket: Ticket,
    key: Key,
    origins: BTreeSet<PeerId>,
    tries: u32,
}

impl Subscribing {
    pub(crate) fn new(ticket: Ticket, key: Key, origins: BTreeSet<PeerId>) -> Self {
        Self { ticket, key, origins, tries: 0 }
    }
}

/// Lower is better; fields compare top to bottom.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Score<'a> {
    /// Whoever packages it need not fetch it.
    fetches: bool,
    draining: bool,
    region_miss: bool,
    lot: u64,
    gateway: &'a GatewayId,
}

impl Coordinator {
    /// The broadcast of a room.
    pub(crate) fn broadcast_of(&self, room: &RoomId) -> Option<ComponentView> {
        self.records.components.of_room(room).find(|view| view.record.spec.kind() == JobKind::Hls)
    }

    pub(crate) fn find_broadcast(&self, room: &RoomId, now: Instant) -> Reply {
        let Some(broadcast) = self.broadcast_of(room) else { return Reply::Denied(Denial::BroadcastNotFound) };
        let offers = self.gateways.offers(BTreeMap::new(), now);
        let serving = offers.iter().filter(|offer| serves(offer)).map(|offer| offer.announce);
        let best = serving.min_by_key(|announce| Score {
            fetches: broadcast.gateway() != Some(&announce.gateway),
            draining: announce.state == GatewayState::Draining,
            region_miss: !self.region.is_empty() && announce.region != self.region,
            lot: lot(room.as_str(), announce.gateway.as_str()),
            gateway: &announce.gateway,
        });
        let served = best.and_then(|announce| announce.serves.as_ref());
        served.map_or(Reply::Denied(Denial::NobodyServes), |serves| Reply::ServedAt(serves.public.clone()))
    }

    pub(crate) fn subscribe_component(&mut self, asked: Subscribing) {
        let record = match self.subscribed(&asked) {
            Ok(Some(record)) => record,
            Ok(None) => return self.emit(Output::Reply { ticket: asked.ticket, reply: Reply::Done }),
            Err(denial) => return self.deny(asked.ticket, denial),
        };
        let expect = self.records.components.revision(&asked.key).map_or(Expect::Absent, Expect::Revision);
        let (room, component) = asked.key.clone();
        let fact = Fact::Component(room, component, Some(record.clone()));
        self.write(WriteStep::ComponentSubscribed(asked, Box::new(record)), fact, expect);
    }

    /// The record as it is to be; nothing if it is so already.
    fn subscribed(&self, Subscribing { key, origins, .. }: &Subscribing) -> Result<Option<ComponentRecord>, Denial> {
        if self.records.room(&key.0).is_none() {
            return Err(Denial::RoomNotFound);
        }
        let record = self.records.components.get(key).ok_or(Denial::ComponentNotFound)?;
        if record.spec.kind() != JobKind::Hls {
            return Err(Denial::NotSubscribing);
        }
        let before = record.subscriptions.as_ref().ok_or(Denial::NotManual)?;
        let mut peers: BTreeSet<PeerId> = before.peers.union(origins).cloned().collect();
        if peers.len() > SUBSCRIPTIONS_MAX {
            // Who is not there any more makes room for those who are.
            peers.retain(|origin| self.records.has_endpoint(&key.0, origin));
        }
        if peers.len() > SUBSCRIPTIONS_MAX {
            return Err(Denial::SubscriptionsLimit);
        }
        let after = Subscriptions { peers, tracks: before.tracks.clone() };
        let changed = after != *before;
        Ok(changed.then(|| ComponentRecord { subscriptions: Some(after), ..record.clone() }))
    }

    pub(crate) fn component_subscribed(
        &mut self,
        asked: Subscribing,
        record: ComponentRecord,
        outcome: WriteOutcome,
        now: Instant,
    ) {
        let Subscribing { ticket, key: (room, component), tries, .. } = &asked;
        let ticket = *ticket;
        match outcome {
            WriteOutcome::Done(revision) => {
                self.answered(Fact::Component(room.clone(), component.clone(), Some(record)), revision, now);
                self.emit(Output::Reply { ticket, reply: Reply::Done });
            }
            WriteOutcome::Conflict(Some(Entry { fact, revision })) if tries + 1 < EDIT_TRIES_MAX => {
                self.stats.write_conflicts += 1;
                self.answered(fact, revision, now);
                self.subscribe_component(Subscribing { tries: tries + 1, ..asked });
            }
            WriteOutcome::Conflict(None) => self.deny(ticket, Denial::ComponentNotFound),
            WriteOutcome::Conflict(Some(_)) | WriteOutcome::Failed => {
                self.stats.writes_lost += 1;
                self.deny(ticket, Denial::StoreDown);
            }
        }
    }
}

/// Whether viewers can be sent there. One that drains serves to the end.
fn serves(offer: &Offer<'_>) -> bool {
    offer.lives && !offer.silent && offer.announce.state != GatewayState::Fenced && offer.announce.serves.is_some()
}
