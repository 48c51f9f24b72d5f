//! `GET /cluster/history`: the last quarter of an hour, in columns, oldest first.
//!
//! `?worker=` is of one worker, `?after=` and `?limit=` page through all. The answer:
//! `{"interval_ms","at_ms":[…],"totals":{"rooms":[…],…},"workers":[{"worker","cpu_permille":[…],…}],
//! "more"}`; a worker's column has a null where it was not heard.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::{Query as Pairs, State};
use serde_json::{Value, json};
use velella_coordinator_core::{HistoryQuery, HistoryView, Reply, Request, SAMPLE_EVERY, Tick, Totals, WorkerHistory};
use velella_model::wire::announce::Load;

use crate::http::Api;
use crate::http::cluster::query::Query;
use crate::http::failure::{Failure, Failures};

/// Show the last 15 minutes
#[utoipa::path(get, path = "/history", tag = "cluster", operation_id = "show_history",
    params(("worker" = Option<String>, Query, description = "Only this worker"),
        ("after" = Option<String>, Query, description = "Workers after this one, in the order of their names"),
        ("limit" = Option<usize>, Query, description = "At most this many workers")),
    responses((status = 200, body = Object), Failures))]
pub(crate) async fn show(
    State(api): State<Api>,
    Pairs(pairs): Pairs<Vec<(String, String)>>,
) -> Result<Json<Value>, Failure> {
    let mut query = Query::new(pairs);
    let asked = HistoryQuery { worker: query.take("worker")?, after: query.take("after")?, limit: query.limit()? };
    query.finish()?;
    let Reply::History(view) = api.ask(Request::ShowHistory { query: asked }).await? else {
        return Err(Failure::INTERNAL);
    };
    Ok(Json(history(&view, SystemTime::now())))
}

fn history(view: &HistoryView, now: SystemTime) -> Value {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "interval_ms": millis(SAMPLE_EVERY),
        "at_ms": view.ticks.iter().map(|tick| millis(now.saturating_sub(tick.age))).collect::<Vec<u64>>(),
        "totals": totals(&view.ticks),
        "workers": view.workers.iter().map(worker).collect::<Vec<Value>>(),
        "more": view.more,
    })
}

fn totals(ticks: &[Tick]) -> Value {
    let column = |of: fn(&Totals) -> u64| ticks.iter().map(|tick| of(&tick.totals)).collect::<Vec<u64>>();
    json!({
        "rooms": column(|totals| totals.rooms),
        "peers": column(|totals| totals.peers),
        "peers_connected": column(|totals| totals.peers_connected),
        "workers": column(|totals| totals.workers),
        "workers_ready": column(|totals| totals.workers_ready),
    })
}

fn worker(history: &WorkerHistory) -> Value {
    let column =
        |of: fn(&Load) -> u64| history.loads.iter().map(|load| load.as_ref().map(of)).collect::<Vec<Option<u64>>>();
    json!({
        "worker": history.worker,
        "cpu_permille": column(|load| load.cpu_permille.into()),
        "packets_in_per_s": column(|load| load.packets_in_per_s),
        "packets_out_per_s": column(|load| load.packets_out_per_s),
        "bits_in_per_s": column(|load| load.bits_in_per_s),
        "bits_out_per_s": column(|load| load.bits_out_per_s),
        "rooms": column(|load| load.rooms.into()),
        "sessions": column(|load| load.sessions.into()),
        "tracks": column(|load| load.tracks.into()),
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use velella_model::WorkerId;

    #[test]
    fn ages_become_times_and_silence_becomes_null() {
        let ticks = [7, 2].map(|age_s| Tick { age: Duration::from_secs(age_s), totals: Totals::default() });
        let loads = vec![None, Some(Load { cpu_permille: 3, ..Load::default() })];
        let workers = vec![WorkerHistory { worker: WorkerId::parse("w1").unwrap(), loads }];
        let view = HistoryView { ticks: ticks.to_vec(), workers, more: false };
        let shown = history(&view, UNIX_EPOCH + Duration::from_secs(100));
        assert_eq!(shown["at_ms"], json!([93_000, 98_000]));
        assert_eq!(shown["totals"]["rooms"], json!([0, 0]));
        assert_eq!(shown["workers"][0]["cpu_permille"], json!([null, 3]));
    }
}
