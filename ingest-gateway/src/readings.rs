//! How much of each ingest comes through, and what went wrong with it last.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;
use velella_gateway_core::Counts;
use velella_model::component::Trouble;
use velella_model::wire::ingest::{Flow, PastTrouble};
use velella_model::{ComponentId, RoomId};

/// A rate over less time than this says nothing.
const SPAN_MIN: Duration = Duration::from_millis(500);

/// Components whose troubles are kept; for one more the oldest trouble is forgotten.
const TROUBLES_MAX: usize = 4_096;

/// Which component of which room.
pub(crate) type Place = (RoomId, ComponentId);

/// What an ingest says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    counts: Counts,
    key_frame_interval: Option<Duration>,
    last_trouble: Option<(Trouble, Instant)>,
}

impl Reading {
    /// Reads it anew.
    pub(crate) fn take(
        &mut self,
        counts: Counts,
        key_frame_interval: Option<Duration>,
        last_trouble: Option<&(Trouble, Instant)>,
    ) {
        self.counts = counts;
        self.key_frame_interval = key_frame_interval;
        let is_new = |(_, at): &(Trouble, Instant)| self.last_trouble.as_ref().is_none_or(|(_, before)| at != before);
        if let Some(trouble) = last_trouble.filter(|trouble| is_new(trouble)) {
            self.last_trouble = Some(trouble.clone());
        }
    }
}

/// What an ingest says, with what it said at the last look.
#[derive(Debug)]
pub(crate) struct Gauge {
    reading: watch::Receiver<Reading>,
    before: Counts,
    looked_at: Instant,
}

impl Gauge {
    pub(crate) fn new(reading: watch::Receiver<Reading>, now: Instant) -> Self {
        Self { reading, before: Counts::default(), looked_at: now }
    }

    /// What came through since the last look; `None` so soon after it that nothing can be said.
    pub(crate) fn flow(&mut self, now: Instant) -> Option<Flow> {
        let span = now.saturating_duration_since(self.looked_at);
        if span < SPAN_MIN {
            return None;
        }
        let Reading { counts, key_frame_interval, .. } = &*self.reading.borrow();
        let Counts { pictures, bytes, .. } = std::mem::replace(&mut self.before, *counts);
        self.looked_at = now;
        let pictures_per_1000_s = per(1_000_000, counts.pictures - pictures, span);
        Some(Flow {
            bitrate_bps: per(8_000, counts.bytes - bytes, span),
            pictures_per_1000_s: u32::try_from(pictures_per_1000_s).unwrap_or(u32::MAX),
            key_frame_interval_ms: key_frame_interval.map(|i| u32::try_from(i.as_millis()).unwrap_or(u32::MAX)),
            packets_lost: counts.lost,
        })
    }

    pub(crate) fn last_trouble(&self) -> Option<(Trouble, Instant)> {
        self.reading.borrow().last_trouble.clone()
    }
}

/// So many thousandths of each of these per second.
fn per(thousandths: u64, count: u64, span: Duration) -> u64 {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(thousandths) / millis
}

/// The last trouble of each component that this gateway had to do with.
#[derive(Debug, Default)]
pub(crate) struct Troubles(BTreeMap<Place, (Instant, PastTrouble)>);

impl Troubles {
    /// Notes one, unless a later one is known.
    pub(crate) fn note(&mut self, place: &Place, trouble: Trouble, at: Instant) {
        if self.0.get(place).is_some_and(|(known, _)| *known >= at) {
            return;
        }
        if self.0.len() >= TROUBLES_MAX && !self.0.contains_key(place) {
            let oldest = self.0.iter().min_by_key(|(_, (at, _))| *at).map(|(place, _)| place.clone());
            oldest.and_then(|place| self.0.remove(&place));
        }
        self.0.insert(place.clone(), (at, PastTrouble { trouble, at_ms: since_1970_ms(at) }));
    }

    /// Forgets those of components that are gone.
    pub(crate) fn keep(&mut self, stands: impl Fn(&Place) -> bool) {
        self.0.retain(|place, _| stands(place));
    }

    pub(crate) fn get(&self, place: &Place) -> Option<&PastTrouble> {
        self.0.get(place).map(|(_, past)| past)
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.keys()
    }
}

/// By this machine's clock.
fn since_1970_ms(at: Instant) -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.saturating_sub(at.elapsed()).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_since_the_last_look() {
        let (sender, reading) = watch::channel(Reading::default());
        let t0 = Instant::now();
        let mut gauge = Gauge::new(reading, t0);
        let counts = Counts { pictures: 50, bytes: 1_000_000, lost: 3, ..Counts::default() };
        let key_frame_interval = Some(Duration::from_millis(4_040));
        sender.send_replace(Reading { counts, key_frame_interval, last_trouble: None });
        assert_eq!(gauge.flow(t0 + Duration::from_millis(100)), None);
        let flow = gauge.flow(t0 + Duration::from_secs(2)).unwrap();
        assert_eq!((flow.bitrate_bps, flow.pictures_per_1000_s, flow.packets_lost), (4_000_000, 25_000, 3));
        assert_eq!(flow.warnings().collect::<Vec<_>>(), ["key_frames_far_apart"]);
        let flow = gauge.flow(t0 + Duration::from_secs(4)).unwrap();
        assert_eq!((flow.bitrate_bps, flow.pictures_per_1000_s, flow.packets_lost), (0, 0, 3));
    }

    #[test]
    fn the_latest_trouble_of_a_component_counts_and_the_oldest_is_forgotten_for_one_too_many() {
        let (mut troubles, now) = (Troubles::default(), Instant::now());
        let earlier = now.checked_sub(Duration::from_secs(9)).unwrap();
        let code = |troubles: &Troubles, n: usize| troubles.get(&place(n)).map(|past| past.trouble.code.clone());
        troubles.note(&place(0), trouble("late"), now);
        troubles.note(&place(0), trouble("early"), earlier);
        assert_eq!(code(&troubles, 0).as_deref(), Some("late"));
        troubles.note(&place(1), trouble("oldest"), earlier);
        (2..=TROUBLES_MAX).for_each(|n| troubles.note(&place(n), trouble("more"), now));
        assert_eq!((troubles.places().count(), code(&troubles, 1)), (TROUBLES_MAX, None));
        troubles.keep(|known| *known == place(0));
        assert_eq!(troubles.places().count(), 1);
    }

    fn place(n: usize) -> Place {
        (RoomId::parse("r").unwrap(), ComponentId::parse(&format!("c{n}")).unwrap())
    }

    fn trouble(code: &str) -> Trouble {
        Trouble { code: code.into(), sentence: "It did.".into() }
    }
}
