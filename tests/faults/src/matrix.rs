//! The matrix: who is broken, how, and for how long; what has to hold meanwhile and after.

use std::time::Duration;

use anyhow::{Context, ensure};

use crate::cluster::Cluster;
use crate::hosts::{Host, Wall, cut};
use crate::row::{Deed, Media, Owners, PICTURE_BACK, Rooms, Row, Sighting};
use crate::servers::{self, Servers};

/// One thing that is broken, and mended again.
pub(crate) struct Break {
    fault: Fault,
    victim: Victim,
    lasts: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// `kill -9`, and a new start.
    Kill,
    /// SIGSTOP, and SIGCONT.
    Pause,
    /// From everybody, the people with a worker included.
    Cut(Wall),
    /// From everybody, but only what comes in.
    Deafen(Wall),
    /// From these alone.
    CutFrom(Wall, &'static [Victim]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    /// The one that serves the people.
    Worker,
    /// The one that holds their sockets.
    Coordinator,
    /// All of them.
    Coordinators,
    /// The one that has the camera.
    Gateway,
    /// The only one, or the first.
    Nats,
    Etcd,
    /// Of three members.
    EtcdLeader,
    /// Two of three members, the leader among them.
    EtcdMajority,
}

const fn row(name: &'static str, fault: Fault, victim: Victim, lasts_s: u64, rooms: Rooms, media: Media) -> Row {
    let deed = Deed::Break(Break { fault, victim, lasts: Duration::from_secs(lasts_s) });
    let (servers, camera) = (Servers::One, Sighting::May);
    Row { name, quick: false, servers, deed, rooms, media, owners: Owners::One, camera }
}

const fn quick(name: &'static str, fault: Fault, victim: Victim, lasts_s: u64, rooms: Rooms, media: Media) -> Row {
    let mut row = row(name, fault, victim, lasts_s, rooms, media);
    row.quick = true;
    row
}

/// What happens to the gateway that has the camera, which people in calls do not see but for that.
const fn gateway(name: &'static str, quick: bool, fault: Fault, lasts_s: u64, camera: Sighting) -> Row {
    let mut row = row(name, fault, Victim::Gateway, lasts_s, Rooms::Stay, Media::NoGap);
    row.quick = quick;
    row.camera = camera;
    row
}

/// Where others stand in for what is broken: nobody sees it.
const fn stood_in_for(name: &'static str, fault: Fault, victim: Victim, lasts_s: u64) -> Row {
    let mut row = row(name, fault, victim, lasts_s, Rooms::Stay, Media::NoGap);
    row.servers = Servers::Several;
    row
}

const DROP: Wall = Wall::Drop;
const REJECT: Wall = Wall::Reject;
const FROM_NATS: &[Victim] = &[Victim::Nats];
const FROM_ETCD: &[Victim] = &[Victim::Etcd];
const FROM_BOTH: &[Victim] = &[Victim::Nats, Victim::Etcd];

/// As [`PICTURE_BACK`] for one whose lease has to end first.
const LEASE_AND_PICTURE: Duration = Duration::from_secs(10);

pub(crate) const ROWS: &[Row] = &[
    quick("nats_is_killed", Fault::Kill, Victim::Nats, 3, Rooms::Stay, Media::NoGap),
    row("nats_is_stopped_3s", Fault::Pause, Victim::Nats, 3, Rooms::Stay, Media::NoGap),
    quick("nats_is_stopped_12s", Fault::Pause, Victim::Nats, 12, Rooms::Stay, Media::NoGap),
    row("nats_is_cut_off", Fault::Cut(DROP), Victim::Nats, 12, Rooms::Stay, Media::NoGap),
    row("nats_is_refused", Fault::Cut(REJECT), Victim::Nats, 6, Rooms::Stay, Media::NoGap),
    quick("coordinator_is_killed", Fault::Kill, Victim::Coordinator, 3, Rooms::Stay, Media::Back),
    row("coordinator_is_stopped_3s", Fault::Pause, Victim::Coordinator, 3, Rooms::Stay, Media::NoGap),
    row("coordinator_is_stopped_12s", Fault::Pause, Victim::Coordinator, 12, Rooms::Stay, Media::Back),
    row("coordinator_is_cut_off", Fault::Cut(DROP), Victim::Coordinator, 12, Rooms::Stay, Media::Back),
    row("coordinator_is_refused", Fault::Cut(REJECT), Victim::Coordinator, 6, Rooms::Stay, Media::Back),
    row("all_coordinators_are_stopped", Fault::Pause, Victim::Coordinators, 12, Rooms::Stay, Media::Back),
    quick("all_coordinators_are_killed", Fault::Kill, Victim::Coordinators, 3, Rooms::Stay, Media::Back),
    quick("etcd_is_killed", Fault::Kill, Victim::Etcd, 3, Rooms::Stay, Media::NoGap),
    // A lease may be a second old when the outage begins, and etcd is found again after a wait: three seconds are
    // the edge. Beyond it the leases of all end in an etcd that lives, and their workers claim their keys again.
    row("etcd_is_stopped_3s", Fault::Pause, Victim::Etcd, 3, Rooms::Stay, Media::NoGap),
    quick("etcd_is_stopped_12s", Fault::Pause, Victim::Etcd, 12, Rooms::Stay, Media::NoGap),
    row("etcd_is_cut_off", Fault::Cut(DROP), Victim::Etcd, 12, Rooms::Stay, Media::NoGap),
    row("etcd_is_refused", Fault::Cut(REJECT), Victim::Etcd, 3, Rooms::Stay, Media::NoGap),
    row("etcd_is_refused_12s", Fault::Cut(REJECT), Victim::Etcd, 12, Rooms::Stay, Media::NoGap),
    quick("worker_is_killed", Fault::Kill, Victim::Worker, 8, Rooms::Leave, Media::Back),
    quick("worker_is_stopped_3s", Fault::Pause, Victim::Worker, 3, Rooms::Stay, Media::Back),
    quick("worker_is_stopped_12s", Fault::Pause, Victim::Worker, 12, Rooms::Leave, Media::Back),
    row("worker_is_cut_off", Fault::Cut(DROP), Victim::Worker, 12, Rooms::Leave, Media::Back),
    // Refused at its port and gone from the bus, it looks like a process that ended. It lets nobody in from the moment
    // it loses the bus, so its rooms may be given away before its lease ends.
    quick("worker_is_refused", Fault::Cut(REJECT), Victim::Worker, 12, Rooms::Leave, Media::Back),
    row("worker_hears_nobody", Fault::Deafen(DROP), Victim::Worker, 12, Rooms::Leave, Media::Back),
    row("worker_loses_nats", Fault::CutFrom(DROP, FROM_NATS), Victim::Worker, 12, Rooms::Stay, Media::NoGap),
    quick("nats_refuses_worker", Fault::CutFrom(REJECT, FROM_NATS), Victim::Worker, 6, Rooms::Stay, Media::NoGap),
    quick("worker_loses_etcd", Fault::CutFrom(DROP, FROM_ETCD), Victim::Worker, 12, Rooms::Leave, Media::Back),
    row("etcd_refuses_worker", Fault::CutFrom(REJECT, FROM_ETCD), Victim::Worker, 12, Rooms::Leave, Media::Back),
    quick("worker_loses_nats_and_etcd", Fault::CutFrom(DROP, FROM_BOTH), Victim::Worker, 12, Rooms::Leave, Media::Back),
    gateway("gateway_is_killed", true, Fault::Kill, 8, Sighting::Moves(PICTURE_BACK)),
    gateway("gateway_is_stopped_3s", false, Fault::Pause, 3, Sighting::Stays),
    gateway("gateway_is_stopped_12s", true, Fault::Pause, 12, Sighting::Moves(LEASE_AND_PICTURE)),
    gateway("gateway_is_cut_off", false, Fault::Cut(DROP), 12, Sighting::Moves(LEASE_AND_PICTURE)),
    // It goes on until another one takes its place.
    gateway("gateway_loses_nats", false, Fault::CutFrom(DROP, FROM_NATS), 12, Sighting::Stays),
    // Its worker tells it that another one has taken its place, and it has to believe that.
    gateway("gateway_loses_etcd", false, Fault::CutFrom(DROP, FROM_ETCD), 12, Sighting::Moves(PICTURE_BACK)),
    gateway("gateway_loses_nats_and_etcd", false, Fault::CutFrom(DROP, FROM_BOTH), 12, Sighting::Moves(PICTURE_BACK)),
    stood_in_for("one_of_two_nats_is_killed", Fault::Kill, Victim::Nats, 6),
    stood_in_for("one_of_two_nats_is_stopped", Fault::Pause, Victim::Nats, 12),
    stood_in_for("the_leader_of_etcd_is_killed", Fault::Kill, Victim::EtcdLeader, 6),
    stood_in_for("the_leader_of_etcd_is_stopped", Fault::Pause, Victim::EtcdLeader, 12),
    stood_in_for("two_of_three_etcd_are_killed", Fault::Kill, Victim::EtcdMajority, 12),
];

impl Break {
    /// Tells who suffered.
    pub(crate) async fn play(&self, cluster: &mut Cluster) -> anyhow::Result<Vec<&'static str>> {
        let victims = self.victims(cluster).await?;
        for name in &victims {
            self.break_it(cluster, name).with_context(|| format!("{name}: {:?}", self.fault))?;
        }
        tokio::time::sleep(self.lasts).await;
        for name in &victims {
            self.mend(cluster, name).with_context(|| format!("{name}: {:?}", self.fault))?;
        }
        Ok(victims)
    }

    async fn victims(&self, cluster: &Cluster) -> anyhow::Result<Vec<&'static str>> {
        let coordinators = cluster.coordinators.iter().map(|coordinator| &coordinator.host);
        Ok(match self.victim {
            Victim::Worker => vec![cluster.serving().await?.host.name],
            Victim::Gateway => vec![cluster.playing().await?.host.name],
            Victim::Coordinator => {
                let first = cluster.front.first().context("no coordinator lives")?;
                coordinators.filter(|host| host.ip == first).map(|host| host.name).collect()
            }
            Victim::Coordinators => coordinators.map(|host| host.name).collect(),
            Victim::Nats => vec![cluster.nats_host()?.name],
            Victim::Etcd => vec![cluster.etcd_host()?.name],
            Victim::EtcdLeader => servers::by_rank(&cluster.etcd).await?.into_iter().take(1).collect(),
            Victim::EtcdMajority => servers::by_rank(&cluster.etcd).await?.into_iter().take(2).collect(),
        })
    }

    fn break_it(&self, cluster: &mut Cluster, name: &str) -> anyhow::Result<()> {
        let victim = cluster.process(name)?.host.clone();
        let others = || cluster.hosts().filter(|host| host.ip != victim.ip);
        match self.fault {
            Fault::Kill => cluster.process(name)?.kill(),
            Fault::Pause => cluster.process(name)?.pause(),
            Fault::Cut(wall) => others().try_for_each(|other| cut(&victim, other, wall)),
            Fault::Deafen(wall) => others().try_for_each(|other| victim.refuse(other, wall)),
            Fault::CutFrom(wall, from) => {
                from.iter().try_for_each(|other| cut(&victim, Self::server(cluster, *other)?, wall))
            }
        }
    }

    fn mend(&self, cluster: &mut Cluster, name: &str) -> anyhow::Result<()> {
        match self.fault {
            Fault::Kill => cluster.process(name)?.restart(),
            Fault::Pause => cluster.process(name)?.resume(),
            Fault::Cut(_) | Fault::Deafen(_) | Fault::CutFrom(..) => {
                let stopped = cluster.hosts().map(Host::stopped).sum::<anyhow::Result<u64>>()?;
                ensure!(stopped > 0, "the walls have stopped nothing");
                cluster.heal()
            }
        }
    }

    fn server(cluster: &Cluster, victim: Victim) -> anyhow::Result<&Host> {
        if victim == Victim::Nats { cluster.nats_host() } else { cluster.etcd_host() }
    }
}
