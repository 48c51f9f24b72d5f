//! The only file that knows the names of metrics here.

use std::sync::Arc;

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use velella_hls::address::Address;

use crate::cache::Found;
use crate::pace::Cut;
use crate::reason::Reason;
use crate::wish::Wish;

/// What an edge counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: IntCounterVec,
    objects: IntCounterVec,
    fetches_failed: IntCounterVec,
    cut: IntCounterVec,
    pub(crate) bytes: IntCounter,
    pub(crate) turned_away: IntCounter,
    pub(crate) connections_evicted: IntCounter,
    pub(crate) objects_evicted: IntCounter,
    pub(crate) connections: IntGauge,
    pub(crate) waiting: IntGauge,
    pub(crate) cache_bytes: IntGauge,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Arc<Self>> {
        let count = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("velella_edge_{name}_total"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let counts = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(format!("velella_edge_{name}_total"), help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(format!("velella_edge_{name}"), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        Ok(Arc::new(Self {
            requests: counts("requests", "Requests that were answered", &["kind", "status"])?,
            objects: counts("objects", "Objects that were given, by how they were found", &["found"])?,
            fetches_failed: counts("fetches_failed", "Objects that could not be fetched", &["reason"])?,
            cut: counts("connections_cut", "Connections that were ended for what they did not do", &["reason"])?,
            bytes: count("sent_bytes", "Bytes of bodies that clients took")?,
            turned_away: count("turned_away", "Requests for whom there was no room to wait")?,
            connections_evicted: count("connections_evicted", "Connections that made room for newer ones")?,
            objects_evicted: count("objects_evicted", "Objects that made room for newer ones")?,
            connections: gauge("connections", "Connections")?,
            waiting: gauge("waiting", "Requests that wait for an object")?,
            cache_bytes: gauge("cache_bytes", "Bytes of objects that are held")?,
        }))
    }

    pub(crate) fn answered(&self, wish: Option<&Wish<'_>>, status: u16) {
        self.requests.with_label_values(&[wish.map_or("other", kind), class(status)]).inc();
    }

    pub(crate) fn found(&self, found: Found) {
        let found = match found {
            Found::Held => "held",
            Found::Joined => "joined",
            Found::Fetched => "fetched",
        };
        self.objects.with_label_values(&[found]).inc();
    }

    pub(crate) fn fetch_failed(&self, reason: Reason) {
        self.fetches_failed.with_label_values(&[reason.code()]).inc();
    }

    pub(crate) fn cut(&self, reason: Cut) {
        let reason = match reason {
            Cut::Slow => "slow",
            Cut::Idle => "idle",
            Cut::Tls => "tls",
        };
        self.cut.with_label_values(&[reason]).inc();
    }
}

fn kind(wish: &Wish<'_>) -> &'static str {
    match wish.address {
        Address::Multivariant => "multivariant",
        Address::Playlist(_) => "playlist",
        Address::Init(..) => "init",
        Address::Segment(..) => "segment",
        Address::Part(..) => "part",
    }
}

fn class(status: u16) -> &'static str {
    match status {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
