//! What a packet of Opus says of itself (RFC 6716, section 3.1).

use std::time::Duration;

/// How long a packet of Opus lasts; `None` when it is empty or cut short.
#[must_use]
pub fn opus_duration(packet: &[u8]) -> Option<Duration> {
    let (&toc, rest) = packet.split_first()?;
    let frame_us: u64 = match toc >> 3 {
        config @ 0..=11 => [10_000, 20_000, 40_000, 60_000].get(usize::from(config % 4)).copied()?,
        config @ 12..=15 => [10_000, 20_000].get(usize::from(config % 2)).copied()?,
        config => [2_500, 5_000, 10_000, 20_000].get(usize::from(config % 4)).copied()?,
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(rest.first()? & 0x3f),
    };
    Some(Duration::from_micros(frame_us * frames))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opus_packets_tell_how_long_they_last() {
        let us = |packet: &[u8]| opus_duration(packet).map(|duration| duration.as_micros());
        assert_eq!(us(&[0xfc, 0]), Some(20_000));
        assert_eq!(us(&[0x78 | 1]), Some(40_000));
        assert_eq!(us(&[0xe3, 3]), Some(7_500));
        assert_eq!(us(&[]), None);
    }
}
