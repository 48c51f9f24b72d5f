//! What an encoder shows to publish: whoever has it may. Only its digest is kept.

use std::fmt::Write;

use aws_lc_rs::{digest, rand};

use crate::http::failure::Failure;

/// Nobody guesses that.
const KEY_BITS: usize = 128;

/// A new one. It has no `Debug`: it is a secret.
pub(crate) struct StreamKey(String);

impl StreamKey {
    pub(crate) fn random() -> Result<Self, Failure> {
        let mut bytes = [0; KEY_BITS / 8];
        rand::fill(&mut bytes).map_err(|_| Failure::INTERNAL)?;
        Ok(Self(hex(&bytes)))
    }

    /// SHA-256, in hex.
    pub(crate) fn digest(&self) -> String {
        hex(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_another_each_time_and_known_by_its_digest() {
        let (a, b) = (StreamKey::random().unwrap(), StreamKey::random().unwrap());
        assert_eq!((a.as_str().len(), a.as_str() == b.as_str()), (32, false));
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(StreamKey("abc".into()).digest(), abc);
    }
}
