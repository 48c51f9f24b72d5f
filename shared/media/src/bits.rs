//! Reads bits, most significant first, as the bit streams of ITU-T H.264 and ISO/IEC 14496-3 are written.

/// What is left to read.
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn bit(&mut self) -> Option<u32> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = (byte >> (7 - self.at % 8)) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    /// An unsigned number of at most 32 bits.
    pub(crate) fn number(&mut self, bits: u32) -> Option<u32> {
        (0..bits).try_fold(0_u32, |number, _| Some(number << 1 | self.bit()?))
    }

    /// Steps over this many bits.
    pub(crate) fn skip(&mut self, bits: u32) -> Option<()> {
        let at = self.at.checked_add(usize::try_from(bits).ok()?)?;
        (at <= self.bytes.len() * 8).then(|| self.at = at)
    }

    /// A signed Exp-Golomb code (H.264 9.1.1).
    pub(crate) fn signed_golomb(&mut self) -> Option<i64> {
        let code = i64::from(self.golomb()?);
        Some(if code % 2 == 1 { code / 2 + 1 } else { -(code / 2) })
    }

    /// An unsigned Exp-Golomb code (H.264 9.1) of at most 32 bits.
    pub(crate) fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.number(zeros)?;
        Some((1_u32 << zeros) - 1 + rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golomb_codes_count_up() {
        // 1 010 011 00100 00101, as in the table of H.264 9.1.
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let codes: Vec<_> = std::iter::from_fn(|| bits.golomb()).take(5).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn the_end_is_no_number() {
        assert_eq!(Bits::new(&[]).bit(), None);
        assert_eq!(Bits::new(&[0; 9]).golomb(), None);
        assert_eq!(Bits::new(&[0xff]).number(9), None);
    }
}
