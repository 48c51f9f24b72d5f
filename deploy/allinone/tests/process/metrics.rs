//! What the real binary exports: valid exposition, help for everything, units in names, no ids.

use std::collections::BTreeMap;

use crate::velella::Velella;

/// Metrics about things that come without end would grow without end.
const LABELS_FORBIDDEN: [&str; 6] = ["room", "peer", "session", "track", "token", "id"];

/// Prometheus wants base units: seconds and bytes.
const UNITS_FORBIDDEN: [&str; 8] = ["_ms", "_us", "_millis", "_milliseconds", "_minutes", "_kb", "_bits", "_percent"];

#[derive(Debug, Default)]
struct Family {
    help: String,
    kind: String,
    samples: Vec<(String, BTreeMap<String, String>)>,
}

#[test]
fn every_metric_has_help_a_unit_and_no_ids() {
    let velella = Velella::start(&[]);
    velella.peer_token();
    let (status, text) = velella.ask_admin("/metrics");
    assert_eq!(status, 200);
    let families = parse(&text);
    assert!(families.len() > 40, "{}", families.len());
    for (name, family) in &families {
        check(name, family);
    }
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_threads",
        "velella_build_info",
        "velella_coordinator_http_requests_total",
        "velella_worker_sessions",
    ] {
        assert!(families.get(name).is_some_and(|family| !family.samples.is_empty()), "{name} is missing");
    }
}

fn check(name: &str, family: &Family) {
    assert!(name.starts_with("velella_") || name.starts_with("process_"), "{name} says not whose it is");
    assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
    assert!(family.help.len() > 4, "{name} has no help");
    assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name} is a {}", family.kind);
    for unit in UNITS_FORBIDDEN {
        assert!(!name.trim_end_matches("_total").ends_with(unit), "{name} is not in a base unit");
    }
    for (sample, labels) in &family.samples {
        let suffixes = ["", "_bucket", "_sum", "_count"];
        assert!(suffixes.iter().any(|suffix| *sample == format!("{name}{suffix}")), "{sample} is not of {name}");
        for label in LABELS_FORBIDDEN {
            assert!(!labels.contains_key(label), "{name} has the label {label}");
        }
    }
}

/// Reads the text format: each family is HELP, TYPE, samples.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!families.contains_key(name), "{name} stands twice");
            current = name.to_owned();
            families.entry(current.clone()).or_default().help = help.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, current);
            families.get_mut(name).unwrap().kind = kind.to_owned();
        } else {
            families.get_mut(&current).unwrap().samples.push(sample(line));
        }
    }
    families
}

fn sample(line: &str) -> (String, BTreeMap<String, String>) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    value.parse::<f64>().unwrap();
    let Some((name, labels)) = series.split_once('{') else { return (series.to_owned(), BTreeMap::new()) };
    let labels = labels.strip_suffix('}').unwrap().split("\",").map(|pair| {
        let (label, value) = pair.split_once("=\"").unwrap();
        (label.to_owned(), value.trim_end_matches('"').to_owned())
    });
    (name.to_owned(), labels.collect())
}

#[test]
fn the_rules_can_be_broken() {
    let broken = |text: &str| {
        let families = parse(text);
        std::panic::catch_unwind(|| families.iter().for_each(|(name, family)| check(name, family))).is_err()
    };
    assert!(!broken("# HELP velella_a_total What.\n# TYPE velella_a_total counter\nvelella_a_total{k=\"v\"} 1\n"));
    assert!(broken("# HELP velella_a What.\n# TYPE velella_a counter\nvelella_a 1\n"));
    assert!(broken("# HELP velella_a_ms What.\n# TYPE velella_a_ms gauge\nvelella_a_ms 1\n"));
    assert!(broken("# HELP velella_a What.\n# TYPE velella_a gauge\nvelella_a{room=\"r\"} 1\n"));
}
