//! Who may watch: a folder in the address that only those know who were let in.
//!
//! A pass names no viewer. It says until when a room may be watched, so everybody who was let in at about the same time
//! may have the same one, and what an edge holds is held once for all of them: `/hls/{room}/{pass}/index.m3u8`. As all
//! addresses in playlists are relative, it is written once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::HeaderName;
use velella_ops::Secret;

/// Bytes of the signature: nobody guesses 128 bits, and addresses stay short.
const TAG_BYTES: usize = 16;

/// What is signed begins with this, so that a signature made for anything else is none here.
const PURPOSE: &str = "velella stream pass 1";

/// What other edges show instead of a room. No room has this name.
const EDGES: &str = "/origin";

/// The header in which they do.
pub(crate) const PASS: HeaderName = HeaderName::from_static("velella-pass");

/// How long other edges may use theirs. Clocks of one cluster differ by less.
const EDGE_LIFETIME: Duration = Duration::from_secs(300);

/// Mints and checks passes, with a secret that all gateways and coordinators share.
pub struct Passes(hmac::Key);

/// Not a pass, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address holds no pass for this stream, or one that is over")]
pub struct NoPass;

impl Passes {
    /// With this secret.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()))
    }

    /// A pass for a room, in letters that need no escape in an address.
    #[must_use]
    pub fn mint(&self, room: &str, expires: SystemTime) -> String {
        let expires = expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        format!("{expires:x}.{}", URL_SAFE_NO_PAD.encode(self.tag(room, expires)))
    }

    /// Whether a text is a pass for a room at this moment.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self, room: &str, pass: &str, now: SystemTime) -> Result<(), NoPass> {
        let (expires, tag) = pass.split_once('.').ok_or(NoPass)?;
        let expires = u64::from_str_radix(expires, 16).map_err(|_| NoPass)?;
        let mut given = [0; TAG_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(tag, &mut given).map_err(|_| NoPass)?;
        let expected = self.tag(room, expires);
        verify_slices_are_equal(&expected, given.get(..length).unwrap_or_default()).map_err(|_| NoPass)?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if now < Duration::from_secs(expires) { Ok(()) } else { Err(NoPass) }
    }

    /// What an edge shows to the origin.
    pub(crate) fn mint_for_edge(&self, now: SystemTime) -> String {
        self.mint(EDGES, now + EDGE_LIFETIME)
    }

    pub(crate) fn check_of_edge(&self, pass: &str, now: SystemTime) -> Result<(), NoPass> {
        self.check(EDGES, pass, now)
    }

    fn tag(&self, room: &str, expires: u64) -> [u8; TAG_BYTES] {
        let whole = hmac::sign(&self.0, format!("{PURPOSE}\n{room}\n{expires:x}").as_bytes());
        let mut tag = [0; TAG_BYTES];
        tag.iter_mut().zip(whole.as_ref()).for_each(|(byte, signed)| *byte = *signed);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_pass_is_for_one_room_and_one_time() {
        let passes = Passes::new(&"a secret".parse().unwrap());
        let pass = passes.mint("room", at(1_000));
        assert_eq!(passes.check("room", &pass, at(999)), Ok(()));
        assert_eq!(passes.check("room", &pass, at(1_000)), Err(NoPass));
        assert_eq!(passes.check("other", &pass, at(999)), Err(NoPass));
        assert_eq!(passes.check_of_edge(&pass, at(999)), Err(NoPass));
        assert_eq!(Passes::new(&"another".parse().unwrap()).check("room", &pass, at(999)), Err(NoPass));
        assert_eq!(passes.check_of_edge(&passes.mint_for_edge(at(10)), at(11)), Ok(()));
    }

    #[test]
    fn what_is_changed_is_no_pass() {
        let passes = Passes::new(&"a secret".parse().unwrap());
        let pass = passes.mint("room", at(0x1000));
        let tag = pass.split_once('.').unwrap().1;
        let shorter = &pass[..pass.len() - 2];
        for other in
            ["", ".", "1000", "1000.", shorter, &format!("2000.{tag}"), &format!("-1.{tag}"), &format!("{pass}A")]
        {
            assert_eq!(passes.check("room", other, at(1)), Err(NoPass), "{other}");
        }
    }
}
