//! How a camera is spoken to.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

/// How a camera is spoken to.
#[derive(Clone, Debug)]
pub struct Options {
    /// The way of the media.
    pub transport: Transport,
    /// Whom to trust at `rtsps` URLs; without it they are refused.
    pub tls: Option<Arc<ClientConfig>>,
    /// Time between signs of life, at least 100 ms; by default half of what the camera allows.
    pub keep_alive: Option<Duration>,
    /// First local port for media over UDP, each track takes two; by default, and with 0, any.
    pub rtp_port: Option<u16>,
    /// Whether to send an empty packet first, for routers that let in only answers. Over UDP only.
    pub pierce_nat: bool,
    /// Without any media for this long the camera counts as stalled. Of a camera with pictures, they count.
    pub stall_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            transport: Transport::default(),
            tls: None,
            keep_alive: None,
            rtp_port: None,
            pierce_nat: true,
            stall_after: Duration::from_secs(10),
        }
    }
}

/// The way of the media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Over the connection of the conversation: nothing gets lost, and it passes every router.
    #[default]
    Tcp,
    /// Over UDP.
    Udp,
    /// Over UDP, and over TCP when the camera refuses that or nothing arrives for 3 s. Where it refuses
    /// TCP after such a silence, over UDP once more, for as long as a stall may last: some begin slowly.
    /// Over TCP alone where the conversation is encrypted: the media would not be.
    Automatic,
}
