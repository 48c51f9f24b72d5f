//! What processes say to each other and what the store keeps, byte by byte.
//!
//! A file per kind of message holds, for each example, its name, its JSON view for people and its
//! MessagePack in hex. A changed line breaks a rolling upgrade or the records of a running cluster;
//! a new line is a new example. `UPDATE_GOLDEN=1 cargo test -p velella-model --test golden` makes the
//! files anew.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod agent;
mod announce;
mod command;
mod component;
mod holding;
mod ingest;
mod record;
mod resource;
mod signal;

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use rmpv::Value;
use velella_model::wire::{self, Message, WireError};

/// Checks all examples of one kind against its file.
fn holds<M: Message + PartialEq + Debug>(kind: &str, examples: &[(&str, M)]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{kind}.txt"));
    let today: String = examples.iter().map(|(name, message)| entry(name, message)).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &today).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(golden, today, "{kind}: this build writes something else");

    for ((name, message), bytes) in examples.iter().zip(golden.lines().skip(2).step_by(4).map(unhex)) {
        assert_eq!(wire::decode::<M>(&bytes).as_ref(), Ok(message), "{kind}, {name}");
        assert_eq!(
            wire::decode::<M>(&with_unknown_fields(&bytes)).as_ref(),
            Ok(message),
            "{kind}, {name}: later minor"
        );
        let next = wire::decode::<M>(&of_version(&bytes, M::VERSION + 1));
        assert_eq!(next, Err(WireError::Version { theirs: M::VERSION + 1, ours: M::VERSION }), "{kind}, {name}");
    }
}

fn entry<M: Message>(name: &str, message: &M) -> String {
    let view = serde_json::to_string(message).unwrap();
    format!("{name}\n{view}\n{}\n\n", hex(&wire::encode(message)))
}

/// As a later build would write it: with more in the envelope, in the message, and in every variant.
fn with_unknown_fields(bytes: &[u8]) -> Vec<u8> {
    let mut envelope = read(bytes);
    let fields = map(&mut envelope);
    for (_, message) in fields.iter_mut().filter(|(name, _)| name.as_str() == Some("m")) {
        map(message).push(unknown());
        grow_variants(message);
    }
    fields.push(unknown());
    write(&envelope)
}

fn grow_variants(value: &mut Value) {
    if let Value::Array(items) = value {
        items.iter_mut().for_each(grow_variants);
    } else if let Value::Map(fields) = value {
        fields.iter_mut().for_each(|(_, value)| grow_variants(value));
        if fields.iter().any(|(name, _)| name.as_str() == Some("type")) {
            fields.push(unknown());
        }
    }
}

fn unknown() -> (Value, Value) {
    let nested = Value::Map(vec![("deep".into(), Value::Array(vec![1.into(), Value::Nil]))]);
    ("from_the_future".into(), nested)
}

fn of_version(bytes: &[u8], version: u16) -> Vec<u8> {
    let mut envelope = read(bytes);
    for (_, v) in map(&mut envelope).iter_mut().filter(|(name, _)| name.as_str() == Some("v")) {
        *v = version.into();
    }
    write(&envelope)
}

fn map(value: &mut Value) -> &mut Vec<(Value, Value)> {
    let Value::Map(fields) = value else { panic!("{value} has no named fields") };
    fields
}

fn read(mut bytes: &[u8]) -> Value {
    rmpv::decode::read_value(&mut bytes).unwrap()
}

fn write(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap()).collect()
}
