//! A transcoder at work: a child process with a pipe at each end, one for each stream that needs it.
//!
//! It is given no network, no environment, and no files to write. It ends when it is dropped, and when this process
//! does, since its input ends then.

mod engine;
mod ivf;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit, setpriority_process};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;
use velella_gateway_core::{Coded, Encoding, OWED_MAX};
use velella_media::{Frame, Picture};
use velella_mpegts::{Demuxer, Output};

pub(crate) use engine::Engine;

/// Pictures that came out and were not taken yet; when they are too many it waits, and falls behind.
const PICTURES_MAX: usize = 64;

/// Bytes that are read of it at once.
const READ_BYTES: usize = 64 * 1024;

/// Last words that are kept, in bytes.
const SAID_BYTES_MAX: usize = 1_024;

/// Streams that need no transcoder go first.
const NICENESS: i32 = 5;

/// More memory than pictures of 8K need.
const MEMORY_BYTES_MAX: u64 = 4 << 30;

/// More than the program and its libraries hold open.
const FILES_MAX: u64 = 64;

/// A process that has closed its output has so long to end.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// How often it is looked at what it costs.
const METER_EVERY: Duration = Duration::from_millis(500);

/// Ticks of the clock in which Linux tells what a process has cost, `USER_HZ`.
const METER_HZ: u64 = 100;

/// What all transcoders of this gateway are and cost together.
#[derive(Debug, Default)]
pub(crate) struct Workload {
    running: AtomicU64,
    spent_ms: AtomicU64,
}

impl Workload {
    /// How many there are.
    pub(crate) fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }

    /// Time of a core that they took so far.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_millis(self.spent_ms.load(Ordering::Relaxed))
    }
}

/// One transcoder. Dropping it ends it.
pub(crate) struct Transcoder {
    feed: mpsc::Sender<Coded>,
    pictures: mpsc::Receiver<Picture>,
    end: oneshot::Receiver<String>,
    #[cfg(test)]
    pid: Option<Pid>,
}

impl Transcoder {
    /// Starts it.
    pub(crate) fn start(engine: &Engine, encoding: Encoding, workload: &Arc<Workload>) -> Self {
        let (feed, fed) = mpsc::channel(OWED_MAX);
        let (given, pictures) = mpsc::channel(PICTURES_MAX);
        let (ending, end) = oneshot::channel();
        let started = engine.command(encoding).spawn();
        #[cfg(test)]
        let pid = started.as_ref().ok().and_then(pid_of);
        let workload = workload.clone();
        let work = async move {
            let why = match started {
                Ok(child) => Work { child, encoding, fed, given, workload }.run().await,
                Err(error) => format!("could not be started: {error}"),
            };
            // Nobody waits for the end of what was dropped.
            let _ = ending.send(why);
        };
        tokio::spawn(work.in_current_span());
        Self {
            feed,
            pictures,
            end,
            #[cfg(test)]
            pid,
        }
    }

    /// Gives it a picture. There is room for as many as it may owe; one that is gone needs none.
    pub(crate) fn give(&self, coded: Coded) {
        if let Err(error) = self.feed.try_send(coded) {
            tracing::debug!(%error, "a picture did not go into the transcoder");
        }
    }

    /// The next picture that comes out, or why there are no more.
    pub(crate) async fn next(&mut self) -> Result<Picture, String> {
        if let Some(picture) = self.pictures.recv().await {
            return Ok(picture);
        }
        let end = (&mut self.end).await;
        Err(end.unwrap_or_else(|_| "was lost in a bug of the gateway".into()))
    }
}

/// A process and its pipes.
struct Work {
    child: Child,
    encoding: Encoding,
    fed: mpsc::Receiver<Coded>,
    given: mpsc::Sender<Picture>,
    workload: Arc<Workload>,
}

impl Work {
    /// Runs it to its end; why it came to that.
    async fn run(self) -> String {
        let Self { mut child, encoding, fed, given, workload } = self;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else { return "has no pipes".into() };
        let pid = pid_of(&child);
        if let Some(pid) = pid {
            restrict(pid);
        }
        let _counted = Counted::one(&workload);
        let said = tokio::select! {
            () = write(stdin, encoding, fed) => return "is not needed any more".into(),
            (said, ()) = async { tokio::join!(last_words(stderr), read(stdout, given)) } => said,
            never = meter(pid, &workload) => match never {},
        };
        let why = match tokio::time::timeout(END_PATIENCE, child.wait()).await {
            Ok(Ok(status)) => ended(status),
            Ok(Err(error)) => format!("was lost: {error}"),
            Err(_) => "closed its output".into(),
        };
        tracing::warn!(why, said, "a transcoder ended");
        why
    }
}

/// Counts it among those that run.
struct Counted<'a>(&'a Workload);

impl<'a> Counted<'a> {
    fn one(workload: &'a Workload) -> Self {
        workload.running.fetch_add(1, Ordering::Relaxed);
        Self(workload)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

fn pid_of(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
}

fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(signal) => format!("was killed by signal {signal}"),
        None => format!("ended with {status}"),
    }
}

/// What it may take. It lives without, if the system allows none of it.
fn restrict(pid: Pid) {
    let limits =
        [(Resource::As, MEMORY_BYTES_MAX), (Resource::Nofile, FILES_MAX), (Resource::Fsize, 0), (Resource::Core, 0)];
    for (resource, most) in limits {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        if let Err(error) = prlimit(Some(pid), resource, limit) {
            tracing::warn!(?resource, %error, "a transcoder is not limited");
        }
    }
    if let Err(error) = setpriority_process(Some(pid), NICENESS) {
        tracing::warn!(%error, "a transcoder is as urgent as everything else");
    }
}

/// Ends when nobody gives any more; a process that takes no more shows that at its other end.
async fn write(mut stdin: ChildStdin, encoding: Encoding, mut fed: mpsc::Receiver<Coded>) {
    let mut written = stdin.write_all(&ivf::header(encoding.from)).await;
    while let Some(coded) = fed.recv().await {
        if written.is_ok() {
            written = stdin.write_all(&ivf::frame_header(&coded)).await;
        }
        if written.is_ok() {
            written = stdin.write_all(&coded.data).await;
        }
    }
}

/// Ends with what comes out, or when nobody takes it any more.
async fn read(mut stdout: ChildStdout, given: mpsc::Sender<Picture>) {
    let (mut demuxer, mut buffer) = (Demuxer::new(), vec![0; READ_BYTES]);
    while let Ok(length @ 1..) = stdout.read(&mut buffer).await {
        demuxer.handle_bytes(buffer.get(..length).unwrap_or_default(), Instant::now());
        while let Some(output) = demuxer.poll_output() {
            if let Output::Frame(Frame::Video(picture)) = output
                && given.send(picture).await.is_err()
            {
                return;
            }
        }
    }
}

/// What it said last; it knows of no secret. Ends with it.
async fn last_words(mut stderr: impl AsyncRead + Unpin) -> String {
    let (mut said, mut buffer) = (Vec::new(), [0; SAID_BYTES_MAX]);
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        said.extend_from_slice(buffer.get(..length).unwrap_or_default());
        said.drain(..said.len().saturating_sub(SAID_BYTES_MAX));
    }
    String::from_utf8_lossy(&said).trim().to_owned()
}

/// Adds what it costs to what all of them do.
async fn meter(pid: Option<Pid>, workload: &Workload) -> Infallible {
    let (mut interval, mut counted) = (tokio::time::interval(METER_EVERY), 0);
    loop {
        interval.tick().await;
        let Some(spent) = spent(pid).await else { continue };
        workload.spent_ms.fetch_add(spent.saturating_sub(counted), Ordering::Relaxed);
        counted = spent.max(counted);
    }
}

/// In milliseconds, proc_pid_stat(5); `None` for a process that is gone.
async fn spent(pid: Option<Pid>) -> Option<u64> {
    let told = tokio::fs::read_to_string(format!("/proc/{}/stat", pid?.as_raw_nonzero())).await.ok()?;
    // The name in parentheses may hold anything.
    let (_, fields) = told.rsplit_once(") ")?;
    let (user, system) = (fields.split(' ').nth(11)?, fields.split(' ').nth(12)?);
    Some((user.parse::<u64>().ok()? + system.parse::<u64>().ok()?) * 1_000 / METER_HZ)
}
