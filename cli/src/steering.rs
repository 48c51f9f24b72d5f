//! `velella cordon`, `uncordon`, `drain` and `move`.

use std::io;
use std::time::{Duration, Instant};

use crate::answer::{Placement, Worker};
use crate::command::Rooms;
use crate::coordinator::Coordinator;
use crate::failure::Failure;
use crate::output::Output;
use crate::workers;

/// How often a drain is looked after: as often as workers announce themselves.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(crate) fn cordon(coordinator: &Coordinator, output: Output, worker: &str) -> Result<(), Failure> {
    let answer = coordinator.steer(worker, "cordon")?;
    output.show(&answer, || {
        let rooms = rooms(coordinator.read::<Worker>(&answer)?.rooms_placed);
        Ok(format!("{worker} takes no new rooms and keeps its {rooms}.\n"))
    })
}

pub(crate) fn uncordon(coordinator: &Coordinator, output: Output, worker: &str) -> Result<(), Failure> {
    let answer = coordinator.steer(worker, "uncordon")?;
    output.show(&answer, || Ok(format!("{worker} takes rooms again.\n")))
}

/// Drains, and waits for its end at most so long, if at all.
pub(crate) fn drain(
    coordinator: &Coordinator,
    output: Output,
    worker: &str,
    wait: Option<Duration>,
) -> Result<(), Failure> {
    let answer = coordinator.steer(worker, "drain")?;
    let Some(timeout) = wait else {
        return output.show(&answer, || {
            let left = rooms(coordinator.read::<Worker>(&answer)?.rooms_placed);
            Ok(format!("{worker} is draining: {left} left.\n"))
        });
    };
    let answer = drained(coordinator, output, worker, timeout)?.unwrap_or(answer);
    output.show(&answer, || Ok(format!("{worker} is drained: no room is left on it.\n")))
}

/// Waits until no room is left; returns the worker as it was then, if it was there.
fn drained(
    coordinator: &Coordinator,
    output: Output,
    worker: &str,
    timeout: Duration,
) -> Result<Option<String>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let deadline = Instant::now() + timeout;
    let mut told = None;
    loop {
        let (answer, left) = left(coordinator, worker)?;
        if left == 0 {
            return Ok(answer);
        }
        if told.replace(left) != Some(left) {
            output.progress(&format!("{worker} is draining: {} left", rooms(left)));
        }
        if Instant::now() >= deadline {
            let after = timeout.as_secs();
            let sentence = format!("{worker} is not drained after {after} s: {} left; it drains on", rooms(left));
            return Err(Failure::Denied(sentence));
        }
        let pause = LOOK_EVERY.min(deadline.saturating_duration_since(Instant::now()));
        runtime.block_on(async { tokio::time::sleep(pause).await });
    }
}

/// The worker as it is, and the rooms on it. One that has gone is not listed, but may be where
/// rooms still belong.
fn left(coordinator: &Coordinator, worker: &str) -> Result<(Option<String>, u64), Failure> {
    if let Some((raw, found)) = workers::find(coordinator, worker)? {
        return Ok((Some(raw.get().to_owned()), found.rooms_placed));
    }
    let rooms = coordinator.rooms(&Rooms { worker: Some(worker.to_owned()), in_use: false, prefix: None })?;
    Ok((None, u64::try_from(rooms.len()).map_err(io::Error::other)?))
}

/// Moves a room, to the best other worker unless one is named.
pub(crate) fn move_room(
    coordinator: &Coordinator,
    output: Output,
    room: &str,
    to: Option<&str>,
) -> Result<(), Failure> {
    let answer = coordinator.move_room(room, to)?;
    output.show(&answer, || {
        let Placement { room, worker, generation, .. } = coordinator.read(&answer)?;
        Ok(format!("Room {room} lives on {worker}, generation {generation}.\n"))
    })
}

fn rooms(count: u64) -> String {
    if count == 1 { "1 room".to_owned() } else { format!("{count} rooms") }
}
