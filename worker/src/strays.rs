//! Datagrams that the kernel gave to the wrong shard.
//!
//! All shards share one UDP port; the kernel spreads sources over them by hash and knows nothing of
//! rooms. A STUN request names its shard in the user name fragment that we made; whatever else
//! comes from that source follows it. Handing over costs about half a microsecond a packet, and an
//! SFU receives far less than it sends.

use std::net::SocketAddr;

use indexmap::IndexMap;
use velella_worker_core::{UFRAG_MARK_LETTERS, local_ufrag};

/// Sources that a shard remembers for others; the oldest makes room.
const SOURCES_MAX: usize = 4_096;

/// Where other shards' sources belong.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    by_source: IndexMap<SocketAddr, usize>,
}

impl Strays {
    /// The shard that a datagram unknown to shard `own` belongs to.
    pub(crate) fn route(&mut self, own: usize, source: SocketAddr, datagram: &[u8]) -> Option<usize> {
        match local_ufrag(datagram).as_deref().and_then(shard_of) {
            Some(shard) if shard != own => {
                if self.by_source.len() >= SOURCES_MAX && !self.by_source.contains_key(&source) {
                    self.by_source.shift_remove_index(0);
                }
                self.by_source.insert(source, shard);
                Some(shard)
            }
            Some(_) => None,
            None => self.by_source.get(&source).copied(),
        }
    }
}

/// How a user name fragment of this shard starts.
pub(crate) fn shard_prefix(shard: usize) -> String {
    format!("{shard:02x}")
}

fn shard_of(ufrag: &str) -> Option<usize> {
    usize::from_str_radix(ufrag.get(..UFRAG_MARK_LETTERS)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use str0m::ice::{StunMessage, TransId};

    use super::*;

    fn request(ufrag: &str) -> Vec<u8> {
        let username = format!("{ufrag}:theirs");
        let message = StunMessage::binding_request(&username, TransId::new(), true, 0, 1, true);
        let mut bytes = vec![0; 500];
        let n = message.to_bytes(Some(b"password"), &mut bytes, |_, _| [0; 20]).unwrap();
        bytes.truncate(n);
        bytes
    }

    fn source(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn a_request_names_its_shard_and_the_rest_follows() {
        let mut strays = Strays::default();
        assert_eq!(strays.route(0, source(1), &[22, 1, 2]), None, "DTLS of nobody");
        assert_eq!(strays.route(0, source(1), &request("01abcdefgh")), Some(1));
        assert_eq!(strays.route(0, source(1), &[22, 1, 2]), Some(1));
    }

    #[test]
    fn a_request_for_a_session_that_is_gone_stays_here() {
        let mut strays = Strays::default();
        assert_eq!(strays.route(1, source(1), &request("01abcdefgh")), None);
        assert_eq!(strays.route(1, source(1), &request("zzabcdefgh")), None);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut strays = Strays::default();
        let request = request("01abcdefgh");
        for port in 0..6_000 {
            strays.route(0, source(port), &request);
        }
        assert_eq!(strays.by_source.len(), SOURCES_MAX);
    }
}
