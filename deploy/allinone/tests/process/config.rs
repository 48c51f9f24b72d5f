//! The config as a whole: what is printed, what the page in `docs` says, what `--help` knows.

use std::collections::BTreeSet;
use std::path::Path;

use crate::velella::command;

fn printed(flags: &[&str], variables: &[(&str, &str)]) -> String {
    let output = command().args(flags).envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_printed_can_be_read_again() {
    let secret = "0123456789abcdef0123456789abcdef";
    let variables = [("VELELLA_TOKEN_SECRET", secret), ("VELELLA_ADVERTISE_IP", "192.0.2.1,192.0.2.2")];
    let text = printed(&["--workers", "3", "--print-config"], &variables);
    assert!(!text.contains(secret));
    assert!(text.contains("workers = 3  # flag\n"));
    assert!(text.contains("advertise-ip = [\"192.0.2.1\", \"192.0.2.2\"]  # VELELLA_ADVERTISE_IP\n"), "{text}");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("printed.toml");
    std::fs::write(&path, &text).unwrap();
    let again = printed(&["--config", path.to_str().unwrap(), "--print-config"], &[]);
    let values = |text: &str| text.lines().map(|line| line.split("  #").next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(values(&again), values(&text.replace("# token-secret = \"***\"", "# token-secret is not set")));
}

#[test]
fn a_good_config_is_said_to_be_good() {
    assert_eq!(printed(&["--check-config"], &[]), "the config is good\n");
}

#[test]
fn help_names_every_variable_once() {
    let help = printed(&["--help"], &[]);
    let named: Vec<_> = help.match_indices("[env: VELELLA_").map(|(at, _)| variable(&help[at + 6..])).collect();
    assert!(named.len() > 20, "{help}");
    assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len());
    for heading in ["Config:", "Process:", "Coordinator:", "Workers:"] {
        assert!(help.contains(heading), "{heading} is missing:\n{help}");
    }
}

fn variable(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_uppercase() && c != '_').next().unwrap()
}
