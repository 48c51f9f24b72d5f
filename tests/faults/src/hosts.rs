//! Hosts: network namespaces, joined by a bridge that lives in a namespace as well, so that nothing of
//! this machine's own network is touched.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Begins the name of each namespace; the id of the process that made it follows.
const PREFIX: &str = "velella-faults-";

/// Where `ip netns` keeps its namespaces.
const NAMESPACES: &str = "/run/netns";

/// The network of all hosts; it exists apart from every other, so runs do not collide.
const NETWORK: [u8; 3] = [10, 77, 0];

/// This process, at the bridge.
pub(crate) const HERE: Ipv4Addr = at(1);

const fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(NETWORK[0], NETWORK[1], NETWORK[2], last)
}

/// The network with its hosts; gone when it is dropped.
pub(crate) struct Net {
    bridge: String,
    hosts: u8,
}

/// One host.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) name: &'static str,
    pub(crate) ip: Ipv4Addr,
    namespace: String,
}

/// How a packet that may not pass ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wall {
    /// Nobody is told.
    Drop,
    /// The sender is told: a reset for TCP, ICMP for the rest.
    Reject,
}

impl Net {
    /// Makes the bridge and moves this thread beside it; threads that it starts are there as well.
    /// Removes what former runs left behind, if they were killed.
    pub(crate) fn enter() -> anyhow::Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "the fault tests need root: they make network namespaces, iptables rules and a small tmpfs"
        );
        sweep()?;
        let net = Self { bridge: format!("{PREFIX}{}-bridge", std::process::id()), hosts: 0 };
        let bridge = &net.bridge;
        ip(&["netns", "add", bridge]).context("the fault tests need network namespaces, which cannot be had here")?;
        ip(&["-n", bridge, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", bridge, "addr", "add", &format!("{HERE}/24"), "dev", "br0"])?;
        ip(&["-n", bridge, "link", "set", "br0", "up"])?;
        ip(&["-n", bridge, "link", "set", "lo", "up"])?;
        let entry = File::open(Path::new(NAMESPACES).join(bridge)).context("a namespace without a name")?;
        move_into_link_name_space(rustix::fd::AsFd::as_fd(&entry), Some(LinkNameSpaceType::Network))
            .context("cannot enter a network namespace")?;
        Ok(net)
    }

    /// One more host.
    pub(crate) fn host(&mut self, name: &'static str) -> anyhow::Result<Host> {
        self.hosts += 1;
        let namespace = format!("{PREFIX}{}-{name}", std::process::id());
        let host = Host { name, ip: at(10 + self.hosts), namespace };
        let (ns, bridge, port) = (&host.namespace, &self.bridge, format!("to-{}", self.hosts));
        ip(&["netns", "add", ns])?;
        ip(&["-n", bridge, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", ns])?;
        ip(&["-n", bridge, "link", "set", &port, "master", "br0", "up"])?;
        ip(&["-n", ns, "addr", "add", &format!("{}/24", host.ip), "dev", "eth0"])?;
        ip(&["-n", ns, "link", "set", "eth0", "up"])?;
        ip(&["-n", ns, "link", "set", "lo", "up"])?;
        Ok(host)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // What is left is swept by the next run.
        let _ = remove(|maker| maker == std::process::id());
    }
}

impl Host {
    /// A command on this host.
    pub(crate) fn command(&self, program: &str) -> Command {
        // `ip netns exec` would hide the control groups from it.
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={NAMESPACES}/{}", self.namespace)).arg(program);
        command
    }

    /// What comes from `from` ends at this host's wall.
    pub(crate) fn refuse(&self, from: &Self, wall: Wall) -> anyhow::Result<()> {
        let from = from.ip.to_string();
        match wall {
            Wall::Drop => self.iptables(&["-A", "INPUT", "-s", &from, "-j", "DROP"]),
            Wall::Reject => {
                // The wall of the other side answers as well, and is heard.
                self.iptables(&["-A", "INPUT", "-s", &from, "-p", "tcp", "--tcp-flags", "RST", "RST", "-j", "ACCEPT"])?;
                self.iptables(&["-A", "INPUT", "-s", &from, "-p", "icmp", "-j", "ACCEPT"])?;
                let tcp = ["-A", "INPUT", "-s", &from, "-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"];
                self.iptables(&tcp)?;
                self.iptables(&["-A", "INPUT", "-s", &from, "-j", "REJECT"])
            }
        }
    }

    /// Of what comes from `from` this share is lost; between 0 and 1.
    pub(crate) fn lose(&self, from: &Self, share: &str) -> anyhow::Result<()> {
        let from = from.ip.to_string();
        let random = ["-m", "statistic", "--mode", "random", "--probability", share];
        self.iptables(&[&["-A", "INPUT", "-s", &from], random.as_slice(), &["-j", "DROP"]].concat())
    }

    /// How many packets have ended at the wall.
    pub(crate) fn stopped(&self) -> anyhow::Result<u64> {
        let listed = self.command("iptables").args(["-w", "-L", "INPUT", "-v", "-n", "-x"]).output()?;
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let walls = text.lines().filter(|line| line.contains("DROP") || line.contains("REJECT"));
        Ok(walls.filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok()).sum())
    }

    /// What goes to `to` takes the way through a queue; second copies, which are marked, do not.
    pub(crate) fn queue(&self, to: &Self, number: &str) -> anyhow::Result<()> {
        let to = to.ip.to_string();
        self.iptables(&[
            "-A",
            "OUTPUT",
            "-d",
            &to,
            "-m",
            "mark",
            "!",
            "--mark",
            "1",
            "-j",
            "NFQUEUE",
            "--queue-num",
            number,
        ])
    }

    /// Everything goes out and comes in again.
    pub(crate) fn heal(&self) -> anyhow::Result<()> {
        self.iptables(&["-F", "INPUT"])?;
        self.iptables(&["-F", "OUTPUT"])
    }

    pub(crate) fn iptables(&self, arguments: &[&str]) -> anyhow::Result<()> {
        run(self.command("iptables").arg("-w").args(arguments))
    }
}

/// Both ways.
pub(crate) fn cut(one: &Host, other: &Host, wall: Wall) -> anyhow::Result<()> {
    one.refuse(other, wall)?;
    other.refuse(one, wall)
}

/// Removes what runs that are over have left.
fn sweep() -> anyhow::Result<()> {
    let own = fs::read_to_string("/proc/self/comm").unwrap_or_default();
    remove(|maker| !fs::read_to_string(format!("/proc/{maker}/comm")).is_ok_and(|name| name == own))
}

/// Ends everything on the hosts of certain processes, and removes the hosts.
fn remove(of: impl Fn(u32) -> bool) -> anyhow::Result<()> {
    let Ok(names) = fs::read_dir(NAMESPACES) else { return Ok(()) };
    for name in names {
        let name = name?.file_name().to_string_lossy().into_owned();
        let maker = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse().ok());
        if maker.is_some_and(&of) {
            end_all(&name)?;
            ip(&["netns", "del", &name])?;
        }
    }
    Ok(())
}

fn end_all(namespace: &str) -> anyhow::Result<()> {
    let listed = Command::new("ip").args(["netns", "pids", namespace]).output().context("ip does not run")?;
    let pids = String::from_utf8_lossy(&listed.stdout).into_owned();
    for pid in pids.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
        if pid != rustix::process::getpid() {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    run(Command::new("ip").args(arguments))
}

/// Runs it to its end, which has to be a good one.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let done = command.output().with_context(|| format!("{command:?} does not start; `make deps-test` installs it"))?;
    if !done.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}
