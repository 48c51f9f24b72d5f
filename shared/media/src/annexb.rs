//! Where NAL units begin: behind start codes (Annex-B), or behind their lengths (MP4, FLV).

/// What stands before each NAL unit that this crate writes.
pub const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The NAL units of an Annex-B stream, without start codes and trailing zeros; what stands before the
/// first start code is none.
pub fn nals_of_annexb(stream: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        let from = rest?;
        let end = start_code(from);
        rest = end.and_then(|at| after_start_code(from.get(at..)?));
        let nal = from.get(..end.unwrap_or(from.len()))?;
        let zeros = nal.iter().rev().take_while(|byte| **byte == 0).count();
        nal.get(..nal.len() - zeros)
    })
    .filter(|nal| !nal.is_empty())
}

/// The NAL units behind big-endian lengths of `length_bytes` (1 to 4), as in ISO/IEC 14496-15. Ends at
/// the first length that reaches beyond the end.
pub fn nals_of_lengths(stream: &[u8], length_bytes: usize) -> impl Iterator<Item = &[u8]> + Clone {
    let mut rest = stream;
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_at_checked(length_bytes.clamp(1, 4))?;
        let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        let (nal, behind) = behind.split_at_checked(length)?;
        rest = behind;
        Some(nal)
    })
    .filter(|nal| !nal.is_empty())
}

/// Where the next 00 00 01 begins.
fn start_code(stream: &[u8]) -> Option<usize> {
    stream.windows(3).position(|window| window == [0, 0, 1])
}

fn after_start_code(stream: &[u8]) -> Option<&[u8]> {
    stream.get(start_code(stream)? + 3..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn start_codes_of_three_and_four_bytes_part_nal_units() {
        let stream = [9, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 0, 2, 0, 0, 0, 0, 1, 0x65];
        let nals: Vec<_> = nals_of_annexb(&stream).collect();
        assert_eq!(nals, [&[0x67, 1][..], &[0x68, 0, 2], &[0x65]]);
    }

    #[test]
    fn a_length_beyond_the_end_ends_it() {
        let stream = [0, 2, 0x67, 1, 0, 1, 0x65, 0, 9, 1];
        assert_eq!(nals_of_lengths(&stream, 2).collect::<Vec<_>>(), [&[0x67, 1][..], &[0x65]]);
    }

    proptest! {
        #[test]
        fn anything_can_be_taken_apart(stream: Vec<u8>, length_bytes in 0_usize..9) {
            let most = stream.len();
            prop_assert!(nals_of_annexb(&stream).map(<[u8]>::len).sum::<usize>() <= most);
            prop_assert!(nals_of_lengths(&stream, length_bytes).map(<[u8]>::len).sum::<usize>() <= most);
        }
    }
}
