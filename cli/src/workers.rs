//! `velella workers`.

use serde_json::value::RawValue;

use crate::answer::Worker;
use crate::coordinator::Coordinator;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::{self, Column, tenths};

const COLUMNS: [Column; 9] = [
    Column::Text("WORKER"),
    Column::Text("STATE"),
    Column::Text("REGION"),
    Column::Number("LOAD %"),
    Column::Number("ROOMS"),
    Column::Number("SESSIONS"),
    Column::Number("IN MBIT/S"),
    Column::Number("OUT MBIT/S"),
    Column::Text("VERSION"),
];

/// Bits in a tenth of a megabit.
const TENTH_OF_MEGABIT: u64 = 100_000;

/// Lists all, or the one that is named.
pub(crate) fn show(coordinator: &Coordinator, output: Output, only: Option<&str>) -> Result<(), Failure> {
    let Some(id) = only else {
        let workers = coordinator.workers()?;
        return output.show_all(&workers, || Ok(table(&read(coordinator, &workers)?)));
    };
    let (raw, worker) = find(coordinator, id)?.ok_or_else(|| unknown(id))?;
    output.show(raw.get(), || Ok(table(&[worker])))
}

/// The worker with this id, as it came and as it is read.
pub(crate) fn find(coordinator: &Coordinator, id: &str) -> Result<Option<(Box<RawValue>, Worker)>, Failure> {
    for raw in coordinator.workers()? {
        let worker: Worker = coordinator.read(raw.get())?;
        if worker.worker == id {
            return Ok(Some((raw, worker)));
        }
    }
    Ok(None)
}

pub(crate) fn read(coordinator: &Coordinator, workers: &[Box<RawValue>]) -> Result<Vec<Worker>, Failure> {
    workers.iter().map(|raw| coordinator.read(raw.get())).collect()
}

pub(crate) fn table(workers: &[Worker]) -> String {
    table::render(COLUMNS, &workers.iter().map(row).collect::<Vec<_>>())
}

fn unknown(id: &str) -> Failure {
    Failure::Denied(format!("Worker {id} does not exist"))
}

fn row(worker: &Worker) -> [String; 9] {
    [
        worker.worker.clone(),
        state(worker),
        worker.region.clone(),
        tenths(worker.effective_load_permille),
        worker.rooms_placed.to_string(),
        worker.load.sessions.to_string(),
        tenths(worker.load.bits_in_per_s / TENTH_OF_MEGABIT),
        tenths(worker.load.bits_out_per_s / TENTH_OF_MEGABIT),
        worker.version.clone(),
    ]
}

/// What keeps it from work, the worst first; else what it says of itself.
fn state(worker: &Worker) -> String {
    let life = if !worker.alive {
        Some("dead")
    } else if worker.suspect {
        Some("suspect")
    } else {
        None
    };
    let wish = match worker.cordon.as_deref() {
        Some("drain") => Some("draining"),
        Some(_) => Some("cordoned"),
        None => None,
    };
    let words: Vec<&str> = life.into_iter().chain(wish).collect();
    if words.is_empty() { worker.state.clone() } else { words.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_tells_what_keeps_a_worker_from_work() {
        let ready = || Worker { alive: true, state: "ready".into(), ..Worker::default() };
        let table = [
            (ready(), "ready"),
            (Worker { cordon: Some("cordon".into()), ..ready() }, "cordoned"),
            (Worker { cordon: Some("drain".into()), ..ready() }, "draining"),
            (Worker { suspect: true, ..ready() }, "suspect"),
            (Worker { alive: false, suspect: true, cordon: Some("drain".into()), ..ready() }, "dead,draining"),
            (Worker { state: "fenced".into(), ..ready() }, "fenced"),
        ];
        for (worker, word) in table {
            assert_eq!(state(&worker), word);
        }
    }

    #[test]
    fn numbers_are_in_the_units_of_their_columns() {
        let text = r#"{"worker":"w","state":"ready","alive":true,"effective_load_permille":123,"rooms_placed":4,
            "load":{"sessions":5,"bits_in_per_s":1250000,"bits_out_per_s":98765432},"of_tomorrow":[]}"#;
        let cells = row(&serde_json::from_str(text).unwrap());
        assert_eq!(cells, ["w", "ready", "", "12.3", "4", "5", "1.2", "98.7", ""]);
    }
}
