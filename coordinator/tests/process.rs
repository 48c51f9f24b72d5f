//! The binary from outside: what it explains, what it refuses.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::process::{Command, Output, Stdio};

fn run(flags: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_velella-coordinator");
    Command::new(binary).env_clear().stdin(Stdio::null()).args(flags).output().unwrap()
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
    for heading in ["Coordinator:", "NATS:", "etcd:", "Process:", "Config:"] {
        assert!(help.contains(heading), "{heading} is missing:\n{help}");
    }
    assert!(!help.contains("VELELLA_UDP"), "{help}");
}

#[test]
fn a_mistake_is_one_sentence_before_anything_is_connected() {
    let secrets = ["--management-token=t", "--token-secret=0123456789abcdef0123456789abcdef"];
    let with = |flag| refused(&[&secrets[..], &[flag]].concat());
    assert!(refused(&[]).starts_with("the following required arguments were not provided: --management-token"));
    assert!(with("--etcd-user=u").ends_with("--etcd-user and --etcd-password need each other\n"));
    assert_eq!(
        with("--etcd-url=etcd"),
        "invalid value 'etcd' for '--etcd-url <ETCD_URL>': expected a member of etcd like https://etcd-0:2379 \
         (VELELLA_ETCD_URL)\n"
    );
}
