//! Opus in a transport stream: packets behind control heads (ETSI TS 103 491 draft, "Opus in MPEG-2 TS" 0.1.3).

use bytes::{Buf, Bytes};
use velella_media::{MediaTime, opus_duration};

/// First 11 bits of a head.
const PREFIX: u16 = 0x7fe0;
const START_TRIM: u16 = 0x10;
const END_TRIM: u16 = 0x08;
const EXTENSION: u16 = 0x04;

/// The packets of one unit, with their times. Ends at the first that makes no sense.
pub(crate) fn packets(mut data: Bytes, mut time: MediaTime) -> impl Iterator<Item = Option<(MediaTime, Bytes)>> {
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended || data.is_empty() {
            return None;
        }
        let Some(packet) = packet(&mut data).filter(|packet| !packet.is_empty()) else {
            ended = true;
            return Some(None);
        };
        let at = time;
        time = time.later(opus_duration(&packet).unwrap_or_default());
        Some(Some((at, packet)))
    })
}

fn packet(data: &mut Bytes) -> Option<Bytes> {
    let head = data.try_get_u16().ok().filter(|head| head & 0xffe0 == PREFIX)?;
    let mut length = 0;
    loop {
        let byte = data.try_get_u8().ok()?;
        length += usize::from(byte);
        if byte < 0xff {
            break;
        }
    }
    for _ in [START_TRIM, END_TRIM].into_iter().filter(|flag| head & flag != 0) {
        data.try_get_u16().ok()?;
    }
    if head & EXTENSION != 0 {
        let extension = usize::from(data.try_get_u8().ok()?);
        (extension <= data.len()).then(|| data.advance(extension))?;
    }
    (length <= data.len()).then(|| data.split_to(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn packets_follow_each_other_by_what_they_last() {
        let plain = [&[0x7f, 0xe0, 2][..], &[0xfc, 1]].concat();
        let long = [&[0x7f, 0xf4, 255, 45][..], &[0, 9], &[1, 7], &[0xfc; 300]].concat();
        let data = Bytes::from([plain, long, vec![0x7f, 0xe0, 9, 1]].concat());
        let found: Vec<_> = packets(data, MediaTime(0)).map(|packet| packet.map(|(at, p)| (at.0, p.len()))).collect();
        assert_eq!(found, [Some((0, 2)), Some((20_000_000, 300)), None]);
    }

    proptest! {
        #[test]
        fn anything_can_be_parted(data: Vec<u8>) {
            prop_assert!(packets(data.clone().into(), MediaTime(0)).count() <= data.len());
        }
    }
}
