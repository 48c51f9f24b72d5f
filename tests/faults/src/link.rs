//! Slow ways: a bad network between the processes (`velella-link`), and a slow disk below etcd.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::{Cluster, binary};
use crate::hosts::Host;
use crate::row::{Act, Deed, Media, Owners, Rooms, Row, Sighting};
use crate::servers::{ETCD_DISK, Servers};

/// Any, since every host has queues of its own.
const QUEUE: &str = "1";

/// How long the ways are bad: long enough for every lease to end three times.
const BAD: Duration = Duration::from_secs(16);

/// Each way; a message and its answer take 300 ms.
const CONTROL: &[&str] = &["--delay-ms=150", "--loss-percent=30"];

/// What ping is sent through, and how often.
const ASKED: &[&str] = &["--delay-ms=50", "--jitter-ms=20", "--loss-percent=20", "--duplicate-percent=10"];
const PINGS: u32 = 300;

/// Of the packets on the link of the people, one in ten, each way, and for how long.
const LOST: &str = "0.1";
const LOSSY: Duration = Duration::from_secs(8);
/// Two videos and two sounds there and back make thousands.
const LOST_MIN: u64 = 100;

/// Half a second for each write that has to be on the disk.
const SLOW_DISK: &str = "inject=fsync,fdatasync:delay_enter=500000";

const fn row(name: &'static str, quick: bool, act: Act, rooms: Rooms, media: Media) -> Row {
    let (servers, camera) = (Servers::One, Sighting::May);
    Row { name, quick, servers, deed: Deed::Act(act), rooms, media, owners: Owners::One, camera }
}

pub(crate) const ROWS: &[Row] = &[
    row("a_bad_link_is_as_bad_as_asked", true, as_asked, Rooms::Stay, Media::NoGap),
    // The lease of one worker may end by bad luck; those of several, or again and again, would be flapping.
    row("the_control_network_is_bad", false, bad_control, Rooms::OfOne, Media::Back),
    row("the_link_of_the_people_loses_packets", true, lossy, Rooms::Stay, Media::NoGap),
    row("the_disk_of_etcd_is_slow", false, slow_disk, Rooms::Stay, Media::NoGap),
];

/// The link of one host; the ways through its queue end with it.
struct Link(Child);

impl Link {
    fn start(cluster: &Cluster, host: &Host, quality: &[&str]) -> anyhow::Result<Self> {
        let log = std::fs::File::create(cluster.logs.join(format!("{}-link.log", host.name)))?;
        let mut command = host.command(&binary("velella-link")?.to_string_lossy());
        command.args(["--queue", QUEUE]).args(quality).stdin(Stdio::null());
        Ok(Self(command.stdout(log.try_clone()?).stderr(log).spawn().context("velella-link does not start")?))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Seen by ping, from a host where nobody else is to the one of the people.
fn as_asked(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        let _link = Link::start(cluster, &cluster.spare, ASKED)?;
        cluster.spare.queue(&cluster.pages, QUEUE)?;
        let (count, to) = (PINGS.to_string(), cluster.pages.ip.to_string());
        let mut ping = cluster.spare.command("ping");
        ping.args(["-q", "-i", "0.01", "-W", "1", "-c", &count, &to]);
        let done = tokio::task::spawn_blocking(move || ping.output()).await??;
        cluster.heal()?;
        let seen = String::from_utf8_lossy(&done.stdout).into_owned();
        is_as_asked(&seen).with_context(|| seen.clone())
    }
    .boxed_local()
}

/// Between the workers and their servers, both ways.
fn bad_control(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        let servers = [cluster.nats_host()?, cluster.etcd_host()?];
        let workers: Vec<&Host> = cluster.workers.iter().map(|worker| &worker.host).collect();
        let mut links = Vec::new();
        for host in servers.iter().chain(&workers) {
            links.push(Link::start(cluster, host, CONTROL)?);
        }
        for worker in workers {
            servers
                .iter()
                .try_for_each(|server| worker.queue(server, QUEUE).and_then(|()| server.queue(worker, QUEUE)))?;
        }
        tokio::time::sleep(BAD).await;
        cluster.heal()?;
        drop(links);
        Ok(())
    }
    .boxed_local()
}

/// Between the people and their worker, both ways; what is lost is asked for again.
fn lossy(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        let (worker, people) = (&cluster.serving().await?.host, &cluster.pages);
        worker.lose(people, LOST)?;
        people.lose(worker, LOST)?;
        tokio::time::sleep(LOSSY).await;
        let lost = worker.stopped()? + people.stopped()?;
        ensure!(lost > LOST_MIN, "only {lost} packets were lost");
        cluster.heal()
    }
    .boxed_local()
}

/// By a tracer that makes etcd wait.
fn slow_disk(cluster: &mut Cluster) -> LocalBoxFuture<'_, anyhow::Result<()>> {
    async move {
        let pid = cluster.process(ETCD_DISK)?.pid().context("etcd runs")?.to_string();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-q", "-e", "trace=fsync,fdatasync", "-e", SLOW_DISK, "-p", &pid]);
        strace.stdin(Stdio::null()).stdout(Stdio::null());
        let log = std::fs::File::create(cluster.logs.join("strace.log"))?;
        let mut strace = strace.stderr(log).spawn().context("strace does not start; `make deps-test` installs it")?;
        tokio::time::sleep(BAD).await;
        // Asked, it lets go of etcd.
        kill_process(Pid::from_child(&strace), Signal::TERM)?;
        strace.wait()?;
        let slowed = std::fs::read_to_string(cluster.logs.join("strace.log"))?.matches("DELAYED").count();
        ensure!(slowed > 5, "etcd was slowed {slowed} times only");
        Ok(())
    }
    .boxed_local()
}

/// The last lines of ping, as `300 packets transmitted, 236 received, +26 duplicates, 21% packet loss, …` and
/// `rtt min/avg/max/mdev = 50.2/60.2/77.1/5.9 ms`.
fn is_as_asked(seen: &str) -> anyhow::Result<()> {
    let number = |before: &str, after: &str| {
        let (head, _) = seen.split_once(after)?;
        head.rsplit(before).next()?.trim().parse::<f64>().ok()
    };
    let loss = number(",", "% packet loss").context("no loss is told")?;
    let twice = number("+", " duplicates").context("nothing came twice")?;
    let times = seen.split_once("= ").and_then(|(_, times)| times.split_once(" ms")).context("no times are told")?.0;
    let times: Vec<f64> = times.split('/').filter_map(|time| time.parse().ok()).collect();
    let [min, mean, ..] = times.as_slice() else { anyhow::bail!("no times are told") };
    ensure!((12.0..=28.0).contains(&loss), "20 % should be lost");
    ensure!((8.0..=50.0).contains(&twice), "a tenth of 240 should come twice");
    ensure!((50.0..56.0).contains(min), "50 ms are the least");
    // A busy machine adds to the mean without bound, and never takes away; that jitter ends where it should is tested
    // in `tests/link`, in virtual time.
    ensure!(*mean >= 58.0, "60 ms are the mean");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ping_tells_is_judged() {
        let told = |loss: u32, times: &str| {
            let first = format!("300 packets transmitted, 236 received, +26 duplicates, {loss}% packet loss, time 9ms");
            is_as_asked(&format!("{first}\nrtt min/avg/max/mdev = {times} ms"))
        };
        assert!(told(21, "50.2/60.2/77.1/5.9").is_ok());
        assert!(told(0, "50.2/60.2/77.1/5.9").is_err());
        assert!(told(21, "0.2/60.2/77.1/5.9").is_err());
        assert!(told(21, "57.2/60.2/77.1/5.9").is_err(), "later than asked, all of them");
        assert!(told(21, "50.2/51.2/52.1/0.9").is_err(), "no jitter");
        assert!(told(21, "50.6/82.7/345.3/43.1").is_ok(), "a busy machine");
        assert!(is_as_asked("").is_err());
    }
}
