//! Everything that can happen to a stream, at random, with every viewer watching.

use std::time::Duration;

use proptest::prelude::*;

use super::world::{World, settings};
use crate::*;

#[derive(Clone, Debug)]
enum Event {
    /// Nothing.
    Run { millis: i64 },
    /// Nothing of one source comes.
    Silence { source: usize, millis: i64 },
    /// Nothing of any.
    Outage { millis: i64 },
    /// Microseconds from sample to sample.
    Rate { source: usize, interval: i64 },
    /// Another init segment.
    Resize { source: usize, width: u32 },
    /// Key frames come when they like.
    Disobey { source: usize, interval: i64 },
    /// Key frames come when they are requested.
    Obey { source: usize },
    /// A clock is wrong.
    Skew { source: usize, millis: i64 },
    /// One sample lasts for long, as from a source that was held up.
    Late { source: usize, millis: i64 },
    /// Another gateway goes on after a while.
    Death { millis: i64 },
    /// Somebody else is heard.
    Join,
}

fn event() -> impl Strategy<Value = Event> {
    let source = 0..4_usize;
    prop_oneof![
        4 => (1..6_000_i64).prop_map(|millis| Event::Run { millis }),
        2 => (source.clone(), 1..9_000_i64).prop_map(|(source, millis)| Event::Silence { source, millis }),
        1 => (1..9_000_i64).prop_map(|millis| Event::Outage { millis }),
        2 => (source.clone(), 5_000..2_500_000_i64).prop_map(|(source, interval)| Event::Rate { source, interval }),
        2 => (source.clone(), 1..4_000_u32).prop_map(|(source, width)| Event::Resize { source, width }),
        1 => (0..2_usize, 300_000..12_000_000_i64).prop_map(|(source, interval)| Event::Disobey { source, interval }),
        1 => (0..2_usize).prop_map(|source| Event::Obey { source }),
        1 => (source.clone(), -40_000..40_000_i64).prop_map(|(source, millis)| Event::Skew { source, millis }),
        1 => (source, 0..1_500_i64).prop_map(|(source, millis)| Event::Late { source, millis }),
        1 => (0..20_000_i64).prop_map(|millis| Event::Death { millis }),
        1 => Just(Event::Join),
    ]
}

fn happen(world: &mut World, event: &Event) {
    let time = world.time;
    match *event {
        Event::Run { .. } => (),
        Event::Silence { source, millis } => world.sources[source].silent_until = time + millis * 1_000,
        Event::Outage { millis } => {
            world.sources.iter_mut().for_each(|source| source.silent_until = time + millis * 1_000);
        }
        Event::Rate { source, interval } => {
            let source = &mut world.sources[source];
            source.interval = if source.video { interval } else { interval.min(60_000) };
        }
        Event::Resize { source, width } => world.configure(source, width),
        Event::Disobey { source, interval } => {
            let source = &mut world.sources[source];
            (source.obeys, source.key_interval, source.key_at) = (false, interval, None);
        }
        Event::Obey { source } => (world.sources[source].obeys, world.sources[source].key_interval) = (true, 0),
        Event::Skew { source, millis } => world.sources[source].skew = millis * 1_000,
        Event::Late { source, millis } => {
            let held = world.sources[source].interval;
            world.sources[source].interval = held + millis * 1_000;
            world.run(millis);
            world.sources[source].interval = held;
        }
        Event::Death { millis } => world.die(millis),
        Event::Join => {
            if let Some(name) = ["guest", "other"].get(world.sources.len() - 4) {
                world.audio(name, 20_000, 48_000);
            }
        }
    }
    world.run(if let Event::Run { millis } = *event { millis } else { 700 });
}

fn stream() -> impl Strategy<Value = (Settings, Vec<Event>)> {
    let settings = (any::<bool>(), any::<bool>(), 200..1_000_u64).prop_map(|(asked, event, part_millis)| Settings {
        key_frames: if asked { KeyFrames::OnRequest } else { KeyFrames::Unasked },
        window: if event { Window::Event } else { settings().window },
        part_target: Duration::from_millis(part_millis),
        ..settings()
    });
    (settings, proptest::collection::vec(event(), 1..30))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, ..ProptestConfig::default() })]

    /// The assertions are those of the viewers.
    #[test]
    fn playlists_stay_legal_whatever_happens((settings, events) in stream()) {
        let mut world = World::broadcast(settings);
        world.run(6_000);
        for event in &events {
            happen(&mut world, event);
        }
        world.run(8_000);
        prop_assert!(world.viewers.len() >= 4);
        let newest = world.viewers.values().map(|viewer| viewer.last.as_ref().unwrap().last_part().unwrap().0);
        let newest: Vec<u64> = newest.collect();
        let (least, most) = (newest.iter().min().unwrap(), newest.iter().max().unwrap());
        prop_assert!(most - least <= 2, "renditions drift apart: {newest:?}");
        world.input(Input::Ended);
    }
}
