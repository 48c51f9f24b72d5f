//! Which session a datagram belongs to: by source address, else by the ICE user name it carries.
//!
//! An address is learned only from a STUN request that the session's own password authenticates, so
//! that nobody can point somebody else's media at himself or fill the table.

use std::net::SocketAddr;

use indexmap::IndexMap;
use str0m::ice::StunMessage;

/// Addresses remembered per session; the oldest makes room. A client behind changing networks uses
/// two or three.
pub(crate) const ADDRESSES_PER_SESSION_MAX: usize = 8;

/// The tables. `K` names a session.
#[derive(Debug)]
pub(crate) struct Demux<K> {
    by_source: IndexMap<SocketAddr, K>,
    by_ufrag: IndexMap<Box<str>, K>,
}

impl<K: Copy + PartialEq> Demux<K> {
    pub(crate) fn new() -> Self {
        Self { by_source: IndexMap::new(), by_ufrag: IndexMap::new() }
    }

    /// The session that talks from this address.
    pub(crate) fn by_source(&self, source: SocketAddr) -> Option<K> {
        self.by_source.get(&source).copied()
    }

    /// The session that a STUN request names; it still has to authenticate it.
    pub(crate) fn by_user_name(&self, datagram: &[u8]) -> Option<K> {
        self.by_ufrag.get(local_ufrag(datagram)?.as_str()).copied()
    }

    /// A session is known by this user name fragment from now on.
    pub(crate) fn name(&mut self, ufrag: &str, key: K) {
        self.by_ufrag.insert(ufrag.into(), key);
    }

    /// It is no longer known by this one.
    pub(crate) fn unname(&mut self, ufrag: &str) {
        self.by_ufrag.swap_remove(ufrag);
    }

    /// A session authenticated this address.
    pub(crate) fn learn(&mut self, source: SocketAddr, key: K) {
        let mut known = self.by_source.iter().filter(|(_, k)| **k == key).map(|(s, _)| *s);
        let oldest = known.next();
        if oldest.is_some() && known.count() + 1 >= ADDRESSES_PER_SESSION_MAX {
            // Insertion order is age; a scan is fine for something that happens per connection.
            oldest.map(|address| self.by_source.shift_remove(&address));
        }
        self.by_source.insert(source, key);
    }

    /// The session is gone.
    pub(crate) fn forget(&mut self, key: K) {
        self.by_source.retain(|_, k| *k != key);
        self.by_ufrag.retain(|_, k| *k != key);
    }
}

/// The server's half of the user name of a STUN binding request; `None` for everything else.
pub fn local_ufrag(datagram: &[u8]) -> Option<String> {
    // RFC 7983: STUN starts with 0..=3. The parser accepts nothing else, this only spares it work.
    if datagram.first().is_none_or(|b| *b > 3) {
        return None;
    }
    let message = StunMessage::parse(datagram).ok()?;
    message.is_binding_request().then_some(())?;
    message.split_username().map(|(local, _)| local.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn a_session_keeps_its_newest_addresses() {
        let mut demux = Demux::new();
        demux.learn(address(1), 'b');
        for port in 10..30 {
            demux.learn(address(port), 'a');
        }
        let known = (10..30).filter(|p| demux.by_source(address(*p)).is_some()).count();
        assert_eq!(known, ADDRESSES_PER_SESSION_MAX);
        assert_eq!(demux.by_source(address(29)), Some('a'));
        assert_eq!(demux.by_source(address(1)), Some('b'), "a neighbour loses nothing");
    }

    #[test]
    fn a_forgotten_session_is_found_by_nothing() {
        let mut demux = Demux::new();
        demux.name("abcd", 'a');
        demux.learn(address(1), 'a');
        demux.forget('a');
        assert_eq!(demux.by_source(address(1)), None);
        assert!(demux.by_ufrag.is_empty());
    }

    proptest! {
        #[test]
        fn garbage_names_nobody(datagram in prop::collection::vec(any::<u8>(), 0..200)) {
            local_ufrag(&datagram);
        }
    }
}
