//! AAC in ADTS (ISO/IEC 14496-3, 1.A.2.2): each access unit with a head that says how it is encoded.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use velella_media::{AacConfig, AacConfigError, MediaTime};

/// Bytes of a head without its checksum.
const HEAD_BYTES: usize = 7;
/// Bytes of the checksum, where there is one.
const CHECKSUM_BYTES: usize = 2;

/// Parts sound into access units, which may reach from one PES packet into the next.
#[derive(Debug, Default)]
pub(crate) struct Adts {
    /// What was begun: less than one frame, whose length has 13 bits.
    begun: Bytes,
    /// When it is to be heard, and what comes after it without saying so itself.
    next: Option<MediaTime>,
}

/// One access unit, or what stands in its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Sound {
        config: AacConfig,
        time: MediaTime,
        data: Bytes,
    },
    Unsupported(AacConfigError),
    /// No head where one should be; what lies before the next one was left out.
    Malformed,
}

#[derive(Clone, Copy)]
struct Head {
    config: Result<AacConfig, AacConfigError>,
    /// With the head.
    bytes: usize,
    head_bytes: usize,
    /// Access units in it; encoders write one.
    blocks: u8,
}

impl Adts {
    /// Something was lost.
    pub(crate) fn forget(&mut self) {
        self.begun.clear();
    }

    /// Takes what comes next; the first access unit that begins in it is to be heard at `time`.
    pub(crate) fn handle(&mut self, data: Bytes, time: MediaTime, mut found: impl FnMut(Part)) {
        let begun = std::mem::take(&mut self.begun);
        let mut carried = begun.len();
        let mut rest = if begun.is_empty() { data } else { joined(&begun, &data) };
        if carried == 0 {
            self.next = Some(time);
        }
        while let Some(head) = rest.first_chunk() {
            let Some(head) = Head::parse(head) else {
                let skipped = 1 + rest.iter().skip(1).take_while(|byte| **byte != 0xff).count();
                rest.advance(skipped);
                self.pass(skipped, &mut carried, time);
                found(Part::Malformed);
                continue;
            };
            if rest.len() < head.bytes {
                break;
            }
            let at = self.next.unwrap_or(time);
            let frame = rest.split_to(head.bytes);
            found(head.part(frame.slice(head.head_bytes..), at));
            self.next = Some(at.later(head.duration()));
            self.pass(head.bytes, &mut carried, time);
        }
        self.begun = rest;
    }

    /// With the last byte that was carried over, the new packet and its time begin.
    fn pass(&mut self, bytes: usize, carried: &mut usize, time: MediaTime) {
        if (1..=bytes).contains(carried) {
            self.next = Some(time);
        }
        *carried = carried.saturating_sub(bytes);
    }
}

fn joined(begun: &Bytes, data: &Bytes) -> Bytes {
    let mut joined = BytesMut::with_capacity(begun.len() + data.len());
    joined.extend_from_slice(begun);
    joined.extend_from_slice(data);
    joined.freeze()
}

impl Head {
    fn parse(head: &[u8; HEAD_BYTES]) -> Option<Self> {
        let [sync, kind, profile, layout, length, low, blocks] = *head;
        let is_head = sync == 0xff && kind & 0xf6 == 0xf0;
        let (object_type, rate) = ((profile >> 6) + 1, profile >> 2 & 15);
        let channels = (profile & 1) << 2 | layout >> 6;
        let config = AacConfig::parse(&[object_type << 3 | rate >> 1, rate << 7 | channels << 3]);
        let bytes = usize::from(layout & 3) << 11 | usize::from(length) << 3 | usize::from(low >> 5);
        let head_bytes = if kind & 1 == 0 { HEAD_BYTES + CHECKSUM_BYTES } else { HEAD_BYTES };
        (is_head && bytes >= head_bytes).then_some(Self { config, bytes, head_bytes, blocks: (blocks & 3) + 1 })
    }

    fn duration(&self) -> Duration {
        let rate = self.config.map_or(48_000, |config| config.sample_rate_hz);
        Duration::from_secs(u64::from(AacConfig::FRAME_SAMPLES) * u64::from(self.blocks)) / rate
    }

    fn part(&self, data: Bytes, time: MediaTime) -> Part {
        match self.config {
            Ok(config) if self.blocks == 1 && !data.is_empty() => Part::Sound { config, time, data },
            Ok(_) => Part::Malformed,
            Err(error) => Part::Unsupported(error),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A frame of AAC-LC at 48 kHz in mono.
    pub(crate) fn frame(data: &[u8]) -> Vec<u8> {
        let length = u8::try_from(data.len() + HEAD_BYTES).unwrap();
        [&[0xff, 0xf1, 0x4c, 0x40, length >> 3, length << 5 | 0x1f, 0xfc][..], data].concat()
    }

    fn feed(adts: &mut Adts, data: &[u8], ms: i64) -> Vec<(i64, Vec<u8>)> {
        let mut found = Vec::new();
        adts.handle(Bytes::copy_from_slice(data), MediaTime(ms * 1_000_000), |part| match part {
            Part::Sound { config, time, data } => {
                assert_eq!(config, AacConfig { object_type: 2, sample_rate_hz: 48_000, channels: 1 });
                found.push((time.0 / 1_000, data.to_vec()));
            }
            Part::Unsupported(error) => panic!("{error}"),
            Part::Malformed => found.push((-1, Vec::new())),
        });
        found
    }

    #[test]
    fn access_units_follow_each_other() {
        let mut adts = Adts::default();
        let two = [frame(b"one"), frame(b"two")].concat();
        assert_eq!(feed(&mut adts, &two, 100), [(100_000, b"one".to_vec()), (121_333, b"two".to_vec())]);
    }

    #[test]
    fn one_may_reach_into_the_next_packet_whose_time_is_that_of_the_one_behind_it() {
        let mut adts = Adts::default();
        let (one, two) = (frame(b"one"), frame(b"two"));
        assert_eq!(feed(&mut adts, &one[..4], 100), []);
        let rest = [&one[4..], &two].concat();
        assert_eq!(feed(&mut adts, &rest, 121), [(100_000, b"one".to_vec()), (121_000, b"two".to_vec())]);
    }

    #[test]
    fn what_is_no_frame_is_left_out() {
        let mut adts = Adts::default();
        let bent = [&[0, 0, 0xff, 0, 0, 0, 0, 0][..], &frame(b"one")].concat();
        assert_eq!(feed(&mut adts, &bent, 5).last(), Some(&(5_000, b"one".to_vec())));
        assert!(adts.begun.is_empty());
    }
}
