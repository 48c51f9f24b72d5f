//! CPU time of a process and its threads, and datagrams its sockets dropped, from `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::time::Instant;

use serde::Serialize;

/// `USER_HZ`: the unit of times in `/proc`, 100 on every Linux this runs on.
const TICKS_PER_SECOND: f64 = 100.0;
/// Threads named in a report.
const BUSIEST: usize = 5;

/// CPU time consumed until now.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    at: Instant,
    ticks: u64,
    threads: BTreeMap<u32, Stat>,
}

/// CPU use between two samples; 100 is one core.
#[derive(Debug, Clone, Serialize, PartialEq)]
pub(crate) struct Usage {
    pub(crate) percent: f64,
    pub(crate) threads: Vec<(String, f64)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stat {
    name: String,
    ticks: u64,
}

impl Sample {
    pub(crate) fn take(pid: u32) -> io::Result<Self> {
        let whole = read_stat(&format!("/proc/{pid}/stat"))?;
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let Ok(tid) = entry?.file_name().to_string_lossy().parse() else { continue };
            // A thread may end between the listing and the read.
            if let Ok(stat) = read_stat(&format!("/proc/{pid}/task/{tid}/stat")) {
                threads.insert(tid, stat);
            }
        }
        Ok(Self { at: Instant::now(), ticks: whole.ticks, threads })
    }

    pub(crate) fn until(&self, later: &Self) -> Usage {
        let seconds = later.at.duration_since(self.at).as_secs_f64();
        let percent = |before: u64, after: u64| share(after.saturating_sub(before), seconds);
        let since = |tid: &u32, stat: &Stat| percent(self.threads.get(tid).map_or(0, |s| s.ticks), stat.ticks);
        let mut threads: Vec<(String, f64)> =
            later.threads.iter().map(|(tid, stat)| (stat.name.clone(), since(tid, stat))).collect();
        threads.sort_by(|a, b| b.1.total_cmp(&a.1));
        threads.truncate(BUSIEST);
        Usage { percent: percent(self.ticks, later.ticks), threads }
    }
}

/// Percent of a core, rounded to what 10 ms ticks can tell.
#[expect(clippy::cast_precision_loss, reason = "a tick count below 2^52 is centuries")]
fn share(ticks: u64, seconds: f64) -> f64 {
    (ticks as f64 / TICKS_PER_SECOND / seconds.max(f64::MIN_POSITIVE) * 1000.0).round() / 10.0
}

fn read_stat(path: &str) -> io::Result<Stat> {
    parse_stat(&fs::read_to_string(path)?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unknown stat format"))
}

/// The name stands in parentheses and may hold spaces and parentheses itself; user and system
/// time are fields 14 and 15 (proc(5)).
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, rest) = line.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Stat { name: name.into(), ticks: user + system })
}

/// Datagrams that the kernel dropped because these local ports were not read in time.
pub(crate) fn dropped_datagrams(ports: &BTreeSet<u16>) -> io::Result<u64> {
    Ok(sum_drops(&fs::read_to_string("/proc/net/udp")?, ports))
}

fn sum_drops(table: &str, ports: &BTreeSet<u16>) -> u64 {
    let of_line = |line: &str| {
        let mut fields = line.split_whitespace();
        let (_, port) = fields.nth(1)?.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        ports.contains(&port).then(|| fields.last()?.parse::<u64>().ok())?
    };
    table.lines().filter_map(of_line).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_thread_name_may_look_like_anything() {
        let line = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0";
        assert_eq!(parse_stat(line), Some(Stat { name: "a) b (c".into(), ticks: 300 }));
        assert_eq!(parse_stat("42 (short) S 1 2"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn usage_is_percent_of_a_core_with_the_busiest_thread_first() {
        let at = Instant::now();
        let before = sample(at, 100, &[(1, "main", 50), (2, "shard-0", 50)]);
        let after = sample(at + Duration::from_secs(10), 900, &[(1, "main", 60), (2, "shard-0", 740), (3, "new", 100)]);
        let usage = before.until(&after);
        assert!((usage.percent - 80.0).abs() < 0.01);
        let names: Vec<&str> = usage.threads.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["shard-0", "new", "main"]);
        assert!((usage.threads[0].1 - 69.0).abs() < 0.01);
    }

    #[test]
    fn this_process_can_be_sampled() {
        let sample = Sample::take(std::process::id()).unwrap();
        assert!(!sample.threads.is_empty());
    }

    #[test]
    fn drops_are_summed_over_own_ports_only() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  1: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 7
  2: 0100007F:1F91 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 30
  3: 0100007F:2710 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 500";
        assert_eq!(sum_drops(table, &BTreeSet::from([0x1f90, 0x1f91])), 37);
    }

    fn sample(at: Instant, ticks: u64, threads: &[(u32, &str, u64)]) -> Sample {
        let stat = |(tid, name, ticks): &(u32, &str, u64)| (*tid, Stat { name: (*name).into(), ticks: *ticks });
        Sample { at, ticks, threads: threads.iter().map(stat).collect() }
    }
}
