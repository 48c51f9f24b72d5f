//! One packet of a transport stream (ISO/IEC 13818-1, 2.4.3).

/// Bytes of each packet.
pub(crate) const PACKET_BYTES: usize = 188;

/// First byte of each packet.
pub(crate) const SYNC: u8 = 0x47;

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    pub(crate) pid: u16,
    /// A section or PES packet begins in it.
    pub(crate) unit_start: bool,
    pub(crate) scrambled: bool,
    /// 4 bits that count the packets with a payload.
    pub(crate) counter: u8,
    /// It says itself that the counter does not go on from before.
    pub(crate) discontinuous: bool,
    pub(crate) payload: Option<&'a [u8]>,
}

impl<'a> Packet<'a> {
    /// `None` when it contradicts itself, or was broken on the way and says so.
    pub(crate) fn parse(bytes: &'a [u8; PACKET_BYTES]) -> Option<Self> {
        let ([_, high, low, flags], rest) = bytes.split_first_chunk()?;
        let is_broken = high & 0x80 != 0;
        let (adaptation, payload) = match flags >> 4 & 3 {
            1 => (&[][..], Some(rest)),
            2 => (adaptation(rest)?.0, None),
            3 => {
                let (adaptation, payload) = adaptation(rest)?;
                (adaptation, Some(payload))
            }
            _ => return None,
        };
        (!is_broken).then_some(Self {
            pid: u16::from(high & 0x1f) << 8 | u16::from(*low),
            unit_start: high & 0x40 != 0,
            scrambled: flags & 0xc0 != 0,
            counter: flags & 0x0f,
            discontinuous: adaptation.first().is_some_and(|flags| flags & 0x80 != 0),
            payload,
        })
    }
}

fn adaptation(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = rest.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// The counter of one PID.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Continuity {
    last: Option<u8>,
}

/// How a packet stands to the one before of its PID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Next,
    /// The same once more, which is allowed.
    Repeated,
    /// Something between them is missing.
    Gap,
}

impl Continuity {
    /// Looks at a packet that has a payload; others do not count.
    pub(crate) fn note(&mut self, packet: &Packet<'_>) -> Standing {
        match self.last.replace(packet.counter) {
            Some(last) if !packet.discontinuous && packet.counter == last => Standing::Repeated,
            Some(last) if !packet.discontinuous && packet.counter != (last + 1) & 0x0f => Standing::Gap,
            _ => Standing::Next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(head: &[u8]) -> [u8; PACKET_BYTES] {
        let mut bytes = [0xff; PACKET_BYTES];
        bytes[..head.len()].copy_from_slice(head);
        bytes
    }

    #[test]
    fn a_packet_names_its_pid_and_what_it_carries() {
        let bytes = packet(&[0x47, 0x41, 0x00, 0x17, 1, 2]);
        let plain = Packet::parse(&bytes).unwrap();
        assert_eq!((plain.pid, plain.unit_start, plain.counter, plain.discontinuous), (0x100, true, 7, false));
        assert_eq!(plain.payload.map(<[u8]>::len), Some(184));

        let bytes = packet(&[0x47, 0x01, 0x00, 0x38, 2, 0x80, 0xff, 9, 9]);
        let adapted = Packet::parse(&bytes).unwrap();
        assert!(adapted.discontinuous && !adapted.unit_start);
        assert_eq!(adapted.payload.map(|payload| (payload.len(), payload[0])), Some((181, 9)));

        let bytes = packet(&[0x47, 0x01, 0x00, 0x20, 183, 0]);
        assert_eq!(Packet::parse(&bytes).unwrap().payload, None);
    }

    #[test]
    fn packets_that_contradict_themselves_are_none() {
        for head in [[0x47, 0x81, 0, 0x10, 0], [0x47, 1, 0, 0x00, 0], [0x47, 1, 0, 0x30, 200], [0x47, 1, 0, 0x20, 184]]
        {
            assert_eq!(Packet::parse(&packet(&head)), None, "{head:?}");
        }
    }

    #[test]
    fn gaps_are_told_from_repetitions() {
        let mut continuity = Continuity::default();
        let mut note = |counter: u8, discontinuous| {
            let payload = Some(&[][..]);
            continuity.note(&Packet { pid: 1, unit_start: false, scrambled: false, counter, discontinuous, payload })
        };
        assert_eq!(note(14, false), Standing::Next);
        assert_eq!(note(15, false), Standing::Next);
        assert_eq!(note(15, false), Standing::Repeated);
        assert_eq!(note(0, false), Standing::Next);
        assert_eq!(note(2, false), Standing::Gap);
        assert_eq!(note(9, true), Standing::Next);
    }
}
