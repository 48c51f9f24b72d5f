//! Sections: the tables that say what a stream consists of (ISO/IEC 13818-1, 2.4.4).

use crate::packet::Packet;

/// Bytes of a section of the tables that are read here, with head and checksum.
const SECTION_BYTES_MAX: usize = 1_024;

/// What stands before the length ends.
const HEAD_BYTES: usize = 3;

/// What fills a packet behind its last section.
const STUFFING: u8 = 0xff;

/// Puts the sections of one PID together.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    /// Empty until the beginning of a section is known.
    bytes: Vec<u8>,
}

/// One whole section that is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Section<'a> {
    pub(crate) table: u8,
    /// Which one of the table this is.
    pub(crate) number: u8,
    pub(crate) body: &'a [u8],
}

impl Sections {
    /// Takes a packet's payload; `found` is given each section that it completes.
    pub(crate) fn handle(&mut self, packet: &Packet<'_>, mut found: impl FnMut(Section<'_>)) {
        let payload = packet.payload.unwrap_or_default();
        if !packet.unit_start {
            if !self.bytes.is_empty() {
                self.bytes.extend_from_slice(payload);
                self.complete(&mut found);
            }
            return;
        }
        let Some((end, begin)) = parted(payload) else { return self.forget() };
        if !self.bytes.is_empty() {
            self.bytes.extend_from_slice(end);
            self.complete(&mut found);
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(begin);
        self.complete(&mut found);
    }

    /// Something was lost.
    pub(crate) fn forget(&mut self) {
        self.bytes.clear();
    }

    fn complete(&mut self, found: &mut impl FnMut(Section<'_>)) {
        while let Some([table, high, low]) = self.bytes.first_chunk() {
            let bytes = HEAD_BYTES + usize::from(u16::from_be_bytes([high & 0x0f, *low]));
            if *table == STUFFING || bytes > SECTION_BYTES_MAX {
                return self.forget();
            }
            let Some(section) = self.bytes.get(..bytes) else { return };
            if let Some(section) = Section::parse(section) {
                found(section);
            }
            self.bytes.drain(..bytes);
        }
    }
}

/// What ends the section before, and what begins the next.
fn parted(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (pointer, rest) = payload.split_first()?;
    rest.split_at_checked(usize::from(*pointer))
}

impl<'a> Section<'a> {
    /// `None` when its checksum is wrong, it is not in force yet, or has no syntax.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let ([table, flags, _, _, _, version, number, _], rest) = bytes.split_first_chunk()?;
        let (body, _) = rest.split_last_chunk::<4>()?;
        let (has_syntax, in_force) = (flags & 0x80 != 0, version & 1 != 0);
        (has_syntax && in_force && crc(bytes) == 0).then_some(Self { table: *table, number: *number, body })
    }
}

/// CRC-32 of MPEG (ISO/IEC 13818-1, annex A); zero over a section with its own checksum.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 };
    bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte) << 24, step))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn section(table: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 9).unwrap() | 0xb000;
        let mut bytes = [&[table][..], &length.to_be_bytes(), &[0, 1, 0xc1, 0, 0], body].concat();
        bytes.extend(crc(&bytes).to_be_bytes());
        bytes
    }

    fn feed(sections: &mut Sections, payload: &[u8], unit_start: bool) -> Vec<(u8, Vec<u8>)> {
        let packet =
            Packet { pid: 0, unit_start, scrambled: false, counter: 0, discontinuous: false, payload: Some(payload) };
        let mut found = Vec::new();
        sections.handle(&packet, |section| found.push((section.table, section.body.to_vec())));
        found
    }

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        // Of a table that ffmpeg wrote.
        let pat = [0x00, 0xb0, 0x0d, 0x00, 0x01, 0xc1, 0x00, 0x00, 0x00, 0x01, 0xf0, 0x00, 0x2a, 0xb1, 0x04, 0xb2];
        assert_eq!(crc(&pat), 0);
    }

    #[test]
    fn several_sections_share_a_packet_and_one_spans_several() {
        let mut sections = Sections::default();
        let (small, large) = (section(0, &[1, 2]), section(2, &[7; 300]));
        let together = [&[0][..], &small, &small, &[STUFFING; 9]].concat();
        assert_eq!(feed(&mut sections, &together, true), [(0, vec![1, 2]), (0, vec![1, 2])]);
        assert_eq!(feed(&mut sections, &[&[0][..], &large[..100]].concat(), true), []);
        assert_eq!(feed(&mut sections, &large[100..250], false), []);
        let last = [&[62][..], &large[250..], &small].concat();
        assert_eq!(feed(&mut sections, &last, true), [(2, vec![7; 300]), (0, vec![1, 2])]);
    }

    #[test]
    fn broken_ones_are_left_out() {
        let mut sections = Sections::default();
        let mut bent = section(0, &[1, 2]);
        bent[9] ^= 1;
        assert_eq!(feed(&mut sections, &[&[0][..], &bent].concat(), true), []);
        assert_eq!(feed(&mut sections, &[0, 0, 0xbf, 0xff, 1, 2], true), [], "longer than any");
        assert!(sections.bytes.is_empty());
        assert_eq!(feed(&mut sections, &[200, 1], true), [], "points out of the packet");
        assert_eq!(feed(&mut sections, &section(0, &[1]), false), [], "nothing was begun");
    }
}
