//! Every mistake in the config is one sentence and exit code 64, and nothing was started.

use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Output;

use crate::velella::command;

struct Given<'a> {
    flags: &'a [&'a str],
    variables: &'a [(&'a str, &'a str)],
}

fn run(given: &Given<'_>) -> Output {
    command().args(given.flags).envs(given.variables.iter().copied()).output().unwrap()
}

fn refused(flags: &[&str], variables: &[(&str, &str)], sentence: &str) {
    let output = run(&Given { flags, variables });
    let stderr = String::from_utf8(output.stderr).unwrap();
    // The well-known token is warned about before an address turns out to be taken.
    let said: Vec<_> = stderr.lines().filter(|line| !line.contains("WARN") && !line.contains("INFO")).collect();
    assert_eq!(said, [sentence], "{flags:?} {variables:?}");
    assert_eq!(output.status.code(), Some(64), "{flags:?} {variables:?}");
    assert!(output.stdout.is_empty(), "{flags:?} {variables:?}");
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_bad_flag_is_named_with_its_variable() {
    let table: [(&[&str], &str); 9] = [
        (&["--lisen", "x"], "unexpected argument '--lisen' found"),
        (
            &["--listen", "here"],
            "invalid value 'here' for '--listen <LISTEN>': invalid socket address syntax (VELELLA_LISTEN)",
        ),
        (
            &["--listen", "127.0.0.1:70000"],
            "invalid value '127.0.0.1:70000' for '--listen <LISTEN>': invalid socket address syntax (VELELLA_LISTEN)",
        ),
        (
            &["--token-secret", "short"],
            "invalid value '***' for '--token-secret <TOKEN_SECRET>': it needs at least 32 bytes (VELELLA_TOKEN_SECRET)",
        ),
        (&["--workers", "0"], "invalid value '0' for '--workers <WORKERS>': 0 is not in 1..=64 (VELELLA_WORKERS)"),
        (
            &["--token-ttl", "1"],
            "invalid value '1' for '--token-ttl <TOKEN_TTL>': expected a number with a unit: s, m, h or d \
             (VELELLA_TOKEN_TTL)",
        ),
        (
            &["--log-format", "xml"],
            "invalid value 'xml' for '--log-format <LOG_FORMAT>' [possible values: text, json] (VELELLA_LOG_FORMAT)",
        ),
        (
            &["--public-url", "meet.example.com"],
            "invalid value 'meet.example.com' for '--public-url <PUBLIC_URL>': expected a URL that begins with \
             http:// or https:// (VELELLA_PUBLIC_URL)",
        ),
        (
            &["--udp", "127.0.0.1:65535", "--workers", "2", "--listen", "127.0.0.1:0"],
            "no media port is left for worker 2: lower VELELLA_UDP or VELELLA_WORKERS",
        ),
    ];
    for (flags, sentence) in table {
        refused(flags, &[], sentence);
    }
}

#[test]
fn a_bad_variable_is_named() {
    let table: [(&[(&str, &str)], &str); 4] = [
        (
            &[("VELELLA_MANAGEMENT_TOKEN", "")],
            "invalid value '' for '--management-token <MANAGEMENT_TOKEN>': a secret must not be empty \
             (VELELLA_MANAGEMENT_TOKEN)",
        ),
        (
            &[("VELELLA_LOG", "info,velella=loud")],
            "invalid value 'info,velella=loud' for '--log <LOG>': error parsing level filter: expected one of \"off\", \
             \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5 (VELELLA_LOG)",
        ),
        (
            &[("FJ_SECRET_KEY_BASE", "short")],
            "invalid value '***' for '--token-secret <TOKEN_SECRET>': it needs at least 32 bytes (FJ_SECRET_KEY_BASE)",
        ),
        (
            &[("JF_PORT", "http")],
            "invalid value '127.0.0.1:http' for '--listen <LISTEN>': invalid socket address syntax (JF_PORT)",
        ),
    ];
    for (variables, sentence) in table {
        refused(&[], variables, sentence);
    }
}

#[test]
fn a_bad_file_is_named_with_its_key() {
    let table = [
        ("unknown.toml", "lisen = '127.0.0.1:0'", "unknown key `lisen` in {}; did you mean `listen`?"),
        ("foreign.toml", "colour = 'blue'", "unknown key `colour` in {}"),
        (
            "type.toml",
            "workers = 'two'",
            "invalid value 'two' for '--workers <WORKERS>': invalid digit found in string (workers in {})",
        ),
        ("table.toml", "[listen]\nport = 1", "`listen` in {} is a table, which no setting takes"),
        (
            "truth.toml",
            "demo = 'perhaps'",
            "invalid value 'perhaps' for '--demo[=<true|false>]' [possible values: true, false] (demo in {})",
        ),
        (
            "broken.toml",
            "demo = true\nlisten = ",
            "{} is not TOML, line 2: string values must be quoted, expected literal string",
        ),
        (
            "secret.toml",
            "token-secret = 'hush'",
            "invalid value '***' for '--token-secret <TOKEN_SECRET>': it needs at least 32 bytes (token-secret in {})",
        ),
    ];
    for (name, text, sentence) in table {
        let path = file(name, text);
        let path = path.to_str().unwrap();
        refused(&["--config", path], &[], &sentence.replace("{}", path));
        refused(&["--check-config"], &[("VELELLA_CONFIG", path)], &sentence.replace("{}", path));
    }
    let gone = "cannot read /nowhere/velella.toml: No such file or directory (os error 2)";
    refused(&["--config", "/nowhere/velella.toml"], &[], gone);
    refused(
        &[],
        &[("VELELLA_MANAGEMENT_TOKEN_FILE", "/nowhere/velella.toml")],
        &format!("{gone} (VELELLA_MANAGEMENT_TOKEN_FILE)"),
    );
}

#[test]
fn an_address_that_cannot_be_had_is_named() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (tcp, udp) = (&tcp.local_addr().unwrap().to_string(), &udp.local_addr().unwrap().to_string());
    let in_use = "Address already in use (os error 98)";
    let (free_http, free_udp) = (["--listen", "127.0.0.1:0"], ["--udp", "127.0.0.1:0"]);
    refused(
        &[&["--listen", tcp.as_str()], &free_udp[..]].concat(),
        &[],
        &format!("cannot listen on {tcp} (VELELLA_LISTEN): {in_use}"),
    );
    refused(
        &[&["--admin", tcp.as_str()], &free_http[..], &free_udp[..]].concat(),
        &[],
        &format!("cannot listen on {tcp} (VELELLA_ADMIN): {in_use}"),
    );
    refused(
        &[&["--udp", udp.as_str()], &free_http[..]].concat(),
        &[],
        &format!("cannot receive media on udp {udp} (VELELLA_UDP): {in_use}"),
    );
    refused(
        &[&["--listen", "192.0.2.1:5002"], &free_udp[..]].concat(),
        &[],
        "cannot listen on 192.0.2.1:5002 (VELELLA_LISTEN): Cannot assign requested address (os error 99)",
    );
}

#[test]
fn media_on_every_address_needs_one_to_advertise() {
    let output = run(&Given { flags: &["--listen", "0.0.0.0:0", "--udp", "0.0.0.0:0"], variables: &[] });
    assert_eq!(output.status.code(), Some(64));
    let advice = "which no client can reach by that name: set VELELLA_ADVERTISE_IP to the address that clients use\n";
    assert!(String::from_utf8(output.stderr).unwrap().ends_with(advice));
}
