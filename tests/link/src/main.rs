//! `velella-link`: makes packets that iptables puts into a queue late, lost, doubled and disordered.
//!
//! For example `iptables -A OUTPUT -m mark ! --mark 1 -d 10.0.0.2 -j NFQUEUE --queue-num 1` beside
//! `velella-link --queue 1 --delay-ms 50 --loss-percent 10`: second copies of packets carry the mark.

mod line;

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use nfq::{Message, Queue, Verdict};
use socket2::{Domain, Protocol, Socket, Type};

use crate::line::{Fate, Line, PACKETS_MAX, Quality};

/// How exact the times are.
const TICK: Duration = Duration::from_millis(1);

/// On second copies, so that they are not queued again.
const MARK: u32 = 1;

/// The protocol number of packets that bring their own header.
const IPPROTO_RAW: i32 = 255;

/// Makes packets of a netfilter queue late, lost, doubled and disordered
#[derive(Parser)]
struct Arguments {
    /// Number of the queue
    #[arg(long)]
    queue: u16,
    /// Decides the fates of all packets
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    quality: Quality,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut queue = open(arguments.queue).context("no netfilter queue can be had: is this root?")?;
    let copies = Copies::open()?;
    let mut line = Line::new(arguments.quality, arguments.seed);
    let mut tick = tokio::time::interval(TICK);
    writeln!(std::io::stdout(), "queue {}: {:?}", arguments.queue, arguments.quality)?;
    loop {
        tick.tick().await;
        take_in(&mut queue, &mut line)?;
        while let Some(fate) = line.leave(Instant::now()) {
            let (mut packet, verdict) = match fate {
                Fate::Arrives(packet) => (packet, Verdict::Accept),
                Fate::ArrivesTwice(packet) => {
                    copies.send(packet.get_payload());
                    (packet, Verdict::Accept)
                }
                Fate::Lost(packet) => (packet, Verdict::Drop),
            };
            packet.set_verdict(verdict);
            queue.verdict(packet).context("the queue takes no verdict")?;
        }
    }
}

fn open(number: u16) -> std::io::Result<Queue> {
    let mut queue = Queue::open()?;
    queue.bind(number)?;
    queue.set_queue_max_len(number, u32::try_from(PACKETS_MAX).unwrap_or(u32::MAX))?;
    queue.set_nonblocking(true);
    Ok(queue)
}

fn take_in(queue: &mut Queue, line: &mut Line<Message>) -> anyhow::Result<()> {
    loop {
        match queue.recv() {
            Ok(packet) => line.enter(packet, Instant::now()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).context("the queue is gone"),
        }
    }
}

/// The way of second copies.
struct Copies(Socket);

impl Copies {
    fn open() -> anyhow::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(IPPROTO_RAW)))?;
        socket.set_mark(MARK)?;
        Ok(Self(socket))
    }

    /// One that cannot be sent is a packet that was not doubled.
    fn send(&self, packet: &[u8]) {
        let Some([a, b, c, d]) = packet.get(16..20).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()) else { return };
        let to = SocketAddr::from((Ipv4Addr::new(a, b, c, d), 0));
        let _ = self.0.send_to(packet, &to.into());
    }
}
