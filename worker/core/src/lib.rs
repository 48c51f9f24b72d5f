//! The SFU of one shard: sessions, negotiation, forwarding: pure.
