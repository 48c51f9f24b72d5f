//! Where media comes from. Each kind runs as a task of its own and tells events; a panic in it ends that
//! source alone.

mod camera;
mod file;
mod outlet;
mod sub_stream;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use velella_gateway_core::{Encoding, Input, Published, Transcoding};
use velella_guard::Guard;
use velella_media::{Picture, Sound};
use velella_model::component::{ComponentSpec, Trouble};
use velella_ops::Seal;

use crate::transcoder::{Engine, Transcoder, Workload};

pub(crate) use outlet::Outlet;

/// Frames between a source and its ingest; when it is full the source waits, and the camera's own buffers fill.
const EVENTS_MAX: usize = 256;

/// What all sources share.
#[derive(Clone, Default)]
pub(crate) struct Means {
    /// Below it lie the files that can be played.
    pub(crate) files: Option<Arc<PathBuf>>,
    /// Which addresses may be reached.
    pub(crate) guard: Guard,
    /// Opens what coordinators sealed.
    pub(crate) seal: Option<Arc<Seal>>,
    /// Whom to trust at encrypted sources.
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    /// What transcodes, if something can.
    pub(crate) engine: Option<Engine>,
    /// What that costs.
    pub(crate) workload: Arc<Workload>,
}

impl Means {
    /// Starts a transcoder, if there can be one.
    pub(crate) fn transcoder(&self, encoding: Encoding) -> Option<Transcoder> {
        self.engine.as_ref().map(|engine| Transcoder::start(engine, encoding, &self.workload))
    }

    /// Whether pictures may be transcoded where that was `asked` for.
    pub(crate) fn transcoding(&self, asked: bool) -> Transcoding {
        match (asked, &self.engine) {
            (false, _) => Transcoding::Unwanted,
            (true, None) => Transcoding::Missing,
            (true, Some(_)) => Transcoding::Able,
        }
    }
}

/// What a source tells.
#[derive(Debug)]
pub(crate) enum Event {
    /// It is open.
    Described(Published),
    /// It gave a picture.
    Picture(Picture),
    /// It gave a packet of Opus.
    Sound {
        sound: Sound,
        /// How loud, where it was decoded on the way.
        level_dbov: Option<i8>,
    },
    /// So many packets did not come.
    Lost(u64),
    /// It gives something that no room can take.
    Unsupported(String),
    /// A part of a picture was lost.
    PictureLost,
    /// Pictures come that nobody can decode, and are left out.
    Undecodable,
    /// Its second stream is open.
    SubOpened,
    /// That gave a picture.
    SubPicture(Picture),
    /// A part of one was lost.
    SubPictureLost,
    /// It is away, for a while or for good.
    SubEnded(Trouble),
}

impl From<Event> for Input<'_> {
    fn from(event: Event) -> Self {
        match event {
            Event::Described(published) => Self::Described(published),
            Event::Picture(picture) => Self::Picture(picture),
            Event::Sound { sound, level_dbov } => Self::Sound { sound, level_dbov },
            Event::Lost(packets) => Self::Lost(packets),
            Event::Unsupported(what) => Self::Unsupported(what),
            Event::PictureLost => Self::PictureLost,
            Event::Undecodable => Self::Undecodable,
            Event::SubOpened => Self::SubOpened,
            Event::SubPicture(picture) => Self::SubPicture(picture),
            Event::SubPictureLost => Self::SubPictureLost,
            Event::SubEnded(trouble) => Self::SubEnded(trouble),
        }
    }
}

/// Why a source ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) trouble: Trouble,
    pub(crate) retry: bool,
}

impl End {
    /// Another attempt may go better.
    pub(crate) fn for_now(code: &str, sentence: impl Into<String>) -> Self {
        Self { trouble: Trouble { code: code.into(), sentence: sentence.into() }, retry: true }
    }

    /// Somebody has to change something first.
    pub(crate) fn for_good(code: &str, sentence: impl Into<String>) -> Self {
        Self { retry: false, ..Self::for_now(code, sentence) }
    }

    /// The ingest wants no more of it.
    pub(crate) fn closed() -> Self {
        Self::for_now("closed", "The source was closed.")
    }
}

/// An open source, or one that is being opened. Dropping it closes it: its outlet says so.
pub(crate) struct Source {
    events: mpsc::Receiver<Event>,
    end: oneshot::Receiver<End>,
}

impl Source {
    /// Opens what a component asks for; `key` is where its record stands.
    pub(crate) fn open(spec: &ComponentSpec, key: &str, means: &Means) -> Self {
        let (outlet, ending, source) = Self::pair();
        let (spec, key, means) = (spec.clone(), key.to_owned(), means.clone());
        tokio::spawn(async move {
            let end = match spec {
                ComponentSpec::File(spec) => file::play(spec, means, outlet).await,
                ComponentSpec::Rtsp(spec) => camera::watch(spec, &key, means, outlet).await,
                // These come to us, or go out.
                ComponentSpec::Rtmp(_) | ComponentSpec::Srt(_) | ComponentSpec::Hls(_) => {
                    End::for_good("no_publisher", "Nobody publishes it.")
                }
            };
            // Nobody waits for the end of what was closed.
            let _ = ending.send(end);
        });
        source
    }

    /// One that somebody else feeds.
    pub(crate) fn pair() -> (Outlet, oneshot::Sender<End>, Self) {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let (ending, end) = oneshot::channel();
        (Outlet::new(sender), ending, Self { events, end })
    }

    /// The next event, or the end; nothing follows that.
    pub(crate) async fn next(&mut self) -> Result<Event, End> {
        if let Some(event) = self.events.recv().await {
            return Ok(event);
        }
        let end = (&mut self.end).await;
        Err(end.unwrap_or_else(|_| End::for_now("crashed", "The source ended in a bug of the gateway.")))
    }
}
