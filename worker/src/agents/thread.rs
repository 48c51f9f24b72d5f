//! The thread that turns the sound of agents: never a shard's, since one frame of an encoder takes as long
//! as a hundred packets there.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use velella_bus::{Delivery, Subscription};
use velella_model::wire::agent::Heard;
use velella_model::wire::command::Holder;
use velella_model::wire::decode;
use velella_worker_core::{AgentNews, Input};

use super::transcoder::{AgentStats, Sound, Transcoder};

/// News and packets of all shards that wait. At fifty packets a second for each track that an agent
/// hears, this is a second of eighty of them.
pub(crate) const NEWS_MAX: usize = 4_096;
/// Pieces of sound that wait for the bus; more are dropped.
pub(crate) const HEARD_MAX: usize = 4_096;
/// Taken before sound is handed out, so that a flood of one kind does not delay the other.
const TAKEN_PER_TURN_MAX: usize = 256;
/// How often counters are published and decoders looked after.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// What the thread says about itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AgentReport {
    pub(crate) stats: AgentStats,
    /// Messages on the bus that are no sound.
    pub(crate) said_malformed: u64,
    /// Pieces of sound that the bus lost because this thread was slow.
    pub(crate) said_lost: u64,
    /// Packets that a shard's full mailbox did not take.
    pub(crate) spoken_dropped: u64,
    /// Pieces of sound that the bus was too slow for.
    pub(crate) heard_dropped: u64,
    /// CPU time of the thread since its start.
    pub(crate) cpu: Duration,
}

/// Everything the thread is given.
pub(crate) struct Wiring {
    /// From shards, with their index.
    pub(crate) news: mpsc::Receiver<(usize, AgentNews)>,
    /// What agents say, from their coordinators.
    pub(crate) said: Subscription,
    /// Mailboxes of the shards.
    pub(crate) shards: Vec<mpsc::Sender<Input>>,
    /// What agents hear, for their coordinators.
    pub(crate) heard: mpsc::Sender<(Holder, Heard)>,
    pub(crate) report: watch::Sender<AgentReport>,
}

/// Runs until the shards or the bus are gone.
pub(crate) fn run(wiring: Wiring) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let looped = Loop { wiring, transcoder: Transcoder::default(), report: AgentReport::default() };
    runtime.block_on(looped.run());
    Ok(())
}

struct Loop {
    wiring: Wiring,
    transcoder: Transcoder,
    report: AgentReport,
}

impl Loop {
    async fn run(mut self) {
        let mut next_report = Instant::now() + REPORT_INTERVAL;
        loop {
            let wake = self.transcoder.due().map_or(next_report, |due| due.min(next_report));
            tokio::select! {
                news = self.wiring.news.recv() => match news {
                    Some((shard, news)) => self.take_news(shard, news),
                    None => return,
                },
                said = self.wiring.said.next() => match said {
                    Some(said) => self.take_said(&said),
                    None => return,
                },
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            self.hand_out();
            if Instant::now() >= next_report {
                next_report = Instant::now() + REPORT_INTERVAL;
                self.transcoder.tidy(Instant::now());
                self.publish_report();
            }
        }
    }

    fn take_news(&mut self, shard: usize, news: AgentNews) {
        let now = Instant::now();
        self.transcoder.take_news(shard, news, now);
        for _ in 0..TAKEN_PER_TURN_MAX {
            let Ok((shard, news)) = self.wiring.news.try_recv() else { return };
            self.transcoder.take_news(shard, news, now);
        }
    }

    fn take_said(&mut self, delivery: &Delivery) {
        match decode(&delivery.payload) {
            Ok(said) => self.transcoder.take_said(&said, Instant::now()),
            Err(error) => {
                self.report.said_malformed += 1;
                tracing::debug!(%error, "sound not understood");
            }
        }
    }

    /// Never waits: what finds no room is a lost moment.
    fn hand_out(&mut self) {
        let Self { wiring, transcoder, report } = self;
        transcoder.poll(Instant::now(), |sound| match sound {
            Sound::Spoken(shard, packet) => {
                let taken = wiring.shards.get(shard).map(|mailbox| mailbox.try_send(Input::Spoken(packet)));
                report.spoken_dropped += u64::from(!matches!(taken, Some(Ok(()))));
            }
            Sound::Heard(holder, heard) => {
                report.heard_dropped += u64::from(wiring.heard.try_send((holder, heard)).is_err());
            }
        });
    }

    fn publish_report(&mut self) {
        self.report.stats = self.transcoder.stats();
        self.report.said_lost = self.wiring.said.lost();
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        self.report.cpu = Duration::try_from(cpu).unwrap_or_default();
        self.wiring.report.send_replace(self.report);
    }
}
