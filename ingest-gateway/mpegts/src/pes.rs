//! PES packets: what belongs to one moment of an elementary stream (ISO/IEC 13818-1, 2.4.3.6).

use bytes::{Bytes, BytesMut};

/// Bytes before the optional head: start code, stream, length.
const HEAD_BYTES: usize = 6;

/// A PES packet that is being put together from the packets of one PID.
#[derive(Debug)]
pub(crate) struct Assembly {
    bytes: BytesMut,
    begun: bool,
    bytes_max: usize,
}

/// What a PES packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// When it is to be seen or heard, in 33 bits.
    pub(crate) pts: Option<u64>,
    /// When it is to be decoded, if that is another time.
    pub(crate) dts: Option<u64>,
    pub(crate) data: Bytes,
}

/// Why there is no unit where one was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A part of it did not come.
    Lost,
    /// It grew above the bound.
    TooLarge,
    /// Its head makes no sense.
    Malformed,
}

impl Assembly {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes: BytesMut::new(), begun: false, bytes_max }
    }

    /// Something was lost: what was begun cannot be ended.
    pub(crate) fn forget(&mut self) {
        self.begun = false;
        self.bytes = BytesMut::new();
    }

    /// The next unit begins. What was begun without saying how long it is, as video does, ends here.
    pub(crate) fn begin(&mut self) -> Option<Result<Unit, Flaw>> {
        let bytes = std::mem::take(&mut self.bytes);
        std::mem::replace(&mut self.begun, true).then(|| match length(&bytes) {
            Some(_) => Err(Flaw::Lost),
            None => Unit::parse(&bytes.freeze()).ok_or(Flaw::Malformed),
        })
    }

    /// Takes the next part; a unit that says how long it is ends with its last byte.
    pub(crate) fn append(&mut self, payload: &[u8]) -> Option<Result<Unit, Flaw>> {
        if !self.begun {
            return None;
        }
        if self.bytes.len() + payload.len() > self.bytes_max {
            self.forget();
            return Some(Err(Flaw::TooLarge));
        }
        self.bytes.extend_from_slice(payload);
        let length = length(&self.bytes)?;
        if self.bytes.len() < length {
            return None;
        }
        self.begun = false;
        let bytes = std::mem::take(&mut self.bytes).freeze();
        Some(Unit::parse(&bytes.slice(..length)).ok_or(Flaw::Malformed))
    }
}

/// How long the whole packet is, where it says so.
fn length(bytes: &[u8]) -> Option<usize> {
    let [_, _, _, _, high, low] = bytes.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    (length > 0).then_some(HEAD_BYTES + length)
}

impl Unit {
    fn parse(bytes: &Bytes) -> Option<Self> {
        let ([0, 0, 1, _, _, _, marker, flags, head], rest) = bytes.split_first_chunk()? else { return None };
        let (head, data) = rest.split_at_checked(usize::from(*head))?;
        if marker >> 6 != 2 {
            return None;
        }
        let pts = (flags & 0x80 != 0).then(|| timestamp(head)).flatten();
        let dts = (flags & 0xc0 == 0xc0).then(|| timestamp(head.get(5..)?)).flatten();
        Some(Self { pts, dts, data: bytes.slice_ref(data) })
    }
}

/// 33 bits in three pieces with a marker bit behind each.
fn timestamp(head: &[u8]) -> Option<u64> {
    let [a, b, c, d, e] = head.first_chunk()?.map(u64::from);
    Some((a >> 1 & 7) << 30 | b << 22 | c >> 1 << 15 | d << 7 | e >> 1)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A PES packet; the length is left open as video does when `open`.
    pub(crate) fn pes(pts: u64, data: &[u8], open: bool) -> Vec<u8> {
        let length = if open { 0 } else { u16::try_from(data.len() + 8).unwrap() };
        let [high, low] = length.to_be_bytes();
        [&[0, 0, 1, 0xe0, high, low, 0x80, 0x80, 5], &stamp(pts)[..], data].concat()
    }

    /// One of open length that is decoded at another time than it is shown.
    pub(crate) fn pes_decoded(pts: u64, dts: u64, data: &[u8]) -> Vec<u8> {
        [&[0, 0, 1, 0xe0, 0, 0, 0x80, 0xc0, 10], &stamp(pts)[..], &stamp(dts), data].concat()
    }

    fn stamp(ticks: u64) -> [u8; 5] {
        let byte = |shift: u32| u8::try_from(ticks >> shift & 0xff).unwrap();
        [0x21 | byte(29) & 0x0e, byte(22), byte(14) | 1, byte(7), byte(0) << 1 | 1]
    }

    fn unit(pts: u64, data: &'static [u8]) -> Option<Result<Unit, Flaw>> {
        Some(Ok(Unit { pts: Some(pts), dts: None, data: Bytes::from_static(data) }))
    }

    #[test]
    fn a_unit_of_open_length_ends_where_the_next_begins() {
        let mut assembly = Assembly::new(1_000);
        assert_eq!(assembly.append(b"in the middle"), None);
        assert_eq!(assembly.begin(), None);
        let bytes = pes((1 << 33) - 2, b"picture", true);
        assert_eq!(assembly.append(&bytes[..16]), None);
        assert_eq!(assembly.append(&bytes[16..]), None);
        assert_eq!(assembly.begin(), unit((1 << 33) - 2, b"picture"));
    }

    #[test]
    fn a_unit_that_says_its_length_ends_with_it() {
        let mut assembly = Assembly::new(1_000);
        let bytes = pes(90_000, b"sound", false);
        assembly.begin();
        assert_eq!(assembly.append(&bytes[..4]), None);
        assert_eq!(assembly.append(&[&bytes[4..], b"stuffing"].concat()), unit(90_000, b"sound"));
        assert_eq!(assembly.begin(), None, "it is over");
        assembly.append(&bytes[..16]);
        assert_eq!(assembly.begin(), Some(Err(Flaw::Lost)));
    }

    #[test]
    fn units_are_bounded() {
        let mut assembly = Assembly::new(100);
        assembly.begin();
        assert_eq!(assembly.append(&pes(0, &[0; 80], true)), None);
        assert_eq!(assembly.append(&[0; 80]), Some(Err(Flaw::TooLarge)));
        assert_eq!(assembly.append(&[0; 80]), None);
        assembly.begin();
        assembly.append(b"no start code, but long enough");
        assert_eq!(assembly.begin(), Some(Err(Flaw::Lost)), "what stands for the length says so");
    }
}
