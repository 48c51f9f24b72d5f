//! Boxes beside a fragment that `shiguredo_mp4` does not have.

use std::time::Duration;

use bytes::Bytes;

use crate::init::TRACK_ID;

/// Seconds from the beginning of NTP's era to that of Unix (RFC 5905, figure 4).
const NTP_TO_UNIX_SECONDS: u64 = 2_208_988_800;

/// `styp`, for a piece that is a file of its own: a CMAF chunk, the first of a segment or not.
#[must_use]
pub fn segment_type(first_of_segment: bool) -> Bytes {
    let brand = if first_of_segment { b"cmfs" } else { b"cmfl" };
    written(b"styp", &[brand, &[0; 4], b"iso6", brand])
}

/// `prft`: at which moment (since 1970) the sample with this decode time, in ticks, was captured (ISO/IEC 14496-12,
/// 8.16.5). Stands before the fragment.
#[must_use]
pub fn producer_reference_time(captured_unix: Duration, decode_time: u64) -> Bytes {
    const VERSION_1: u8 = 1;
    /// The sender's clock, at capture; from the 2020 edition on.
    const CAPTURED: u8 = 24;
    let seconds = captured_unix.as_secs().wrapping_add(NTP_TO_UNIX_SECONDS) & 0xffff_ffff;
    let fraction = (u64::from(captured_unix.subsec_nanos()) << 32) / 1_000_000_000;
    written(
        b"prft",
        &[
            &[VERSION_1, 0, 0, CAPTURED],
            &TRACK_ID.to_be_bytes(),
            &(seconds << 32 | fraction).to_be_bytes(),
            &decode_time.to_be_bytes(),
        ],
    )
}

fn written(name: &[u8; 4], parts: &[&[u8]]) -> Bytes {
    let length = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let head = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [&head[..], name].into_iter().chain(parts.iter().copied()).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_time_is_of_ntp() {
        let bytes = producer_reference_time(Duration::from_millis(1_500), 90_000);
        assert_eq!(bytes.len(), 32);
        assert_eq!(&bytes[..12], [0, 0, 0, 32, b'p', b'r', b'f', b't', 1, 0, 0, 24]);
        // 1900 to 1970 and one second, and a half.
        assert_eq!(&bytes[16..24], [0x83, 0xaa, 0x7e, 0x81, 0x80, 0, 0, 0]);
        assert_eq!(&bytes[24..], 90_000_u64.to_be_bytes());
    }

    #[test]
    fn a_segment_type_has_its_brand_twice() {
        assert_eq!(segment_type(true)[..], *b"\0\0\0\x18stypcmfs\0\0\0\0iso6cmfs");
    }
}
