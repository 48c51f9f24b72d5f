//! RTCP packets (RFC 3550 6): the reports of a camera, and ours.

/// What a camera reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// Which moment of its clock an RTP timestamp is.
    Sender { ssrc: u32, clock: NtpTime, timestamp: u32 },
    /// It sends no more.
    Bye { ssrc: u32 },
}

/// A moment of a camera's clock: seconds in the upper half, a fraction of them in the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NtpTime(pub(crate) u64);

impl NtpTime {
    pub(crate) fn nanos(self) -> i128 {
        (i128::from(self.0) * 1_000_000_000) >> 32
    }

    /// What a report of ours refers to it by.
    pub(crate) fn middle(self) -> u32 {
        let [_, _, a, b, c, d, _, _] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

/// The reports of a compound packet, up to the first one that makes no sense.
pub(crate) fn reports(mut bytes: &[u8]) -> impl Iterator<Item = Report> {
    std::iter::from_fn(move || {
        let [first, kind, high, low] = *bytes.first_chunk()?;
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let (packet, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        (first >> 6 == 2).then_some((kind, packet))
    })
    .filter_map(|(kind, packet)| {
        let word = |at: usize| Some(u32::from_be_bytes(*packet.get(at..)?.first_chunk()?));
        match kind {
            200 => {
                let clock = NtpTime(u64::from(word(8)?) << 32 | u64::from(word(12)?));
                Some(Report::Sender { ssrc: word(4)?, clock, timestamp: word(16)? })
            }
            203 => Some(Report::Bye { ssrc: word(4)? }),
            _ => None,
        }
    })
}

/// How a track arrives, as a report tells its sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) ssrc: u32,
    /// Lost of the last 256.
    pub(crate) fraction_lost: u8,
    pub(crate) lost: u32,
    pub(crate) highest_sequence: u32,
    pub(crate) jitter: u32,
    pub(crate) last_report: u32,
    /// In 1/65536 s.
    pub(crate) delay: u32,
}

/// Writes a receiver report with one block, and the name that RFC 3550 6.1 asks for.
pub(crate) fn write_report(own_ssrc: u32, block: Block) -> Vec<u8> {
    let lost = block.lost.min(0x7f_ffff) | u32::from(block.fraction_lost) << 24;
    let words = [own_ssrc, block.ssrc, lost, block.highest_sequence, block.jitter, block.last_report, block.delay];
    let mut bytes = vec![0x81, 201, 0, 7];
    bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    // SDES with CNAME "velella", and the end of its items.
    bytes.extend([0x81, 202, 0, 4]);
    bytes.extend(own_ssrc.to_be_bytes());
    bytes.extend(b"\x01\x07velella\0\0\0");
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_reports_of_a_compound_packet_are_read() {
        let mut bytes = vec![0x80, 200, 0, 6, 0, 0, 0, 5];
        bytes.extend([0, 0, 0, 2, 0x80, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1]);
        bytes.extend([0x81, 202, 0, 1, 0, 0, 0, 5, 0x81, 203, 0, 1, 0, 0, 0, 5, 0x80]);
        let clock = NtpTime(0x2_8000_0000);
        let expected = [Report::Sender { ssrc: 5, clock, timestamp: 9 }, Report::Bye { ssrc: 5 }];
        assert_eq!(reports(&bytes).collect::<Vec<_>>(), expected);
        assert_eq!(clock.nanos(), 2_500_000_000);
        assert_eq!(clock.middle(), 0x2_8000);
    }

    #[test]
    fn our_report_is_whole_words_and_says_what_was_lost() {
        let bytes = write_report(7, Block { ssrc: 5, fraction_lost: 128, lost: 3, ..Block::default() });
        assert_eq!(bytes.len(), 32 + 20);
        assert_eq!(bytes[..16], [0x81, 201, 0, 7, 0, 0, 0, 7, 0, 0, 0, 5, 128, 0, 0, 3]);
        assert_eq!(reports(&bytes).count(), 0);
    }

    proptest! {
        #[test]
        fn anything_can_be_read(bytes: Vec<u8>) {
            prop_assert!(reports(&bytes).count() <= bytes.len() / 4);
        }
    }
}
