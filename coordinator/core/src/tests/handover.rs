//! Whatever happens to gateways, the store and leadership: nobody is given more than it says it can carry, and
//! in the end every camera is at a gateway that lives.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use velella_model::record::RoomSpec;
use velella_model::wire::announce::{GatewayAnnounce, GatewayState};
use velella_model::{ComponentId, GatewayId, Incarnation, Json};

use super::world::World;
use crate::testing::{camera_spec, component, gateway, gateway_announce, gateway_lives, room};
use crate::*;

const GATEWAYS: [&str; 3] = ["g0", "g1", "g2"];

/// Cameras that one gateway can carry, and in permille of a core.
const CAMERAS_MAX: usize = 3;
const CAPACITY_PERMILLE: u32 = 150;

/// What can happen.
#[derive(Clone, Debug)]
enum Event {
    /// A gateway boots: its key, then its voice.
    Boots(usize),
    /// Its key is gone, with or without itself.
    KeyGone(usize),
    /// The boot that runs claims its key again.
    Reclaims(usize),
    Falls(usize, Fall),
    Adds,
    Removes(u64),
    Leads(bool),
    StoreDown(bool),
    Passes(u64),
}

/// What becomes of a gateway that runs.
#[derive(Clone, Copy, Debug)]
enum Fall {
    Silent,
    Draining,
}

/// A gateway as it is.
#[derive(Clone, Copy, Debug, Default)]
struct Boot {
    incarnation: u64,
    seq: u64,
    speaks: bool,
    drains: bool,
}

proptest! {
    #[test]
    fn cameras_end_at_a_living_gateway_and_none_is_overloaded(events in prop::collection::vec(event(), 1..60)) {
        let mut story = Story::new();
        for event in events {
            story.happens(event);
            story.nobody_is_overloaded();
        }
        story.calm_down();
        story.everything_is_done();
    }
}

/// What comes more often has more numbers.
fn event() -> impl Strategy<Value = Event> {
    (0..22_u8, 0..GATEWAYS.len(), 0..1500_u64).prop_map(|(what, who, n)| match what {
        0..3 => Event::Boots(who),
        3..5 => Event::KeyGone(who),
        5 => Event::Reclaims(who),
        6 => Event::Falls(who, Fall::Silent),
        7 => Event::Falls(who, Fall::Draining),
        8..14 => Event::Adds,
        14 => Event::Removes(n % 20),
        15..17 => Event::Leads(n % 2 == 0),
        17 => Event::StoreDown(n % 2 == 0),
        _ => Event::Passes(n),
    })
}

struct Story {
    world: World,
    boots: [Boot; GATEWAYS.len()],
    cameras: usize,
}

impl Story {
    fn new() -> Self {
        let mut world = World::new(&["w1"]);
        for noun in [Noun::Components, Noun::Ingests, Noun::Gateways] {
            world.input(Input::Listed { noun, entries: Vec::new(), revision: Revision(0) });
        }
        world.request(Request::CreateRoom { room: room("r"), spec: RoomSpec::default(), reuse: false });
        Self { world, boots: Default::default(), cameras: 0 }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Boots(n) => {
                self.boots[n] = Boot { incarnation: self.boots[n].incarnation + 1, speaks: true, ..Boot::default() };
                self.reclaims(n);
                self.speak();
            }
            Event::KeyGone(n) => self.world.written_by_another(Fact::Gateway(gateway(GATEWAYS[n]), None)),
            Event::Reclaims(n) => self.reclaims(n),
            Event::Falls(n, Fall::Silent) => self.boots[n].speaks = false,
            Event::Falls(n, Fall::Draining) => self.boots[n].drains = true,
            Event::Adds => {
                self.cameras += 1;
                let (room, component) = (room("r"), component(&format!("c{}", self.cameras)));
                let (spec, metadata) = (Box::new(camera_spec()), Json::null());
                let request =
                    Request::AddComponent { room, component, spec, metadata, transcode: false, subscriptions: None };
                self.world.request(request);
            }
            Event::Removes(n) => {
                let component = component(&format!("c{n}"));
                self.world.request(Request::DeleteComponent { room: room("r"), component });
            }
            Event::Leads(leads) => self.world.input(Input::Leads(leads)),
            Event::StoreDown(down) => self.world.store_down = down,
            Event::Passes(ms) => self.passes(ms),
        }
    }

    fn reclaims(&mut self, n: usize) {
        if self.boots[n].incarnation > 0 {
            self.world.written_by_another(gateway_lives(GATEWAYS[n], self.boots[n].incarnation));
        }
    }

    fn passes(&mut self, ms: u64) {
        for _ in 0..ms / 500 {
            self.world.pass(Duration::from_millis(500));
            self.speak();
        }
        self.world.pass(Duration::from_millis(ms % 500));
    }

    fn speak(&mut self) {
        for (id, boot) in GATEWAYS.iter().zip(&mut self.boots).filter(|(_, boot)| boot.speaks) {
            boot.seq += 1;
            let state = if boot.drains { GatewayState::Draining } else { GatewayState::Ready };
            let capacity_permille = CAPACITY_PERMILLE;
            let announce = gateway_announce(id, boot.incarnation, boot.seq);
            let announce = GatewayAnnounce { state, capacity_permille, ..announce };
            self.world.input(Input::GatewayAnnounced(announce));
        }
    }

    /// The faults end, and one gateway that can carry everything boots.
    fn calm_down(&mut self) {
        self.world.store_down = false;
        self.happens(Event::Leads(true));
        self.boots[1].speaks = false;
        self.boots[2].speaks = false;
        for n in [1, 2] {
            self.happens(Event::KeyGone(n));
        }
        self.happens(Event::Boots(0));
        self.passes(8_000);
    }

    fn jobs(&self) -> BTreeMap<ComponentId, Option<(GatewayId, Incarnation)>> {
        let job = |entry: &Entry| match &entry.fact {
            Fact::Component(_, id, Some(record)) => {
                Some((id.clone(), record.job.as_ref().map(|job| (job.gateway.clone(), job.incarnation))))
            }
            Fact::Room(..) | Fact::Peer(..) | Fact::Component(..) => None,
            Fact::Ingest(..) | Fact::Gateway(..) | Fact::Fleet(_) => None,
        };
        self.world.store.values().filter_map(job).collect()
    }

    fn nobody_is_overloaded(&self) {
        let mut given = BTreeMap::new();
        for job in self.jobs().into_values().flatten() {
            *given.entry(job).or_insert(0) += 1;
        }
        assert!(given.values().all(|jobs| *jobs <= CAMERAS_MAX), "{given:?}");
    }

    fn everything_is_done(&self) {
        let jobs = self.jobs();
        let here = Some((gateway(GATEWAYS[0]), Incarnation(self.boots[0].incarnation)));
        let done = jobs.values().filter(|job| **job == here).count();
        // More than it can carry are without a gateway, and nobody else's.
        assert_eq!(done, jobs.len().min(CAMERAS_MAX), "{jobs:?}");
        assert!(jobs.values().all(|job| *job == here || job.is_none()), "{jobs:?}");
    }
}
