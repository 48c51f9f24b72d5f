//! The figures of a run, as one value that is printed and written as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::config::Config;
use crate::cpu::Usage;
use crate::crew::ThreadReport;
use crate::gaps::Gap;
use crate::peer::PeerReport;
use crate::record::{Delays, histogram};
use crate::run::Observed;

#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) scenario: String,
    pub(crate) measured_s: f64,
    pub(crate) peers: Peers,
    pub(crate) join: Percentiles,
    pub(crate) first_packet: Percentiles,
    pub(crate) packets: Packets,
    pub(crate) throughput: Throughput,
    pub(crate) delay_arrival: Percentiles,
    pub(crate) delay_read: Percentiles,
    pub(crate) gaps: Interruptions,
    pub(crate) publishers: Publishers,
    pub(crate) bot_cpu: Usage,
    pub(crate) server_cpu: Option<Usage>,
    /// Datagrams lost in this program's own sockets: not the server's loss.
    pub(crate) bot_socket_drops: u64,
    pub(crate) bot_unsent_datagrams: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Peers {
    pub(crate) asked: u64,
    pub(crate) joined: u64,
    /// Joined, should have received something inside the window, and did not.
    pub(crate) silent: u64,
    pub(crate) failures: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Packets {
    pub(crate) sent: u64,
    pub(crate) expected: u64,
    pub(crate) received: u64,
    pub(crate) lost: u64,
    pub(crate) lost_percent: f64,
    pub(crate) duplicates: u64,
    pub(crate) foreign: u64,
    pub(crate) malformed: u64,
}

/// What broke off for those who watch. A stream is one source at one receiver.
#[derive(Debug, Serialize)]
pub(crate) struct Interruptions {
    /// Streams that there should have been.
    pub(crate) streams: u64,
    /// Those that were silent at least once.
    pub(crate) interrupted: u64,
    /// Those that never came back.
    pub(crate) open: u64,
    /// Times that peers came back after their sockets were closed.
    pub(crate) returns: u64,
    /// The longest silence of each interrupted stream in milliseconds, shortest first.
    pub(crate) longest_ms: Vec<u64>,
    /// When the first and the last of these began, in milliseconds of the window.
    pub(crate) began_ms: Option<(u64, u64)>,
}

/// What receivers got, per second of the window.
#[derive(Debug, Serialize)]
pub(crate) struct Throughput {
    pub(crate) packets_per_s: f64,
    /// RTP payload only.
    pub(crate) mbit_per_s: f64,
}

/// How well this program kept its own pace.
#[derive(Debug, Serialize)]
pub(crate) struct Publishers {
    pub(crate) lateness: Percentiles,
    pub(crate) skipped_frames: u64,
    pub(crate) keyframe_requests: u64,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

impl Summary {
    pub(crate) fn new(config: &Config, observed: &Observed, threads: Vec<ThreadReport>) -> Self {
        let (mut delays, mut lateness, mut unsent) = (Delays::new(), histogram(), 0);
        let mut peers = Vec::new();
        for thread in threads {
            delays.merge(&thread.ledger.delays);
            // Same bounds and precision, so adding cannot fail.
            let _ = lateness.add(&thread.ledger.lateness);
            unsent += thread.ledger.unsent_datagrams;
            peers.extend(thread.peers);
        }
        let ledger = Ledger::new(&peers, config.publishers_receive);
        let seconds = config.duration.as_secs_f64();
        Self {
            scenario: config.scenario(),
            measured_s: seconds,
            peers: ledger.peers(&peers),
            join: durations(peers.iter().filter_map(|peer| peer.join)),
            first_packet: durations(peers.iter().filter_map(|peer| peer.first_packet)),
            packets: ledger.packets(&peers),
            throughput: throughput(&peers, ledger.received(&peers), seconds),
            delay_arrival: Percentiles::of(&delays.arrival),
            delay_read: Percentiles::of(&delays.read),
            gaps: ledger.interruptions(&peers),
            publishers: Publishers {
                lateness: Percentiles::of(&lateness),
                skipped_frames: peers.iter().map(|peer| peer.counts.skipped_frames).sum(),
                keyframe_requests: peers.iter().map(|peer| peer.counts.keyframe_requests).sum(),
            },
            bot_cpu: observed.bot.clone(),
            server_cpu: observed.server.clone(),
            bot_socket_drops: observed.bot_socket_drops,
            bot_unsent_datagrams: unsent,
        }
    }

    /// Everyone joined and everyone who should have received something did.
    pub(crate) fn is_good(&self) -> bool {
        self.peers.failures.is_empty() && self.peers.silent == 0 && self.packets.received > 0
    }
}

/// Who sent how much, and therefore what each receiver should have.
struct Ledger {
    sent: BTreeMap<u32, u64>,
    /// The room of each source.
    room: BTreeMap<u32, u32>,
    publishers_receive: bool,
}

impl Ledger {
    fn new(peers: &[PeerReport], publishers_receive: bool) -> Self {
        let sources = |peer: &PeerReport| {
            let (room, sent) = (peer.room, peer.counts.sent.clone());
            sent.into_iter().map(move |(source, _)| (source, room))
        };
        Self {
            sent: peers.iter().flat_map(|peer| peer.counts.sent.iter().copied()).collect(),
            room: peers.iter().flat_map(sources).collect(),
            publishers_receive,
        }
    }

    /// Others' tracks in its room that this peer should get; none if it never joined.
    fn sources(&self, peer: &PeerReport) -> impl Iterator<Item = u32> {
        let receives = peer.join.is_some() && (!peer.publishes || self.publishers_receive);
        let own: BTreeSet<u32> = peer.counts.sent.iter().map(|(source, _)| *source).collect();
        let here =
            self.room.iter().filter(move |(source, room)| receives && **room == peer.room && !own.contains(source));
        here.map(|(source, _)| *source)
    }

    /// Packets of them.
    fn expected(&self, peer: &PeerReport) -> u64 {
        self.sources(peer).filter_map(|source| self.sent.get(&source)).sum()
    }

    fn interruptions(&self, peers: &[PeerReport]) -> Interruptions {
        let mut longest: BTreeMap<(usize, u32), Gap> = BTreeMap::new();
        let all = peers.iter().enumerate().flat_map(|(n, peer)| peer.gaps.iter().map(move |gap| (n, *gap)));
        for (peer, gap) in all {
            let stream = longest.entry((peer, gap.source)).or_insert(gap);
            *stream = if gap.ns() > stream.ns() { gap } else { *stream };
        }
        let open = longest.values().filter(|gap| gap.open).count() as u64;
        let mut longest_ms: Vec<u64> = longest.values().map(|gap| gap.ns() / 1_000_000).collect();
        longest_ms.sort_unstable();
        let began_ms = longest.values().map(|gap| gap.from_ns / 1_000_000);
        Interruptions {
            streams: peers.iter().map(|peer| self.sources(peer).count() as u64).sum(),
            interrupted: longest.len() as u64,
            open,
            returns: peers.iter().map(|peer| peer.returns).sum(),
            longest_ms,
            began_ms: began_ms.clone().min().zip(began_ms.max()),
        }
    }

    fn received_by(&self, peer: &PeerReport) -> u64 {
        self.sent.keys().map(|source| peer.arrivals.received(*source)).sum()
    }

    fn received(&self, peers: &[PeerReport]) -> u64 {
        peers.iter().map(|peer| self.received_by(peer)).sum()
    }

    fn peers(&self, peers: &[PeerReport]) -> Peers {
        let mut failures = BTreeMap::new();
        for failure in peers.iter().filter_map(|peer| peer.failure.clone()) {
            *failures.entry(failure).or_default() += 1;
        }
        let silent = |peer: &&PeerReport| self.expected(peer) > 0 && self.received_by(peer) == 0;
        Peers {
            asked: peers.len() as u64,
            joined: peers.iter().filter(|peer| peer.join.is_some()).count() as u64,
            silent: peers.iter().filter(silent).count() as u64,
            failures,
        }
    }

    fn packets(&self, peers: &[PeerReport]) -> Packets {
        let expected: u64 = peers.iter().map(|peer| self.expected(peer)).sum();
        let received = self.received(peers);
        let lost = expected.saturating_sub(received);
        Packets {
            sent: self.sent.values().sum(),
            expected,
            received,
            lost,
            lost_percent: ratio(lost, expected) * 100.0,
            duplicates: peers.iter().map(|peer| peer.arrivals.duplicates).sum(),
            foreign: peers.iter().map(|peer| peer.arrivals.foreign).sum(),
            malformed: peers.iter().map(|peer| peer.counts.bad_datagrams).sum(),
        }
    }
}

impl Percentiles {
    fn of(histogram: &Histogram<u64>) -> Self {
        let us = |ns: u64| ratio(ns, 1000);
        Self {
            count: histogram.len(),
            p50_us: us(histogram.value_at_quantile(0.5)),
            p99_us: us(histogram.value_at_quantile(0.99)),
            p999_us: us(histogram.value_at_quantile(0.999)),
            max_us: us(histogram.max()),
        }
    }
}

fn durations(values: impl Iterator<Item = Duration>) -> Percentiles {
    let mut all = histogram();
    values.for_each(|value| all.saturating_record(u64::try_from(value.as_nanos()).unwrap_or(u64::MAX)));
    Percentiles::of(&all)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run stay below 2^52")]
fn throughput(peers: &[PeerReport], received: u64, seconds: f64) -> Throughput {
    let bytes: u64 = peers.iter().map(|peer| peer.arrivals.bytes).sum();
    Throughput { packets_per_s: received as f64 / seconds, mbit_per_s: bytes as f64 * 8.0 / 1e6 / seconds }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run stay below 2^52")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::{Place, Shape, Stamp, payload};
    use crate::record::Measurement;
    use crate::session::Counts;
    use std::time::Instant;

    #[test]
    fn a_subscriber_should_get_everything_and_a_publisher_all_but_its_own() {
        let peers = [publisher(0, 100), publisher(1, 40), joined(PeerReport::default())];
        let conference = Ledger::new(&peers, true);
        let expected: Vec<u64> = peers.iter().map(|peer| conference.expected(peer)).collect();
        assert_eq!(expected, [40, 100, 140]);

        let stage = Ledger::new(&peers, false);
        let expected: Vec<u64> = peers.iter().map(|peer| stage.expected(peer)).collect();
        assert_eq!(expected, [0, 0, 140]);
    }

    #[test]
    fn a_peer_that_never_joined_is_a_failure_and_not_loss() {
        let failed = PeerReport { failure: Some("no answer".into()), ..PeerReport::default() };
        let peers = [publisher(0, 100), failed];
        let ledger = Ledger::new(&peers, true);
        assert_eq!(ledger.packets(&peers).expected, 0);
        let seen = ledger.peers(&peers);
        assert_eq!((seen.asked, seen.joined, seen.silent), (2, 1, 0));
        assert_eq!(seen.failures, BTreeMap::from([("no answer".into(), 1)]));
    }

    #[test]
    fn packets_that_never_came_are_lost_even_if_nothing_came() {
        let peers = [publisher(0, 4), receiver(&[0, 1, 2]), receiver(&[])];
        let ledger = Ledger::new(&peers, true);
        let packets = ledger.packets(&peers);
        assert_eq!((packets.sent, packets.expected, packets.received, packets.lost), (4, 8, 3, 5));
        assert!((packets.lost_percent - 62.5).abs() < 1e-9);
        assert_eq!(ledger.peers(&peers).silent, 1);
    }

    #[test]
    fn percentiles_of_nothing_are_zero() {
        let nothing = durations(std::iter::empty());
        assert_eq!(nothing.count, 0);
        assert!(nothing.p50_us.abs() < f64::EPSILON && nothing.max_us.abs() < f64::EPSILON);
    }

    fn publisher(source: u32, sent: u64) -> PeerReport {
        let counts = Counts { sent: vec![(source, sent)], ..Counts::default() };
        joined(PeerReport { publishes: true, counts, ..PeerReport::default() })
    }

    fn receiver(seqs: &[u64]) -> PeerReport {
        let measurement = Measurement::new(1, Instant::now());
        measurement.open(Instant::now(), Duration::from_secs(60));
        let mut peer = joined(PeerReport::default());
        for seq in seqs {
            let stamp = Stamp { run: 1, source: 0, seq: *seq, sent_ns: 30_000_000_000 };
            let place = Place { picture: 0, keyframe: false, first_of_frame: true };
            peer.arrivals.record(&measurement, &payload(Shape::Vp8, place, 100, stamp), stamp.sent_ns);
        }
        peer
    }

    fn joined(peer: PeerReport) -> PeerReport {
        PeerReport { join: Some(Duration::from_millis(50)), ..peer }
    }
}
