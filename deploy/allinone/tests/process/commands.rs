//! The operators' command line against a server that runs: every command, as a table and as JSON.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::velella::{MANAGEMENT_TOKEN, Velella, command};

/// A server with two workers, and the command line pointed at it.
struct Cluster(Velella);

impl Cluster {
    fn start() -> Self {
        Self::start_with(&[])
    }

    /// With these flags for the server on top.
    fn start_with(flags: &[&str]) -> Self {
        let cluster = Self(Velella::start_workers("2", flags));
        assert_eq!(cluster.0.post("/room", "{}")["data"]["room"]["id"].as_str().map(str::is_empty), Some(false));
        cluster
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = command();
        let url = format!("http://{}", self.0.http);
        command.args(arguments).env("VELELLA_URL", url).env("VELELLA_MANAGEMENT_TOKEN", MANAGEMENT_TOKEN);
        // Settings of a server, and wrong ones: none of a command's business.
        command.env("VELELLA_LISTEN", "nowhere").env("FJ_PORT", "x").env("VELELLA_CONFIG", "/nowhere/velella.toml");
        command
    }

    /// What a command prints that goes well, and says nothing but progress.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[arguments, &["-o", "json"]].concat())).unwrap()
    }

    /// Tables as words, without the line of titles.
    fn rows(&self, arguments: &[&str]) -> Vec<Vec<String>> {
        words(&self.run(arguments)).split_off(1)
    }

    /// One sentence, this exit code, and nothing else.
    fn refused(&self, arguments: &[&str], code: i32, sentence: &str) {
        refused(&self.command(arguments).output().unwrap(), code, sentence);
    }

    /// A new room, and where it lives.
    fn room(&self) -> (String, String) {
        let (room, _, _) = self.0.peer();
        let worker = self.json(&["placement", &room])["worker"].as_str().unwrap().to_owned();
        (room, worker)
    }
}

fn words(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn refused(output: &Output, code: i32, sentence: &str) {
    assert_eq!(stderr(output), format!("{sentence}\n"));
    assert_eq!(output.status.code(), Some(code));
    assert!(output.stdout.is_empty());
}

fn other(worker: &str) -> &'static str {
    if worker == "worker-1" { "worker-2" } else { "worker-1" }
}

#[test]
fn workers_are_listed_and_one_is_shown() {
    let cluster = Cluster::start();
    let rows = cluster.rows(&["workers"]);
    assert_eq!(rows.iter().map(|row| row[..3].join(" ")).collect::<Vec<_>>(), ["worker-1 ready -", "worker-2 ready -"]);
    let all = cluster.json(&["workers"]);
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert!(all[0]["capacity"]["rooms_max"].is_u64(), "{all}");
    assert_eq!(cluster.rows(&["workers", "worker-2"])[0][0], "worker-2");
    assert_eq!(cluster.json(&["workers", "worker-2"])["worker"], "worker-2");
    cluster.refused(&["workers", "worker-9"], 1, "Worker worker-9 does not exist");
}

#[test]
fn gateways_are_listed_and_one_that_is_not_there_is_refused() {
    let cluster = Cluster::start();
    // Its first announcement may still be on its way.
    let announced = Instant::now() + Duration::from_secs(10);
    while cluster.rows(&["gateways"]).is_empty() {
        assert!(Instant::now() < announced, "no gateway is listed");
    }
    assert_eq!(cluster.rows(&["gateways"])[0][..2].join(" "), "gateway-1 ready");
    assert_eq!(cluster.json(&["gateways", "gateway-1"])["gateway"], "gateway-1");
    cluster.refused(&["gateways", "gateway-9"], 1, "Gateway gateway-9 does not exist");
}

#[test]
fn rooms_are_listed_as_they_are_wanted() {
    let cluster = Cluster::start();
    let (room, worker) = cluster.room();
    let rows = cluster.rows(&["rooms"]);
    assert_eq!(rows.len(), 2);
    let row = rows.iter().find(|row| row[0] == room).unwrap();
    let generation = cluster.json(&["placement", &room])["generation"].to_string();
    assert_eq!(row[1..], [worker.as_str(), "conference", "h264", "0", "1", "0", generation.as_str()]);
    let here = cluster.json(&["rooms", "--worker", &worker, "--prefix", &room]);
    assert_eq!(here.as_array().unwrap().iter().map(|room| &room["room"]).collect::<Vec<_>>(), [&room]);
    assert_eq!(cluster.json(&["rooms", "--in-use"]), serde_json::json!([]));
    cluster.refused(&["rooms", "--worker", "a b"], 1, &cluster.bad_worker());
}

impl Cluster {
    /// What the coordinator itself says about an id that is none.
    fn bad_worker(&self) -> String {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = agent.get(format!("http://{}/cluster/rooms?worker=a%20b", self.0.http));
        let answer = request.header("authorization", format!("Bearer {MANAGEMENT_TOKEN}")).call();
        let answer: Value = serde_json::from_str(&answer.unwrap().body_mut().read_to_string().unwrap()).unwrap();
        answer["errors"].as_str().unwrap().to_owned()
    }
}

#[test]
fn all_pages_make_one_list() {
    // The rooms come faster than workers tell that they cost nothing.
    let cluster = Cluster::start_with(&["--load-permille-max", "1000000"]);
    // More than a coordinator puts on one page.
    for _ in 0..501 {
        cluster.0.post("/room", "{}");
    }
    let rooms = cluster.json(&["rooms"]);
    let ids: std::collections::BTreeSet<_> =
        rooms.as_array().unwrap().iter().map(|room| room["room"].as_str()).collect();
    assert_eq!((ids.len(), rooms.as_array().unwrap().len()), (502, 502));
}

#[test]
fn a_placement_tells_where_and_why() {
    let cluster = Cluster::start();
    let (room, worker) = cluster.room();
    let text = cluster.run(&["placement", &room]);
    assert!(text.starts_with(&format!("Room {room} lives on {worker} (127.0.0.1:")), "{text}");
    let rows = words(&text).split_off(3);
    assert_eq!([&rows[0][..2], &rows[1][..2]], [[worker.as_str(), "chosen"], [other(&worker), "possible"]]);
    assert_eq!(cluster.json(&["placement", &room])["room"], room.as_str());
    cluster.refused(&["placement", "nowhere"], 1, "Room nowhere does not exist");
    cluster.refused(&["placement", "no/../such"], 1, "Invalid room ID: no/../such");
}

#[test]
fn a_cordoned_worker_takes_no_rooms_until_it_is_let() {
    let cluster = Cluster::start();
    assert!(cluster.run(&["cordon", "worker-1"]).starts_with("worker-1 takes no new rooms and keeps its "));
    assert_eq!(cluster.rows(&["workers", "worker-1"])[0][1], "cordoned");
    assert_eq!(cluster.room().1, "worker-2");
    assert_eq!(cluster.json(&["cordon", "worker-1"])["cordon"], "cordon");
    assert_eq!(cluster.run(&["uncordon", "worker-1"]), "worker-1 takes rooms again.\n");
    assert_eq!(cluster.json(&["uncordon", "worker-1"])["cordon"], Value::Null);
    cluster.refused(&["cordon", "worker-9"], 1, "Worker worker-9 does not exist");
}

#[test]
fn a_drain_is_waited_for() {
    let cluster = Cluster::start();
    let (room, worker) = cluster.room();
    let text = cluster.run(&["drain", &worker, "--wait"]);
    assert_eq!(text, format!("{worker} is drained: no room is left on it.\n"));
    assert_eq!(cluster.json(&["placement", &room])["worker"], other(&worker));
    assert_eq!(cluster.rows(&["workers", &worker])[0][1], "draining");
    let shown = cluster.json(&["drain", &worker, "--wait"]);
    assert_eq!((&shown["cordon"], &shown["rooms_placed"]), (&"drain".into(), &0.into()));
    assert_eq!(cluster.run(&["drain", &worker]), format!("{worker} is draining: 0 rooms left.\n"));
}

#[test]
fn a_drain_with_nowhere_to_go_runs_out_of_time() {
    let cluster = Cluster::start();
    let (_, worker) = cluster.room();
    cluster.run(&["cordon", other(&worker)]);
    let left = cluster.json(&["rooms", "--worker", &worker]).as_array().unwrap().len();
    let left = if left == 1 { "1 room".to_owned() } else { format!("{left} rooms") };
    let progress = format!("{worker} is draining: {left} left");
    let sentence = format!("{worker} is not drained after 1 s: {left} left; it drains on");
    cluster.refused(&["drain", &worker, "--wait", "--timeout", "1s"], 1, &format!("{progress}\n{sentence}"));
}

#[test]
fn a_room_moves_to_the_other_worker() {
    let cluster = Cluster::start();
    let (room, worker) = cluster.room();
    let there = other(&worker);
    let moved = cluster.run(&["move", &room]);
    assert!(moved.starts_with(&format!("Room {room} lives on {there}, generation ")), "{moved}");
    assert_eq!(cluster.json(&["placement", &room])["worker"], there);
    assert_eq!(cluster.json(&["move", &room, "--to", &worker])["worker"], worker.as_str());
    cluster.refused(&["move", &room, "--to", "worker-9"], 1, "Worker worker-9 does not exist");
    cluster.refused(&["move", "nowhere"], 1, "Room nowhere does not exist");
}

#[test]
fn top_shows_totals_and_workers_round_by_round() {
    let cluster = Cluster::start();
    let text = cluster.run(&["top", "--count", "2"]);
    assert_eq!(text.matches("rooms 1   peers 0 of 0   workers 2 of 2 ready\n").count(), 2, "{text}");
    assert!(!text.contains('\u{1b}'), "no terminal, no screen");
    let text = cluster.run(&["top", "-n", "1", "--rows", "1"]);
    assert!(text.contains("and 1 less loaded\n"), "{text}");
    let round = cluster.json(&["top", "-n", "1"]);
    assert_eq!((&round["totals"]["workers"], round["workers"].as_array().unwrap().len()), (&2.into(), 2));
}

#[test]
fn top_ends_well_when_it_is_interrupted_or_nobody_reads() {
    let cluster = Cluster::start();
    let first_line = |top: &mut Child| {
        let mut reader = BufReader::new(top.stdout.take().unwrap());
        reader.read_line(&mut String::new()).unwrap();
        reader
    };
    let mut top = cluster.command(&["top"]).spawn().unwrap();
    let reader = first_line(&mut top);
    kill_process(Pid::from_child(&top), Signal::INT).unwrap();
    assert_eq!(top.wait().unwrap().code(), Some(0));
    drop(reader);
    let mut top = cluster.command(&["top"]).spawn().unwrap();
    drop(first_line(&mut top));
    let output = top.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn a_wrong_token_is_told_apart() {
    let cluster = Cluster::start();
    let url = format!("http://{}", cluster.0.http);
    let sentence =
        format!("the coordinator at {url} refuses the token: Invalid token (--token or VELELLA_MANAGEMENT_TOKEN)");
    for arguments in [&["workers"][..], &["rooms"], &["placement", "r"], &["drain", "w"], &["move", "r"], &["top"]] {
        cluster.refused(&[arguments, &["--token", "guessed"]].concat(), 77, &sentence);
    }
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("token");
    std::fs::write(&path, format!("{MANAGEMENT_TOKEN}\n")).unwrap();
    let output = command().args(["workers", "--url", &url]).env("VELELLA_MANAGEMENT_TOKEN_FILE", path).output();
    assert!(output.unwrap().status.success());
}

#[test]
fn nobody_and_somebody_else_are_no_coordinators() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");
    let output = command().args(["workers", "--url", &url]).output().unwrap();
    let reason = "io: Connection refused (os error 111)";
    refused(&output, 69, &format!("no coordinator answers at {url}: {reason} (--url or VELELLA_URL)"));
    let cluster = Cluster::start();
    let admin = format!("http://{}", cluster.0.admin);
    let sentence = format!("what answers at {admin} is not a coordinator (--url or VELELLA_URL)");
    cluster.refused(&["workers", "--url", &admin], 69, &sentence);
}

#[test]
fn wrong_usage_is_one_sentence() {
    let table: [(&[&str], &str); 5] = [
        (&["wrokers"], "unrecognized subcommand 'wrokers'"),
        (&["drain", "w", "--timeout", "1s"], "the following required arguments were not provided: --wait"),
        (
            &["workers", "--url", "meet"],
            "invalid value 'meet' for '--url <URL>': expected something like https://meet.example.com (VELELLA_URL)",
        ),
        (&["workers", "-o", "xml"], "invalid value 'xml' for '--output <OUTPUT>' [possible values: table, json]"),
        (
            &["workers", "--url", "http://192.0.2.1"],
            "no token for http://192.0.2.1: set VELELLA_MANAGEMENT_TOKEN, or give --token",
        ),
    ];
    for (arguments, sentence) in table {
        refused(&command().args(arguments).output().unwrap(), 64, sentence);
    }
}

#[test]
fn help_and_completions_need_no_server() {
    let verbs = ["workers", "rooms", "placement", "cordon", "uncordon", "drain", "move", "top", "completions"];
    let print = |arguments: &[&str]| {
        let output = command().args(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let help = print(&["help"]);
    for verb in verbs {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} is missing:\n{help}");
        assert!(print(&[verb, "--help"]).contains("Example"), "{verb}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(print(&["completions", shell]).contains("uncordon"), "{shell}");
    }
}
