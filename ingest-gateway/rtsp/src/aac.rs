//! Takes AAC out of RTP packets (RFC 3640).

use bytes::{Buf, Bytes, BytesMut};
use velella_media::AacConfig;

use crate::rtp::Packet;

/// Most access units of one packet: more than a second of sound.
const UNITS_MAX: usize = 64;

/// Bits of an AU header (RFC 3640 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    size: u32,
    index: u32,
    index_delta: u32,
}

impl Layout {
    /// From the parameters of a description. AAC-hbr is what all cameras use, some without saying so.
    pub(crate) fn of<'a>(parameter: impl Fn(&str) -> Option<&'a str>) -> Self {
        let bits = |name: &str, usual: u32| parameter(name).and_then(|bits| bits.parse().ok()).unwrap_or(usual).min(32);
        Self { size: bits("sizelength", 13), index: bits("indexlength", 3), index_delta: bits("indexdeltalength", 3) }
    }
}

/// An access unit that began in an earlier packet.
#[derive(Debug)]
struct Fragment {
    size: usize,
    data: BytesMut,
}

/// Takes packets apart.
#[derive(Debug)]
pub(crate) struct AacUnits {
    layout: Layout,
    /// RTP ticks of one access unit.
    ticks: u32,
    fragment: Option<Fragment>,
}

impl AacUnits {
    pub(crate) fn new(layout: Layout, config: AacConfig, clock_rate_hz: u32) -> Self {
        let ticks =
            u64::from(AacConfig::FRAME_SAMPLES) * u64::from(clock_rate_hz) / u64::from(config.sample_rate_hz.max(1));
        Self { layout, ticks: u32::try_from(ticks).unwrap_or(AacConfig::FRAME_SAMPLES), fragment: None }
    }

    /// The access units that are whole with this packet, and their RTP timestamps. `None` when it
    /// makes no sense. What is not taken from here because packets are missing comes with `lost`.
    pub(crate) fn take(&mut self, packet: &Packet, lost: bool) -> Option<Vec<(u32, Bytes)>> {
        let fragment = self.fragment.take().filter(|_| !lost);
        let mut payload = packet.payload.clone();
        let sizes = self.read_sizes(&mut payload)?;
        if let (Some(fragment), [size]) = (fragment, &sizes[..])
            && fragment.size == *size
        {
            return Some(self.go_on(fragment, packet, &payload));
        }
        if let [size] = sizes[..]
            && size > payload.len()
        {
            self.fragment = Some(Fragment { size, data: BytesMut::from(&payload[..]) });
            return Some(Vec::new());
        }
        let mut units = Vec::with_capacity(sizes.len());
        for (at, size) in (0_u32..).zip(sizes) {
            if size > payload.len() {
                return None;
            }
            let timestamp = packet.timestamp.wrapping_add(at.wrapping_mul(self.ticks));
            units.push((timestamp, without_adts(payload.split_to(size))));
        }
        Some(units)
    }

    /// RFC 3640 3.2.3: each fragment names the whole size, and all have the same timestamp.
    fn go_on(&mut self, mut fragment: Fragment, packet: &Packet, payload: &[u8]) -> Vec<(u32, Bytes)> {
        fragment.data.extend_from_slice(payload);
        if fragment.data.len() < fragment.size {
            self.fragment = Some(fragment);
            return Vec::new();
        }
        fragment.data.truncate(fragment.size);
        vec![(packet.timestamp, without_adts(fragment.data.freeze()))]
    }

    /// Reads the AU headers, and leaves what they are about.
    fn read_sizes(&self, payload: &mut Bytes) -> Option<Vec<usize>> {
        let bits = usize::from(payload.try_get_u16().ok()?);
        let headers = payload.get(..bits.div_ceil(8))?.to_vec();
        payload.advance(headers.len());
        let (mut at, mut sizes) = (0, Vec::new());
        while at < bits && sizes.len() < UNITS_MAX {
            let size = read_bits(&headers, at, self.layout.size)?;
            let index = if sizes.is_empty() { self.layout.index } else { self.layout.index_delta };
            at += usize::try_from(self.layout.size + index).ok()?.max(1);
            sizes.push(usize::try_from(size).ok().filter(|size| *size > 0)?);
        }
        Some(sizes)
    }
}

fn read_bits(bytes: &[u8], from: usize, count: u32) -> Option<u32> {
    let bit = |at: usize| Some(u32::from(bytes.get(at / 8)? >> (7 - at % 8) & 1));
    (from..).take(usize::try_from(count).ok()?).try_fold(0, |number, at| Some(number << 1 | bit(at)?))
}

/// Some cameras send each access unit with the header of a file (ISO/IEC 13818-7 6.2).
fn without_adts(mut unit: Bytes) -> Bytes {
    if let Some([0xff, second, _, fourth, fifth, sixth, _]) = unit.first_chunk()
        && second & 0xf6 == 0xf0
    {
        let length = u32::from(fourth & 3) << 11 | u32::from(*fifth) << 3 | u32::from(sixth >> 5);
        let header = if second & 1 == 1 { 7 } else { 9 };
        if usize::try_from(length) == Ok(unit.len()) && unit.len() > header {
            unit.advance(header);
        }
    }
    unit
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn units() -> AacUnits {
        let config = AacConfig { object_type: 2, sample_rate_hz: 44_100, channels: 2 };
        AacUnits::new(Layout::of(|_| None), config, 44_100)
    }

    fn take(units: &mut AacUnits, payload: &[u8]) -> Option<Vec<(u32, Vec<u8>)>> {
        let packet = Packet::for_test(1_000, false, payload);
        units.take(&packet, false).map(|units| units.into_iter().map(|(time, unit)| (time, unit.to_vec())).collect())
    }

    #[test]
    fn several_units_of_a_packet_follow_each_other_in_time() {
        let taken = take(&mut units(), &[0, 32, 0, 2 << 3, 0, 1 << 3, 1, 2, 3]);
        assert_eq!(taken, Some(vec![(1_000, vec![1, 2]), (2_024, vec![3])]));
    }

    #[test]
    fn a_unit_in_pieces_is_put_together_unless_one_is_lost() {
        let mut units = units();
        assert_eq!(take(&mut units, &[0, 16, 0, 3 << 3, 1, 2]), Some(vec![]));
        assert_eq!(take(&mut units, &[0, 16, 0, 3 << 3, 3]), Some(vec![(1_000, vec![1, 2, 3])]));
        assert_eq!(take(&mut units, &[0, 16, 0, 3 << 3, 1, 2]), Some(vec![]));
        let rest = Packet::for_test(1_000, false, &[0, 16, 0, 3 << 3, 3]);
        assert_eq!(units.take(&rest, true), Some(vec![]));
    }

    #[test]
    fn the_header_of_a_file_is_taken_off() {
        let with = [0, 16, 0, 9 << 3, 0xff, 0xf1, 0x50, 0x80, 0x01, 0x20, 0xfc, 7, 8];
        assert_eq!(take(&mut units(), &with), Some(vec![(1_000, vec![7, 8])]));
    }

    #[test]
    fn sizes_that_cannot_be_make_no_sense() {
        assert_eq!(take(&mut units(), &[0]), None);
        assert_eq!(take(&mut units(), &[0, 32, 0, 2 << 3]), None);
        assert_eq!(take(&mut units(), &[0, 32, 0, 2 << 3, 0, 9 << 3, 1, 2, 3]), None);
        assert_eq!(take(&mut units(), &[0, 16, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn anything_can_be_taken_apart(packets: Vec<Vec<u8>>, size in 0_u32..40, index in 0_u32..40) {
            let layout = Layout::of(|name| Some(if name == "sizelength" { size } else { index }.to_string()).map(|text| &*text.leak()));
            let config = AacConfig { object_type: 2, sample_rate_hz: 44_100, channels: 2 };
            let mut units = AacUnits::new(layout, config, 44_100);
            for payload in &packets {
                take(&mut units, payload);
            }
        }
    }
}
