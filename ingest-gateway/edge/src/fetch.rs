//! Getting an object from wherever the stream is packaged at that moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use velella_hls::Directives;
use velella_model::RoomId;

use crate::directory::{Directory, Origin};
use crate::held::Held;
use crate::metrics::Metrics;
use crate::object::{Content, Object};
use crate::question::Question;
use crate::reason::Reason;
use crate::remote::{Remote, RemoteError};
use crate::wish::{Door, Wish};

/// How long anybody waits for an object: a packager refuses after three times the longest target duration, 60 s.
const FETCH_PATIENCE: Duration = Duration::from_secs(190);

/// How often it is looked whether a stream that somebody waits for has moved.
const LOOK: Duration = Duration::from_millis(250);

/// How often one fetch follows a stream that moves. Then its viewers come back by themselves.
const MOVES_MAX: usize = 4;

/// How long a playlist is held that nothing was demanded of and that was made in this process. It costs next to nothing
/// to make and everybody's start depends on how new it is, so it is only held to survive a crowd.
const NEAR_PLAYLIST_LIFETIME: Duration = Duration::from_millis(200);

/// What others may remember of a room that has no stream. We forget at once: the directory is near.
const NOWHERE_MAX_AGE: Duration = Duration::from_secs(1);

/// Gets objects.
pub(crate) struct Fetcher {
    directory: Arc<dyn Directory>,
    remote: Remote,
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
    #[error("the stream moved {MOVES_MAX} times")]
    Restless,
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

impl Fetcher {
    pub(crate) fn new(directory: Arc<dyn Directory>, metrics: Arc<Metrics>) -> Self {
        Self { directory, remote: Remote::new(), metrics }
    }

    /// Whether the room's stream is packaged here.
    pub(crate) fn is_here(&self, room: &str) -> bool {
        RoomId::parse(room).is_ok_and(|room| matches!(self.directory.origin_of(&room), Origin::Here(_)))
    }

    /// Gets an object; a refusal when it cannot be had.
    pub(crate) async fn fetch(&self, wish: &Wish<'_>) -> Held {
        let Ok(room) = RoomId::parse(wish.room) else { return Held::refused(Reason::NotFound, NOWHERE_MAX_AGE) };
        let fetched = tokio::time::timeout(FETCH_PATIENCE, self.follow(&room, wish)).await;
        fetched.unwrap_or(Err(FetchError::TooSlow)).unwrap_or_else(|error| {
            tracing::debug!(%room, path = wish.path, %error, "an object cannot be fetched");
            let reason = error.reason();
            self.metrics.fetch_failed(reason);
            Held::refused(reason, Duration::ZERO)
        })
    }

    /// Asks the origin, and the next one when the stream moves meanwhile: whoever has it now may have died without a
    /// word.
    async fn follow(&self, room: &RoomId, wish: &Wish<'_>) -> Result<Held, FetchError> {
        let asked_at = Instant::now();
        for _ in 0..MOVES_MAX {
            let origin = self.directory.origin_of(room);
            let fetched = tokio::select! {
                fetched = self.ask(&origin, wish, asked_at) => fetched,
                () = self.moves_from(room, &origin) => continue,
            };
            if fetched.is_ok() || origin.is_same(&self.directory.origin_of(room)) {
                return fetched;
            }
        }
        Err(FetchError::Restless)
    }

    async fn ask(&self, origin: &Origin, wish: &Wish<'_>, asked_at: Instant) -> Result<Held, FetchError> {
        match origin {
            Origin::Here(questions) => {
                let object = ask_job(questions, wish, asked_at).await?;
                let lifetime = near_lifetime(&object, wish.directives);
                Ok(Held::new(object, Duration::ZERO, lifetime))
            }
            Origin::There(inner) if wish.door == Door::Viewers => {
                let (object, age) = self.remote.fetch(inner, wish).await?;
                let lifetime = object.max_age.saturating_sub(age);
                Ok(Held::new(object, age, lifetime))
            }
            Origin::There(_) | Origin::Nowhere => Ok(Held::refused(Reason::NotFound, NOWHERE_MAX_AGE)),
        }
    }

    async fn moves_from(&self, room: &RoomId, origin: &Origin) {
        while origin.is_same(&self.directory.origin_of(room)) {
            tokio::time::sleep(LOOK).await;
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

fn near_lifetime(object: &Object, directives: Directives) -> Duration {
    match object.content {
        Content::Playlist(_) if directives.msn.is_none() => object.max_age.min(NEAR_PLAYLIST_LIFETIME),
        Content::Playlist(_) | Content::Media(_) | Content::Refused(_) => object.max_age,
    }
}

impl Origin {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Here(one), Self::Here(other)) => one.same_channel(other),
            (Self::There(one), Self::There(other)) => one == other,
            (Self::Nowhere, Self::Nowhere) => true,
            (Self::Here(_) | Self::There(_) | Self::Nowhere, _) => false,
        }
    }
}

impl FetchError {
    fn reason(&self) -> Reason {
        match self {
            Self::Full => Reason::Busy,
            Self::Over | Self::TooSlow | Self::Restless | Self::Remote(_) => Reason::OriginUnreachable,
        }
    }
}
