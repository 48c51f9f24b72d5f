//! What an address has to send back before anything is remembered of it, as in RFC 4987 for TCP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use aws_lc_rs::rand::SystemRandom;

/// How long a cookie is good at least, and half of how long at most.
const LIFETIME: Duration = Duration::from_secs(30);

/// Makes cookies, and knows them again.
pub(super) struct Cookies {
    key: Key,
    began: Instant,
}

impl Cookies {
    pub(super) fn new() -> Self {
        #[expect(clippy::expect_used, reason = "a machine without randomness can do no cryptography at all")]
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new()).expect("the system gives random numbers");
        Self { key, began: Instant::now() }
    }

    pub(super) fn bake(&self, address: SocketAddr) -> i32 {
        self.of(address, self.age())
    }

    pub(super) fn is_ours(&self, cookie: i32, address: SocketAddr) -> bool {
        let age = self.age();
        [age, age.wrapping_sub(1)].into_iter().any(|age| self.of(address, age) == cookie)
    }

    fn age(&self) -> u64 {
        self.began.elapsed().as_secs() / LIFETIME.as_secs()
    }

    fn of(&self, address: SocketAddr, age: u64) -> i32 {
        let tag = sign(&self.key, format!("{address} {age}").as_bytes());
        tag.as_ref().first_chunk().copied().map_or(0, i32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_good_for_its_address_alone() {
        let cookies = Cookies::new();
        let [here, there] = ["192.0.2.1:9000", "192.0.2.1:9001"].map(|at| at.parse().unwrap());
        let cookie = cookies.bake(here);
        assert!(cookies.is_ours(cookie, here));
        assert!(!cookies.is_ours(cookie, there) && !cookies.is_ours(cookie.wrapping_add(1), here));
        assert!(!Cookies::new().is_ours(cookie, here), "another secret");
    }

    #[test]
    fn a_cookie_goes_stale() {
        let cookies = Cookies::new();
        let here = "[2001:db8::1]:9000".parse().unwrap();
        assert!(!cookies.is_ours(cookies.of(here, 1), here));
        let Some(began) = cookies.began.checked_sub(LIFETIME * 2) else { return };
        let later = Cookies { began, ..cookies };
        assert!(later.is_ours(later.of(here, 1), here) && !later.is_ours(later.of(here, 0), here));
    }
}
