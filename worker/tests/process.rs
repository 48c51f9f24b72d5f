//! The binary from outside: what it explains, what it refuses.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::process::{Command, Output, Stdio};

fn run(flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_velella-worker")).env_clear().stdin(Stdio::null()).args(flags).output().unwrap()
}

fn refused(flags: &[&str]) -> String {
    let output = run(flags);
    assert_eq!(output.status.code(), Some(64), "{flags:?}");
    assert!(output.stdout.is_empty(), "{flags:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn help_knows_all_of_its_settings() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    for heading in ["Workers:", "NATS:", "etcd:", "Process:", "Config:"] {
        assert!(help.contains(heading), "{heading} is missing:\n{help}");
    }
    assert!(help.contains("VELELLA_WORKER_ID") && help.contains("VELELLA_DRAIN_DEADLINE"), "{help}");
    assert!(!help.contains("VELELLA_MANAGEMENT_TOKEN"), "{help}");
}

#[test]
fn a_mistake_is_one_sentence_before_anything_is_connected() {
    let nameless = "the following required arguments were not provided: --worker-id <WORKER_ID>\n";
    assert_eq!(refused(&[]), nameless);
    let two_logins = ["--worker-id=w", "--nats-token=t", "--nats-nkey=n"];
    let one_login = "NATS takes one login: a user, a token, an nkey or a credentials file, not several\n";
    assert!(refused(&two_logins).ends_with(one_login));
    assert_eq!(
        refused(&["--worker-id=w", "--drain-deadline=soon"]),
        "invalid value 'soon' for '--drain-deadline <DRAIN_DEADLINE>': expected a number with a unit: s, m, h or d \
         (VELELLA_DRAIN_DEADLINE)\n"
    );
}
