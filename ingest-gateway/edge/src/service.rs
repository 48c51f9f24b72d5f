//! From a request to its answer.

use std::sync::Arc;
use std::time::SystemTime;

use hyper::{Method, Request, Response};
use tokio::sync::Semaphore;

use crate::body::Outgoing;
use crate::cache::{Cache, Found};
use crate::fetch::Fetcher;
use crate::held::Held;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::pace::{Asking, Delivery, Pace};
use crate::pass::{NoPass, PASS, Passes};
use crate::reason::Reason;
use crate::response::Terms;
use crate::wish::{Door, Wish};

/// What all connections share.
pub(crate) struct House {
    pub(crate) cache: Cache,
    pub(crate) fetcher: Fetcher,
    pub(crate) waiting: Semaphore,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) passes: Option<Arc<Passes>>,
}

/// One connection.
pub(crate) struct Guest {
    house: Arc<House>,
    waiting: Semaphore,
    pub(crate) pace: Arc<Pace>,
    /// Whether it may ask as viewers do.
    is_viewer: bool,
}

impl Guest {
    pub(crate) fn new(house: &Arc<House>, is_viewer: bool) -> Self {
        Self {
            house: Arc::clone(house),
            waiting: Semaphore::new(house.limits.waiting_per_connection),
            pace: Pace::new(house.metrics.bytes.clone()),
            is_viewer,
        }
    }

    /// Answers a request. Its body is nobody's interest.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<Outgoing> {
        let asking = Asking::begin(&self.pace);
        let (head, _) = request.into_parts();
        let terms = Terms { method: &head.method, headers: &head.headers };
        let wish = Wish::parse(head.uri.path(), head.uri.query(), self.house.passes.is_some());
        let answer = match (&head.method, &wish) {
            (&Method::OPTIONS, _) => terms.preflight(),
            (&Method::GET | &Method::HEAD, Ok(wish)) => match self.find(wish, terms).await {
                Ok(held) => terms.answer(&held),
                Err(reason) => terms.refuse(reason),
            },
            (&Method::GET | &Method::HEAD, Err(reason)) => terms.refuse(*reason),
            _ => terms.refuse(Reason::MethodNotAllowed),
        };
        self.house.metrics.answered(wish.as_ref().ok(), answer.status().as_u16());
        let delivery = Delivery::begin(&self.pace);
        drop(asking);
        answer.map(|body| body.watched(delivery))
    }

    async fn find(&self, wish: &Wish<'_>, terms: Terms<'_>) -> Result<Arc<Held>, Reason> {
        self.let_in(wish, terms)?;
        let House { cache, fetcher, metrics, waiting, .. } = &*self.house;
        // Else edges that have heard different things of a stream would ask each other.
        if wish.door == Door::Edges && !fetcher.is_here(wish.room) {
            return Err(Reason::NotHere);
        }
        if let Some(held) = cache.held(wish).await {
            metrics.found(Found::Held);
            return Ok(held);
        }
        if fetcher.is_replaced(wish.room) {
            cache.forget(wish.room);
        }
        let turned_away = |_| {
            metrics.turned_away.inc();
            Reason::Busy
        };
        let _place = waiting.try_acquire().map_err(turned_away)?;
        let _own_place = match wish.door {
            Door::Viewers => Some(self.waiting.try_acquire().map_err(turned_away)?),
            Door::Edges => None,
        };
        let _counted = Counted::up(&metrics.waiting);
        let (held, found) = cache.held_or(wish, fetcher.fetch(wish)).await;
        metrics.found(found);
        Ok(held)
    }

    fn let_in(&self, wish: &Wish<'_>, terms: Terms<'_>) -> Result<(), Reason> {
        if wish.door == Door::Viewers && !self.is_viewer {
            return Err(Reason::TlsRequired);
        }
        let Some(passes) = &self.house.passes else { return Ok(()) };
        let now = SystemTime::now();
        let checked = match wish.door {
            Door::Viewers => passes.check(wish.room, wish.pass.unwrap_or_default(), now),
            Door::Edges => passes.check_of_edge(terms.text(PASS).unwrap_or_default(), now),
        };
        checked.map_err(|NoPass| Reason::PassRefused)
    }
}

/// Counts as long as it lives.
pub(crate) struct Counted<'a>(&'a prometheus::IntGauge);

impl<'a> Counted<'a> {
    pub(crate) fn up(gauge: &'a prometheus::IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
