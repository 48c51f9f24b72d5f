//! `velella top`: totals and the most loaded workers, again and again.
//!
//! On a terminal it has a screen of its own; elsewhere each round is printed below the last.

use std::cmp::Reverse;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::answer::Totals;
use crate::coordinator::Coordinator;
use crate::failure::Failure;
use crate::output::{Output, array};
use crate::workers;

/// Workers announce themselves twice as often.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// Shows rounds until `count` is reached or somebody presses Ctrl-C.
pub(crate) fn run(coordinator: Coordinator, output: Output, rows: usize, count: Option<u64>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(rounds(coordinator, output, rows, count));
    // A question that nobody answers must not hold up the end.
    runtime.shutdown_background();
    ended
}

async fn rounds(coordinator: Coordinator, output: Output, rows: usize, count: Option<u64>) -> Result<(), Failure> {
    let mut interrupts = Interrupts::listen()?;
    let mut ticks = interval(REFRESH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut screen = None;
    let mut shown = 0;
    while count.is_none_or(|count| shown < count) {
        tokio::select! {
            _ = ticks.tick() => {}
            () = interrupts.next() => return Ok(()),
        }
        let asked = tokio::task::spawn_blocking({
            let coordinator = coordinator.clone();
            move || round(&coordinator, output, rows)
        });
        let text = tokio::select! {
            answered = asked => answered.map_err(io::Error::other)?,
            () = interrupts.next() => return Ok(()),
        };
        match (text, &screen) {
            // It may come back while somebody looks.
            (Err(Failure::Unreachable(sentence)), Some(_)) => output.text(&frame(&sentence))?,
            (text, _) if output.is_json() || !io::stdout().is_terminal() => output.text(&text?)?,
            (text, _) => {
                let text = text?;
                screen.get_or_insert_with(Screen::enter);
                output.text(&frame(&text))?;
            }
        }
        shown += 1;
    }
    Ok(())
}

fn round(coordinator: &Coordinator, output: Output, rows: usize) -> Result<String, Failure> {
    let totals = coordinator.totals()?;
    let workers = coordinator.workers()?;
    if output.is_json() {
        return Ok(format!("{{\"totals\":{},\"workers\":{}}}\n", totals.get(), array(&workers)));
    }
    table(coordinator, &totals, &workers, rows)
}

fn table(
    coordinator: &Coordinator,
    totals: &RawValue,
    workers: &[Box<RawValue>],
    rows: usize,
) -> Result<String, Failure> {
    let totals: Totals = coordinator.read(totals.get())?;
    let mut workers = workers::read(coordinator, workers)?;
    workers.sort_by_key(|worker| (Reverse(worker.effective_load_permille), worker.worker.clone()));
    let hidden = workers.len().saturating_sub(rows);
    workers.truncate(rows);
    let Totals { rooms, peers, peers_connected, workers: known, workers_ready } = totals;
    let head = format!("rooms {rooms}   peers {peers_connected} of {peers}   workers {workers_ready} of {known} ready");
    let more = if hidden > 0 { format!("and {hidden} less loaded\n") } else { String::new() };
    Ok(format!("{head}\n\n{}{more}\n", workers::table(&workers)))
}

/// What ends it in order.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The terminal's other screen, without a cursor and without wrapping; the first comes back in the end.
struct Screen;

impl Screen {
    fn enter() -> Self {
        Self::write("\x1b[?1049h\x1b[?25l\x1b[?7l");
        Self
    }

    fn write(sequence: &str) {
        // What cannot be written cannot be seen either.
        let _ = io::stdout().write_all(sequence.as_bytes()).and_then(|()| io::stdout().flush());
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        Self::write("\x1b[?7h\x1b[?25h\x1b[?1049l");
    }
}

/// The screen from its top: each line cleared to its end as it is drawn, so that nothing flickers.
fn frame(text: &str) -> String {
    let lines: String = text.trim_end().lines().map(|line| format!("{line}\x1b[K\n")).collect();
    format!("\x1b[H{lines}\x1b[J")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_leaves_nothing_of_the_last() {
        assert_eq!(frame("a\nb\n\n"), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
    }
}
