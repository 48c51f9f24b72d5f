//! `velella placement`: where a room lives, and what spoke for and against each worker.

use crate::answer::{Candidate, Placement, Verdict};
use crate::coordinator::Coordinator;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::{self, Column, tenths};

const COLUMNS: [Column; 4] =
    [Column::Text("CANDIDATE"), Column::Text("VERDICT"), Column::Number("LOAD %"), Column::Number("ROOMS")];

/// Shows it.
pub(crate) fn show(coordinator: &Coordinator, output: Output, room: &str) -> Result<(), Failure> {
    let answer = coordinator.placement(room)?;
    output.show(&answer, || Ok(text(coordinator.read(&answer)?)))
}

fn text(placement: Placement) -> String {
    let Placement { room, worker, generation, endpoints, mut candidates } = placement;
    candidates.sort_by(|a, b| rank(a, &worker).cmp(&rank(b, &worker)));
    let rows: Vec<_> = candidates.iter().map(|candidate| row(candidate, &worker)).collect();
    let endpoints = endpoints.join(", ");
    let table = table::render(COLUMNS, &rows);
    format!("Room {room} lives on {worker} ({endpoints}), generation {generation}.\n\n{table}")
}

/// Lower is better, as the coordinator compares; whom it chose comes first, since it takes loads
/// that hardly differ for equal.
fn rank<'a>(candidate: &'a Candidate, chosen: &str) -> (bool, bool, bool, u64, u64, &'a str) {
    let is_other = candidate.worker != chosen;
    match candidate.verdict {
        Verdict::Scored { region_miss, load_permille, rooms } => {
            (is_other, false, region_miss, load_permille, rooms, &candidate.worker)
        }
        Verdict::Excluded { .. } => (is_other, true, false, 0, 0, &candidate.worker),
    }
}

fn row(candidate: &Candidate, chosen: &str) -> [String; 4] {
    let worker = candidate.worker.clone();
    match &candidate.verdict {
        Verdict::Scored { region_miss, load_permille, rooms } => {
            let verdict = if worker == chosen { "chosen" } else { "possible" };
            let verdict = if *region_miss { format!("{verdict}, other region") } else { verdict.to_owned() };
            [worker, verdict, tenths(*load_permille), rooms.to_string()]
        }
        Verdict::Excluded { reason } => [worker, format!("out: {reason}"), String::new(), String::new()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_comes_first_and_who_was_left_out_last() {
        let scored = |region_miss, load_permille, rooms| Verdict::Scored { region_miss, load_permille, rooms };
        let excluded = Verdict::Excluded { reason: "draining".into() };
        let verdicts =
            [("a", excluded), ("b", scored(true, 0, 0)), ("c", scored(false, 9, 3)), ("d", scored(false, 20, 0))];
        let candidates = verdicts.map(|(worker, verdict)| Candidate { worker: worker.into(), verdict }).into();
        let endpoints = vec!["192.0.2.1:10000".to_owned()];
        let shown = text(Placement { room: "r".into(), worker: "d".into(), generation: 2, endpoints, candidates });
        let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(shown.lines().next(), Some("Room r lives on d (192.0.2.1:10000), generation 2."));
        assert_eq!(lines[3], ["d", "chosen", "2.0", "0"]);
        assert_eq!(lines[4], ["c", "possible", "0.9", "3"]);
        assert_eq!(lines[5], ["b", "possible,", "other", "region", "0.0", "0"]);
        assert_eq!(lines[6], ["a", "out:", "draining", "-", "-"]);
    }
}
