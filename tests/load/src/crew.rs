//! The threads that peers live on. Publishers and receivers have threads of their own, so that a
//! burst of arrivals does not delay the next frame.

use std::cell::RefCell;
use std::rc::Rc;
use std::thread::{Builder, JoinHandle};

use anyhow::{Context, Result, anyhow};
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};

use crate::peer::{self, Launch, Ledger, PeerReport, Surroundings};

/// Launches that wait for a busy thread; the joining loop waits when it is full.
const INBOX_LEN: usize = 16;

/// The threads of one role.
pub(crate) struct Crew {
    members: Vec<Member>,
    launched: usize,
}

struct Member {
    inbox: mpsc::Sender<Launch>,
    thread: JoinHandle<Result<ThreadReport>>,
}

/// What a thread saw.
pub(crate) struct ThreadReport {
    pub(crate) ledger: Ledger,
    pub(crate) peers: Vec<PeerReport>,
}

impl Crew {
    pub(crate) fn start(name: &str, threads: usize, around: &Surroundings) -> Result<Self> {
        let members = (0..threads).map(|n| Member::start(format!("load-{name}-{n}"), around.clone()));
        Ok(Self { members: members.collect::<Result<_>>()?, launched: 0 })
    }

    /// Starts a peer on the next thread in turn.
    pub(crate) async fn launch(&mut self, launch: Launch) -> Result<()> {
        let turn = self.launched % self.members.len().max(1);
        self.launched += 1;
        let member = self.members.get(turn).context("a crew has at least one thread")?;
        member.inbox.send(launch).await.map_err(|_| anyhow!("a load thread ended early"))
    }

    /// Waits for all peers to end; they do when the surroundings say so.
    pub(crate) fn join(self) -> Result<Vec<ThreadReport>> {
        self.members.into_iter().map(Member::join).collect()
    }
}

impl Member {
    fn start(name: String, around: Surroundings) -> Result<Self> {
        let (inbox, launches) = mpsc::channel(INBOX_LEN);
        let thread = Builder::new().name(name).spawn(|| work(launches, around)).context("no thread")?;
        Ok(Self { inbox, thread })
    }

    fn join(self) -> Result<ThreadReport> {
        drop(self.inbox);
        self.thread.join().map_err(|_| anyhow!("a load thread panicked"))?
    }
}

fn work(launches: mpsc::Receiver<Launch>, around: Surroundings) -> Result<ThreadReport> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let ledger = Rc::new(RefCell::new(Ledger::new()));
    let peers = LocalSet::new().block_on(&runtime, host(launches, around, ledger.clone()));
    let ledger = Rc::into_inner(ledger).context("every peer has ended")?.into_inner();
    Ok(ThreadReport { ledger, peers })
}

async fn host(
    mut launches: mpsc::Receiver<Launch>,
    around: Surroundings,
    ledger: Rc<RefCell<Ledger>>,
) -> Vec<PeerReport> {
    let mut peers = JoinSet::new();
    while let Some(launch) = launches.recv().await {
        peers.spawn_local(peer::run(launch, around.clone(), ledger.clone()));
    }
    peers.join_all().await
}
