//! The shell: asks a real server what the itinerary wants, and feeds the checker with the answers.

use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use url::Url;

use crate::checker::Checker;
use crate::client::Client;
use crate::itinerary::Itinerary;
use crate::observation::{Observation, Request, Response};
use crate::report::Report;

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_millis(50);

/// What to watch, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A multivariant or a media playlist.
    pub url: Url,
    pub duration: Duration,
    /// What network and scheduling may add to any time.
    pub slack: Duration,
    /// HTTP/2 without TLS.
    pub http2_only: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub report: Report,
    /// Requests that had no answer, and the reason of the last.
    pub failed: u64,
    pub last_failure: Option<String>,
}

/// Watches until the time is over.
///
/// # Errors
/// When the client cannot be made. A server that cannot be reached is part of the outcome.
pub async fn watch(settings: &Settings) -> Result<Outcome> {
    let begun = Instant::now();
    let client = Client::new(settings.http2_only, begun)?;
    let mut checker = Checker::new(settings.slack);
    let mut itinerary = Itinerary::new(settings.url.clone(), settings.slack);
    let mut under_way: JoinSet<(Request, Result<Response>)> = JoinSet::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut failed, mut last_failure) = (0, None);
    while begun.elapsed() < settings.duration {
        for request in itinerary.next(&checker, begun.elapsed()) {
            let client = client.clone();
            under_way.spawn(async move {
                let answer = client.fetch(&request).await;
                (request, answer)
            });
        }
        let answered = tokio::select! {
            _ = tick.tick() => None,
            Some(answered) = under_way.join_next() => answered.ok(),
        };
        match answered {
            None => {}
            Some((request, Ok(response))) => {
                let observation = Observation { request, response };
                checker.observe(&observation);
                itinerary.answered(&observation);
            }
            Some((request, Err(error))) => {
                itinerary.over(&request);
                failed += 1;
                last_failure = Some(format!("{}: {error:#}", request.url));
            }
        }
    }
    Ok(Outcome { report: checker.report(), failed, last_failure })
}
