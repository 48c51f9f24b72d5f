//! Where media comes from. Each kind runs as a task of its own and tells events; a panic in it ends that
//! source alone.

mod file;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use velella_gateway_core::Published;
use velella_media::Frame;
use velella_model::component::{ComponentSpec, Trouble};

/// Frames between a source and its ingest; when it is full the source waits, and the camera's own buffers fill.
const EVENTS_MAX: usize = 256;

/// What all sources share.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    /// Below it lie the files that can be played.
    pub(crate) files: Option<Arc<PathBuf>>,
}

/// What a source tells.
#[derive(Debug)]
pub(crate) enum Event {
    /// It is open.
    Described(Published),
    /// It gave something.
    Frame(Frame),
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
}

/// Where a source puts its events.
pub(crate) type Outlet = mpsc::Sender<Event>;

/// An open source, or one that is being opened; dropping it closes it.
pub(crate) struct Source {
    events: mpsc::Receiver<Event>,
    task: JoinHandle<End>,
}

impl Source {
    /// Opens what a component asks for.
    pub(crate) fn open(spec: &ComponentSpec, means: &Means) -> Self {
        let (outlet, events) = mpsc::channel(EVENTS_MAX);
        let (spec, means) = (spec.clone(), means.clone());
        let task = tokio::spawn(async move {
            match spec {
                ComponentSpec::File(spec) => file::play(spec, means, outlet).await,
                ComponentSpec::Rtsp(_) | ComponentSpec::Rtmp(_) | ComponentSpec::Srt(_) => {
                    End::for_good("not_offered", "This gateway does not do jobs of this kind.")
                }
            }
        });
        Self { events, task }
    }

    /// The next event, or the end; nothing follows that.
    pub(crate) async fn next(&mut self) -> Result<Event, End> {
        if let Some(event) = self.events.recv().await {
            return Ok(event);
        }
        Err((&mut self.task).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a source ended in a bug");
            End::for_now("crashed", "The source ended in a bug of the gateway; it is opened anew.")
        }))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}
