//! What a shard counted. Plain numbers, copied out once a second.

/// Counters since the start of the shard, and gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Bytes in them.
    pub bytes_in: u64,
    /// Datagrams sent.
    pub datagrams_out: u64,
    /// Bytes in them.
    pub bytes_out: u64,
    /// RTP packets received for a published track.
    pub rtp_in: u64,
    /// RTP packets written to subscribers.
    pub rtp_forwarded: u64,
    /// Datagrams of unknown sources, dropped.
    pub unknown_source: u64,
    /// RTP packets of no published track, dropped.
    pub unknown_track: u64,
    /// Keyframe requests sent to publishers.
    pub keyframe_requests: u64,
    /// Offers answered.
    pub offers: u64,
    /// Offers or other signals that could not be used; each closed its session.
    pub bad_signals: u64,
    /// Signals of sessions that are gone, and of tracks that are gone.
    pub late_signals: u64,
    /// Subscriptions listed for sessions that receive all tracks or may receive none.
    pub ignored_signals: u64,
    /// Data channels closed again: too many labels, or too long a one.
    pub channels_refused: u64,
    /// Data channel messages passed on.
    pub messages: u64,
    /// Data channel messages dropped: malformed, of a refused channel, or a receiver's buffer is full.
    pub messages_dropped: u64,
    /// Tracks offered without the right to publish, once per offer; not taken.
    pub tracks_not_allowed: u64,
    /// Data channel messages without the right to publish, dropped.
    pub messages_not_allowed: u64,
    /// Sessions ended by a caught panic or an engine error.
    pub crashes: u64,
    /// Sessions ended by silence on the media path.
    pub ice_timeouts: u64,
    /// Rooms held.
    pub rooms: u32,
    /// Sessions held.
    pub sessions: u32,
    /// Published tracks held.
    pub tracks: u32,
}
