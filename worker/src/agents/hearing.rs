//! One track that an agent hears: Opus packets as the network brings them in, PCM in order out.
//!
//! Nothing is held back but for a packet that overtook another. What is lost for good is concealed,
//! so that a listener gets as much sound as was said; pauses stay pauses.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use opus::{Channels, Decoder};
use velella_worker_core::SoundPacket;

use super::timeline::TICKS_PER_S;

/// How long a missing packet is waited for. Networks that reorder do it within a few packets.
const REORDER_PATIENCE: Duration = Duration::from_millis(60);
/// Packets that wait for a missing one; with one more it is given up.
const REORDER_PACKETS_MAX: usize = 8;
/// Most that is concealed at once; after that the decoder has nothing left to invent.
const CONCEALED_TICKS_MAX: u32 = TICKS_PER_S / 10;
/// What the decoder conceals in: 2.5 ms.
const CONCEALED_TICKS_STEP: u32 = TICKS_PER_S / 400;
/// Longest sound in one packet: 120 ms (RFC 6716).
const PACKETS_PER_S_MIN: u32 = 8;

/// What happened on the way, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// Packets that did not come in time and were concealed or skipped.
    pub(super) lost: u64,
    /// Packets that came after their time, or twice.
    pub(super) late: u64,
    /// Packets that are no Opus.
    pub(super) malformed: u64,
}

/// A track.
pub(super) struct Hearing {
    decoder: Decoder,
    rate_hz: u32,
    stream: u32,
    /// What should come next; `None` before the first.
    next: Option<Next>,
    waiting: BTreeMap<u64, Waiting>,
    heard_at: Instant,
}

#[derive(Clone, Copy)]
struct Next {
    sequence: u64,
    timestamp: u32,
}

struct Waiting {
    packet: SoundPacket,
    arrived_at: Instant,
}

impl Hearing {
    /// For an agent that hears at this rate; `None` for one that Opus does not know.
    pub(super) fn new(rate_hz: u32, now: Instant) -> Option<Self> {
        let decoder = Decoder::new(rate_hz, Channels::Mono).ok()?;
        Some(Self { decoder, rate_hz, stream: 0, next: None, waiting: BTreeMap::new(), heard_at: now })
    }

    /// When the last packet came.
    pub(super) fn heard_at(&self) -> Instant {
        self.heard_at
    }

    /// Takes a packet.
    pub(super) fn push(&mut self, packet: SoundPacket, losses: &mut Losses, now: Instant) {
        self.heard_at = now;
        if packet.stream != self.stream {
            self.stream = packet.stream;
            self.next = None;
            self.waiting.clear();
        }
        let late = self.next.is_some_and(|next| packet.sequence < next.sequence);
        if late || self.waiting.contains_key(&packet.sequence) {
            losses.late += 1;
            return;
        }
        self.waiting.insert(packet.sequence, Waiting { packet, arrived_at: now });
    }

    /// When a missing packet is given up; `None` when none is missing.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, first)| first.arrived_at + REORDER_PATIENCE)
    }

    /// The next sound, in bytes of PCM.
    pub(super) fn poll(&mut self, losses: &mut Losses, now: Instant) -> Option<Vec<u8>> {
        loop {
            let (sequence, first) = self.waiting.first_key_value()?;
            let (sequence, timestamp) = (*sequence, first.packet.timestamp);
            if let Some(next) = self.next.filter(|next| next.sequence < sequence) {
                if self.waiting.len() <= REORDER_PACKETS_MAX && now < first.arrived_at + REORDER_PATIENCE {
                    return None;
                }
                losses.lost += sequence - next.sequence;
                self.next = Some(Next { sequence, timestamp });
                if let Some(sound) = self.conceal(timestamp.wrapping_sub(next.timestamp)) {
                    return Some(sound);
                }
            }
            let (_, Waiting { packet, .. }) = self.waiting.pop_first()?;
            let decoded = self.decode(&packet);
            let ticks = decoded.as_ref().map_or(0, |(ticks, _)| *ticks);
            self.next = Some(Next { sequence: sequence + 1, timestamp: timestamp.wrapping_add(ticks) });
            match decoded {
                Some((_, sound)) => return Some(sound),
                None => losses.malformed += 1,
            }
        }
    }

    /// Sound in place of what was lost; none for a gap that is a pause rather than a loss.
    fn conceal(&mut self, missing_ticks: u32) -> Option<Vec<u8>> {
        let ticks = missing_ticks - missing_ticks % CONCEALED_TICKS_STEP;
        if ticks == 0 || ticks > CONCEALED_TICKS_MAX {
            return None;
        }
        let mut samples = vec![0; usize::try_from(ticks / (TICKS_PER_S / self.rate_hz)).ok()?];
        let count = self.decoder.decode(&[], &mut samples, false).ok()?;
        Some(bytes(samples.get(..count)?))
    }

    fn decode(&mut self, packet: &SoundPacket) -> Option<(u32, Vec<u8>)> {
        if packet.payload.is_empty() {
            // To the decoder this would be a loss.
            return None;
        }
        let mut samples = vec![0; usize::try_from(self.rate_hz / PACKETS_PER_S_MIN).ok()?];
        let count = self.decoder.decode(&packet.payload, &mut samples, false).ok()?;
        let ticks = u32::try_from(count).ok()? * (TICKS_PER_S / self.rate_hz);
        Some((ticks, bytes(samples.get(..count)?)))
    }
}

fn bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use opus::{Application, Encoder};
    use proptest::prelude::*;

    use super::*;

    /// 20 ms at 16 kHz.
    const FRAME_BYTES: usize = 640;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Packets of 20 ms.
    fn packets(count: u32) -> Vec<SoundPacket> {
        let mut encoder = Encoder::new(48_000, Channels::Mono, Application::Voip).unwrap();
        let packet = |n: u32| SoundPacket {
            stream: 7,
            sequence: 5_000 + u64::from(n),
            timestamp: n.wrapping_mul(960),
            payload: encoder.encode_vec(&[1_000; 960], 1_000).unwrap().into(),
        };
        (0..count).map(packet).collect()
    }

    fn hearing() -> (Hearing, Losses, Instant) {
        let now = Instant::now();
        (Hearing::new(16_000, now).unwrap(), Losses::default(), now)
    }

    fn sounds(hearing: &mut Hearing, losses: &mut Losses, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| hearing.poll(losses, now)).map(|sound| sound.len()).collect()
    }

    #[test]
    fn packets_in_order_are_heard_at_once() {
        let (mut hearing, mut losses, now) = hearing();
        for packet in packets(3) {
            hearing.push(packet, &mut losses, now);
            assert_eq!(sounds(&mut hearing, &mut losses, now), [FRAME_BYTES]);
            assert_eq!(hearing.due(), None);
        }
        assert_eq!(losses, Losses::default());
    }

    #[test]
    fn a_packet_that_overtook_another_waits_for_it() {
        let (mut hearing, mut losses, now) = hearing();
        let [a, b, c] = <[_; 3]>::try_from(packets(3)).unwrap();
        hearing.push(a, &mut losses, now);
        hearing.push(c, &mut losses, now);
        assert_eq!(sounds(&mut hearing, &mut losses, now), [FRAME_BYTES]);
        assert_eq!(hearing.due(), Some(now + REORDER_PATIENCE));
        hearing.push(b, &mut losses, now + ms(10));
        assert_eq!(sounds(&mut hearing, &mut losses, now + ms(10)), [FRAME_BYTES; 2]);
        assert_eq!(losses, Losses::default());
    }

    #[test]
    fn what_is_lost_is_concealed_in_its_length() {
        let (mut hearing, mut losses, now) = hearing();
        let mut packets = packets(5);
        packets.drain(1..3);
        for packet in packets {
            hearing.push(packet, &mut losses, now);
        }
        assert_eq!(sounds(&mut hearing, &mut losses, now), [FRAME_BYTES]);
        let later = now + REORDER_PATIENCE;
        assert_eq!(sounds(&mut hearing, &mut losses, later), [2 * FRAME_BYTES, FRAME_BYTES, FRAME_BYTES]);
        assert_eq!(losses.lost, 2);
    }

    #[test]
    fn a_packet_after_its_time_is_dropped() {
        let (mut hearing, mut losses, now) = hearing();
        let [a, b, c] = <[_; 3]>::try_from(packets(3)).unwrap();
        hearing.push(a, &mut losses, now);
        hearing.push(c.clone(), &mut losses, now);
        sounds(&mut hearing, &mut losses, now + REORDER_PATIENCE);
        hearing.push(b, &mut losses, now + ms(80));
        hearing.push(c, &mut losses, now + ms(80));
        assert_eq!(hearing.poll(&mut losses, now + ms(80)), None);
        assert_eq!((losses.lost, losses.late), (1, 2));
    }

    #[test]
    fn pauses_stay_pauses() {
        let (mut hearing, mut losses, now) = hearing();
        let [a, b, mut c] = <[_; 3]>::try_from(packets(3)).unwrap();
        c.timestamp += 48_000;
        for packet in [a, b, c] {
            hearing.push(packet, &mut losses, now);
        }
        assert_eq!(sounds(&mut hearing, &mut losses, now), [FRAME_BYTES; 3]);
    }

    #[test]
    fn a_publisher_that_begins_anew_is_heard_at_once() {
        let (mut hearing, mut losses, now) = hearing();
        let mut packets = packets(2);
        hearing.push(packets.remove(1), &mut losses, now);
        let mut again = packets.remove(0);
        (again.stream, again.sequence) = (8, 3);
        hearing.push(again, &mut losses, now);
        assert_eq!(sounds(&mut hearing, &mut losses, now), [FRAME_BYTES]);
    }

    #[test]
    fn a_missing_packet_is_not_waited_for_by_many() {
        let (mut hearing, mut losses, now) = hearing();
        let mut packets = packets(12);
        packets.remove(1);
        for packet in packets {
            hearing.push(packet, &mut losses, now);
        }
        assert_eq!(sounds(&mut hearing, &mut losses, now).len(), 12, "one of them invented");
    }

    proptest! {
        #[test]
        fn garbage_is_counted_and_nothing_else(
            payloads in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..80), any::<u32>(), 0u64..20), 1..20),
        ) {
            let (mut hearing, mut losses, now) = hearing();
            for (payload, timestamp, sequence) in payloads {
                let packet = SoundPacket { stream: 1, sequence, timestamp, payload: payload.into() };
                hearing.push(packet, &mut losses, now);
                sounds(&mut hearing, &mut losses, now + REORDER_PATIENCE);
            }
        }
    }
}
