//! Names and seals for what the store keeps and readers of the store need not know. The keys come from
//! the secret that coordinators and gateways share, so what one seals any other opens.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use bytes::Bytes;
use velella_model::record::Sealed;

use crate::Secret;

/// The keys of one secret.
pub struct Seal {
    names: hmac::Key,
    contents: RandomizedNonceKey,
}

impl Seal {
    /// Derives them.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let derived = |purpose: &str| hmac::sign(&secret, purpose.as_bytes());
        let contents = RandomizedNonceKey::new(&AES_256_GCM, derived("velella: contents in the store").as_ref());
        Self {
            names: hmac::Key::new(hmac::HMAC_SHA256, derived("velella: names in the store").as_ref()),
            contents: contents.expect("SHA-256 gives as many bytes as the cipher takes"),
        }
    }

    /// A name for these parts, in this order, that tells nothing of them.
    #[must_use]
    pub fn name(&self, parts: &[&[u8]]) -> String {
        let mut context = hmac::Context::with_key(&self.names);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Encrypts what stands at a key; `None` when the cipher has no randomness.
    #[must_use]
    pub fn close(&self, key: &str, content: Vec<u8>) -> Option<Sealed> {
        let mut sealed = content;
        let nonce = self.contents.seal_in_place_append_tag(Aad::from(key.as_bytes()), &mut sealed).ok()?;
        Some(Sealed { nonce: Bytes::copy_from_slice(nonce.as_ref()), sealed: sealed.into() })
    }

    /// Decrypts it; `None` when it was not sealed for this key, or not by us.
    #[must_use]
    pub fn open(&self, key: &str, Sealed { nonce, sealed }: &Sealed) -> Option<Vec<u8>> {
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut content = sealed.to_vec();
        let len = self.contents.open_in_place(nonce, Aad::from(key.as_bytes()), &mut content).ok()?.len();
        content.truncate(len);
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_seals_another_with_the_same_secret_opens() {
        let sealed = seal("a").close("key", b"a token".to_vec()).unwrap();
        assert_eq!(seal("a").open("key", &sealed).unwrap(), b"a token");
        assert_eq!(seal("a").open("another key", &sealed), None);
        assert_eq!(seal("b").open("key", &sealed), None);
        assert!(!sealed.sealed.windows(7).any(|part| part == b"a token"));
    }

    #[test]
    fn names_tell_parts_apart() {
        assert_eq!(seal("a").name(&[b"x", b"y"]), seal("a").name(&[b"x", b"y"]));
        assert_ne!(seal("a").name(&[b"x", b"y"]), seal("a").name(&[b"xy", b""]));
        assert_ne!(seal("a").name(&[b"x"]), seal("b").name(&[b"x"]));
    }

    fn seal(secret: &str) -> Seal {
        Seal::new(&secret.parse().unwrap())
    }
}
