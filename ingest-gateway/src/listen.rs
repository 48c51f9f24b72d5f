//! Where publishers come to: listeners, and what they ask the driver.

pub(crate) mod rtmp;
pub(crate) mod srt;
#[cfg(test)]
mod testing;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use prometheus::Registry;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use velella_gateway_core::Published;
use velella_media::{Frame, VideoCodec};
use velella_model::component::JobKind;

use crate::config::Config;
use crate::metrics::{Dropped, rtmp_evictions};
use crate::source::{End, Event, Outlet, Source};

/// Publishers that wait for the driver's answer; more wait in their listeners.
pub(crate) const ASKS_MAX: usize = 64;

/// Publishers of one listener; further ones are sent away.
pub(crate) const PUBLISHERS_MAX: usize = 1_024;

/// How long the second kind of media may come after the first and still be described with it.
const DESCRIBE_PATIENCE: Duration = Duration::from_secs(1);

/// Frames that wait for the description.
const HELD_MAX: usize = 256;

/// The listeners that an operator wants, bound.
pub(crate) struct Listeners {
    rtmp: Option<rtmp::Listener>,
    rtmps: Option<rtmp::Listener>,
    srt: Option<srt::Listener>,
    /// What publishers of each kind are told to send to.
    pub(crate) urls: BTreeMap<JobKind, String>,
    /// The same in TLS.
    pub(crate) encrypted_urls: BTreeMap<JobKind, String>,
}

impl Listeners {
    /// Binds them.
    pub(crate) async fn open(config: &Config, registry: &Registry) -> anyhow::Result<Self> {
        let (urls, encrypted_urls) = (BTreeMap::new(), BTreeMap::new());
        let mut listeners = Self { rtmp: None, rtmps: None, srt: None, urls, encrypted_urls };
        let evictions = rtmp_evictions(registry)?;
        if let Some(at) = config.rtmp {
            let listener = rtmp::Listener::bind(at, None, evictions.clone()).await?;
            let at = listener.local_addr()?;
            let url = config.rtmp_url.clone().unwrap_or_else(|| format!("rtmp://{at}/live"));
            listeners.urls.insert(JobKind::Rtmp, url);
            listeners.rtmp = Some(listener);
        }
        if let Some(at) = config.rtmps {
            let listener = rtmp::Listener::bind(at, Some(config.rtmps_identity()?), evictions).await?;
            let at = listener.local_addr()?;
            let url = config.rtmps_url.clone().unwrap_or_else(|| format!("rtmps://{at}/live"));
            listeners.encrypted_urls.insert(JobKind::Rtmp, url);
            listeners.rtmps = Some(listener);
        }
        if let Some(at) = config.srt {
            let listener =
                srt::Listener::bind(at, config.srt_passphrase.as_ref(), Dropped::register(registry)?).await?;
            let at = listener.local_addr()?;
            listeners.urls.insert(JobKind::Srt, config.srt_url.clone().unwrap_or_else(|| format!("srt://{at}")));
            listeners.srt = Some(listener);
        }
        Ok(listeners)
    }

    /// Takes publishers; never ends well. The door stays open without any, so that the driver need not care.
    pub(crate) async fn run(self, door: Door) -> anyhow::Result<()> {
        let Self { rtmp, rtmps, srt, .. } = self;
        let over_rtmp = |listener: Option<rtmp::Listener>| {
            let door = door.clone();
            async move {
                match listener {
                    Some(listener) => listener.run(door).await,
                    None => std::future::pending().await,
                }
            }
        };
        let (plain, encrypted) = (over_rtmp(rtmp), over_rtmp(rtmps));
        let over_srt = async {
            match srt {
                Some(listener) => listener.run(door).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            result = plain => result,
            result = encrypted => result,
            result = over_srt => result,
        }
    }
}

/// A publisher asks to be let in.
pub(crate) struct Ask {
    pub(crate) kind: JobKind,
    /// SHA-256 of its key, in hex.
    pub(crate) key_digest: String,
    /// What it will give.
    pub(crate) source: Source,
    pub(crate) answer: oneshot::Sender<Result<Terms, Refusal>>,
}

/// On what terms a publisher is let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// What browsers cannot show is made into what they can.
    pub(crate) transcodes: bool,
}

/// Why a publisher is not let in; each is shown to whoever runs the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No component has it.
    #[error("This stream key is not known; ask for a new one.")]
    UnknownKey,
    /// Somebody else publishes with it.
    #[error("Another encoder publishes with this stream key already.")]
    InUse,
    /// The store cannot be asked.
    #[error("The cluster cannot be asked now; try again in a moment.")]
    Away,
    /// It is going down.
    #[error("This gateway takes no more publishers; try again in a moment.")]
    Busy,
    /// It carries as much as its operator allows.
    #[error("This gateway is full; try again in a moment, or at another one.")]
    Full,
}

impl Refusal {
    /// Stable, for machines.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown_key",
            Self::InUse => "in_use",
            Self::Away => "away",
            Self::Busy => "busy",
            Self::Full => "full",
        }
    }
}

/// The name of a key in records, which does not tell the key.
pub(crate) fn key_digest(key: &str) -> String {
    digest(&SHA256, key.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The way to the driver.
#[derive(Clone)]
pub(crate) struct Door {
    asks: mpsc::Sender<Ask>,
    inside: TaskTracker,
}

/// A publisher that was let in.
pub(crate) struct Admission {
    /// Where its media goes.
    pub(crate) outlet: Outlet,
    /// How its end is told.
    pub(crate) ending: oneshot::Sender<End>,
    /// On what terms.
    pub(crate) terms: Terms,
    /// It counts as being inside until this is dropped.
    pub(crate) inside: TaskTrackerToken,
}

impl Door {
    /// Publishers are asked for at `asks`.
    pub(crate) fn new(asks: mpsc::Sender<Ask>) -> Self {
        Self { asks, inside: TaskTracker::new() }
    }

    /// Nobody who was let in is there any more. Not to be waited for before nobody is let in.
    pub(crate) async fn is_empty(&self) {
        self.inside.close();
        self.inside.wait().await;
    }

    /// Asks for a publisher.
    pub(crate) async fn ask(&self, kind: JobKind, key: &str) -> Result<Admission, Refusal> {
        let (outlet, ending, source) = Source::pair();
        let (answer, answered) = oneshot::channel();
        let ask = Ask { kind, key_digest: key_digest(key), source, answer };
        self.asks.send(ask).await.map_err(|_| Refusal::Busy)?;
        let terms = answered.await.map_err(|_| Refusal::Busy)??;
        Ok(Admission { outlet, ending, terms, inside: self.inside.token() })
    }
}

/// Learns from what a publisher sends what there will be, since nothing says so beforehand.
pub(crate) struct Introduction {
    outlet: Outlet,
    known: Published,
    described: bool,
    began: Option<tokio::time::Instant>,
    held: Vec<Frame>,
}

impl Introduction {
    pub(crate) fn new(outlet: Outlet) -> Self {
        let known = Published { video: None, sub: false, audio: false };
        Self { outlet, known, described: false, began: None, held: Vec::new() }
    }

    /// There are pictures.
    pub(crate) async fn has_video(&mut self, codec: VideoCodec) -> Result<(), End> {
        let news = self.known.video.replace(codec) != Some(codec);
        if news && self.described { self.outlet.describe(self.known).await } else { Ok(()) }
    }

    /// There is sound. What comes late changes the description.
    pub(crate) async fn has_audio(&mut self) -> Result<(), End> {
        let news = !std::mem::replace(&mut self.known.audio, true);
        if news && self.described { self.outlet.describe(self.known).await } else { Ok(()) }
    }

    pub(crate) async fn give(&mut self, frame: Frame) -> Result<(), End> {
        if self.described {
            return self.outlet.give(frame).await;
        }
        self.began.get_or_insert_with(tokio::time::Instant::now);
        self.held.push(frame);
        let complete = self.known.video.is_some() && self.known.audio;
        if complete || self.held.len() >= HELD_MAX { self.describe().await } else { Ok(()) }
    }

    /// A part of a picture was lost. Borrows nothing, like what it passes on to.
    pub(crate) fn picture_lost(&self) -> impl Future<Output = Result<(), End>> + use<> {
        // What is held has just begun, and its loss would have no place among it.
        let told = self.described.then(|| self.outlet.tell(Event::PictureLost));
        async move {
            match told {
                Some(told) => told.await,
                None => Ok(()),
            }
        }
    }

    /// When the description has to do with what is known.
    pub(crate) fn due(&self) -> Option<tokio::time::Instant> {
        self.began.filter(|_| !self.described).map(|began| began + DESCRIBE_PATIENCE)
    }

    /// So many packets of it did not come.
    pub(crate) fn lost(&self, packets: u64) -> impl Future<Output = Result<(), End>> + use<> {
        self.outlet.tell(Event::Lost(packets))
    }

    /// There is something that no room can take.
    pub(crate) fn unsupported(&self, what: String) -> impl Future<Output = Result<(), End>> + use<> {
        self.outlet.tell(Event::Unsupported(what))
    }

    pub(crate) async fn describe(&mut self) -> Result<(), End> {
        self.described = true;
        self.outlet.describe(self.known).await?;
        for frame in std::mem::take(&mut self.held) {
            self.outlet.give(frame).await?;
        }
        Ok(())
    }

    /// The ingest wants no more of it.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + use<> {
        self.outlet.closed()
    }
}
