//! Getting an object from wherever the stream is packaged at that moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use velella_hls::Directives;
use velella_model::{ComponentId, RoomId};

use crate::directory::{Directory, Origin};
use crate::held::Held;
use crate::metrics::Metrics;
use crate::object::{Content, Object};
use crate::pass::Passes;
use crate::question::Question;
use crate::reason::Reason;
use crate::remote::{Remote, RemoteError};
use crate::wish::{Door, Wish};

/// How long anybody waits for an object: a packager refuses after three times the longest target duration, 60 s.
const FETCH_PATIENCE: Duration = Duration::from_secs(190);

/// How often it is looked whether a stream that somebody waits for has moved, and how long it takes to ask again after
/// nobody answered.
const LOOK: Duration = Duration::from_millis(250);

/// How long a playlist is held that nothing was demanded of. It costs next to nothing to make, its packager is at most
/// another gateway away, and everybody's start depends on how new it is: so it is only held to survive a crowd. Caches
/// before us are far, and hold it for the recommended time.
const PLAIN_PLAYLIST_LIFETIME: Duration = Duration::from_millis(200);

/// Rooms of which it is known which stream they had. Beyond it all are forgotten, and learnt again as they are asked for.
const STREAMS_MAX: usize = 10_000;

/// What others may remember of a room that has no stream. We forget at once: the directory is near.
const NOWHERE_MAX_AGE: Duration = Duration::from_secs(1);

/// Gets objects.
pub(crate) struct Fetcher {
    directory: Arc<dyn Directory>,
    remote: Remote,
    move_patience: Duration,
    /// Which stream a room had when something of it was fetched last.
    streams: Mutex<BTreeMap<RoomId, ComponentId>>,
    metrics: Arc<Metrics>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the job has more questions than it can take")]
    Full,
    #[error("the job is over")]
    Over,
    #[error("no answer within {FETCH_PATIENCE:?}")]
    TooSlow,
    #[error("nobody packages the stream at this moment")]
    Nobody,
    #[error("the gateway that should package the stream does not")]
    NotThere,
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

impl Fetcher {
    pub(crate) fn new(
        directory: Arc<dyn Directory>,
        passes: Option<Arc<Passes>>,
        move_patience: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { directory, remote: Remote::new(passes), move_patience, streams: Mutex::default(), metrics }
    }

    /// Whether the room's stream is packaged here.
    pub(crate) fn is_here(&self, room: &str) -> bool {
        RoomId::parse(room).is_ok_and(|room| matches!(self.directory.origin_of(&room), Origin::Here(_)))
    }

    /// Whether the room has another stream than when this was asked before.
    pub(crate) fn is_replaced(&self, room: &str) -> bool {
        let Ok(room) = RoomId::parse(room) else { return false };
        let Some(stream) = self.directory.stream_of(&room) else { return false };
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.len() >= STREAMS_MAX {
            streams.clear();
        }
        streams.insert(room, stream.clone()).is_some_and(|before| before != stream)
    }

    /// Gets an object; a refusal when it cannot be had.
    pub(crate) async fn fetch(&self, wish: &Wish<'_>) -> Held {
        let Ok(room) = RoomId::parse(wish.room) else { return Held::refused(Reason::NotFound, NOWHERE_MAX_AGE) };
        let fetched = tokio::time::timeout(FETCH_PATIENCE, self.follow(&room, wish)).await;
        fetched
            .unwrap_or_else(|_| Err(self.failed(&room, wish, FetchError::TooSlow)))
            .unwrap_or_else(|error| Held::refused(error.reason(), Duration::ZERO))
    }

    /// Asks the origin, and the next one when the stream moves meanwhile: whoever has it now may have died without a
    /// word. While nobody answers it is asked again, since players take a refusal for the end sooner than a gateway's
    /// jobs are given to another.
    async fn follow(&self, room: &RoomId, wish: &Wish<'_>) -> Result<Held, FetchError> {
        let asked_at = Instant::now();
        let mut troubled_at = None;
        loop {
            let origin = self.directory.origin_of(room);
            let fetched = tokio::select! {
                fetched = self.ask(&origin, wish, asked_at) => fetched,
                () = self.moves_from(room, &origin) => continue,
            };
            let Err(error) = fetched else { return fetched };
            let error = self.failed(room, wish, error);
            let since: &mut Instant = troubled_at.get_or_insert_with(Instant::now);
            if !error.may_pass() || since.elapsed() >= self.move_patience {
                return Err(error);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn failed(&self, room: &RoomId, wish: &Wish<'_>, error: FetchError) -> FetchError {
        tracing::debug!(%room, path = wish.path, %error, "an object cannot be fetched");
        self.metrics.fetch_failed(error.reason());
        error
    }

    async fn ask(&self, origin: &Origin, wish: &Wish<'_>, asked_at: Instant) -> Result<Held, FetchError> {
        match origin {
            Origin::Here(questions) => {
                let object = ask_job(questions, wish, asked_at).await?;
                Ok(held(object, Duration::ZERO, wish.directives))
            }
            // Whoever asks us asks again by itself.
            Origin::There(_) | Origin::Moving | Origin::Nowhere if wish.door == Door::Edges => {
                Ok(Held::refused(Reason::NotHere, Duration::ZERO))
            }
            Origin::There(inner) => match self.remote.fetch(inner, wish).await? {
                (Object { content: Content::Refused(Reason::NotHere), .. }, _) => Err(FetchError::NotThere),
                (object, age) => Ok(held(object, age, wish.directives)),
            },
            Origin::Moving => Err(FetchError::Nobody),
            Origin::Nowhere => Ok(Held::refused(Reason::NotFound, NOWHERE_MAX_AGE)),
        }
    }

    async fn moves_from(&self, room: &RoomId, origin: &Origin) {
        loop {
            tokio::time::sleep(LOOK).await;
            if !origin.is_same(&self.directory.origin_of(room)) {
                return;
            }
        }
    }
}

async fn ask_job(questions: &mpsc::Sender<Question>, wish: &Wish<'_>, asked_at: Instant) -> Result<Object, FetchError> {
    let (answer, answered) = oneshot::channel();
    let question = Question { path: wish.path.to_owned(), directives: wish.directives, asked_at, answer };
    questions.try_send(question).map_err(|error| match error {
        mpsc::error::TrySendError::Full(_) => FetchError::Full,
        mpsc::error::TrySendError::Closed(_) => FetchError::Over,
    })?;
    answered.await.map_err(|_| FetchError::Over)
}

fn held(object: Object, age: Duration, directives: Directives) -> Held {
    let rest = object.max_age.saturating_sub(age);
    let lifetime = match object.content {
        Content::Playlist(_) if directives.msn.is_none() => rest.min(PLAIN_PLAYLIST_LIFETIME),
        Content::Playlist(_) | Content::Media(_) | Content::Refused(_) => rest,
    };
    Held::new(object, age, lifetime)
}

impl Origin {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Here(one), Self::Here(other)) => one.same_channel(other),
            (Self::There(one), Self::There(other)) => one == other,
            (Self::Moving, Self::Moving) | (Self::Nowhere, Self::Nowhere) => true,
            (Self::Here(_) | Self::There(_) | Self::Moving | Self::Nowhere, _) => false,
        }
    }
}

impl FetchError {
    fn reason(&self) -> Reason {
        match self {
            Self::Full => Reason::Busy,
            Self::Over | Self::TooSlow | Self::Nobody | Self::NotThere | Self::Remote(_) => Reason::OriginUnreachable,
        }
    }

    /// Whether the same question may have an answer in a moment.
    fn may_pass(&self) -> bool {
        match self {
            Self::Over | Self::Nobody | Self::NotThere | Self::Remote(_) => true,
            Self::Full | Self::TooSlow => false,
        }
    }
}
