//! NATS and etcd: one of each, or several that stand in for each other.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use crate::hosts::{Host, Net};
use crate::http;
use crate::process::Process;

/// Ports of every server on its own host.
pub(crate) const NATS: u16 = 4_222;
const NATS_ROUTES: u16 = 6_222;
pub(crate) const ETCD: u16 = 2_379;
const ETCD_PEERS: u16 = 2_380;

/// In the directory of the logs.
pub(crate) const ETCD_DISK: &str = "etcd";

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Servers {
    /// One of each.
    One,
    /// Two of NATS, and three members of etcd.
    Several,
}

impl Servers {
    fn names(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::One => (&["nats"], &["etcd"]),
            Self::Several => (&["nats", "nats2"], &["etcd", "etcd2", "etcd3"]),
        }
    }

    pub(crate) fn start_nats(self, net: &mut Net, logs: &Path) -> anyhow::Result<Vec<Process>> {
        let hosts = hosts(self.names().0, net)?;
        let start = |host: &Host| {
            configure_nats(host, &hosts, logs, "")?;
            let config = vec!["--config".to_owned(), config_of(host, logs).display().to_string()];
            Process::start(host, program("nats-server"), config, logs)
        };
        hosts.iter().map(start).collect()
    }

    /// The first member has a disk of its own.
    pub(crate) fn start_etcd(self, net: &mut Net, logs: &Path) -> anyhow::Result<Vec<Process>> {
        let hosts = hosts(self.names().1, net)?;
        let start = |host: &Host| {
            let dir = if host.name == ETCD_DISK { logs.join(ETCD_DISK).join("data") } else { logs.join(host.name) };
            Process::start(host, program("etcd"), etcd_arguments(host, &hosts, &dir), logs)
        };
        hosts.iter().map(start).collect()
    }
}

fn hosts(names: &[&'static str], net: &mut Net) -> anyhow::Result<Vec<Host>> {
    names.iter().map(|name| net.host(name)).collect()
}

/// For its next start; `more` are lines of its own configuration.
pub(crate) fn configure_nats(host: &Host, all: &[Host], logs: &Path, more: &str) -> anyhow::Result<()> {
    let listen = format!("listen: \"{}:{NATS}\"", host.ip);
    let others = all.iter().filter(|other| other.ip != host.ip);
    let routes: Vec<String> = others.map(|other| format!("\"nats://{}:{NATS_ROUTES}\"", other.ip)).collect();
    let cluster = match routes.as_slice() {
        [] => String::new(),
        routes => format!(
            "cluster {{ name: faults, listen: \"{}:{NATS_ROUTES}\", routes: [{}] }}",
            host.ip,
            routes.join(", ")
        ),
    };
    let text = format!("{listen}\nping_interval: \"5s\"\nping_max: 2\nwrite_deadline: \"2s\"\n{cluster}\n{more}");
    Ok(std::fs::write(config_of(host, logs), text)?)
}

fn config_of(host: &Host, logs: &Path) -> PathBuf {
    logs.join(format!("{}.conf", host.name))
}

fn etcd_arguments(host: &Host, all: &[Host], dir: &Path) -> Vec<String> {
    let clients = format!("http://{}:{ETCD}", host.ip);
    let peers = |host: &Host| format!("http://{}:{ETCD_PEERS}", host.ip);
    let members: Vec<String> = all.iter().map(|member| format!("{}={}", member.name, peers(member))).collect();
    vec![
        format!("--name={}", host.name),
        format!("--data-dir={}", dir.display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={}", peers(host)),
        format!("--initial-advertise-peer-urls={}", peers(host)),
        format!("--initial-cluster={}", members.join(",")),
    ]
}

/// What `--nats-url` and `--etcd-url` take.
pub(crate) fn urls(scheme: &str, servers: &[Process], port: u16) -> String {
    let urls: Vec<String> = servers.iter().map(|server| format!("{scheme}://{}:{port}", server.host.ip)).collect();
    urls.join(",")
}

/// Whether this member of etcd leads the others.
pub(crate) async fn leads(etcd: &Process) -> bool {
    let (at, lines) = (SocketAddr::from((etcd.host.ip, ETCD)), http::body(None, &json!({})));
    let Ok(answer) = http::send(at, "POST", "/v3/maintenance/status", &lines, http::PATIENCE).await else {
        return false;
    };
    let status = answer.json();
    status.get("leader").is_some_and(|leader| Some(leader) == status.pointer("/header/member_id"))
}

/// The leader first.
pub(crate) async fn by_rank(etcd: &[Process]) -> anyhow::Result<Vec<&'static str>> {
    let (mut leader, mut others) = (None, Vec::new());
    for member in etcd {
        match leader {
            None if leads(member).await => leader = Some(member.host.name),
            Some(_) | None => others.push(member.host.name),
        }
    }
    others.insert(0, leader.context("no member of etcd leads")?);
    Ok(others)
}

/// Debian keeps servers where only root looks.
fn program(name: &str) -> PathBuf {
    let debian = Path::new("/usr/sbin").join(name);
    if debian.exists() { debian } else { PathBuf::from(name) }
}
