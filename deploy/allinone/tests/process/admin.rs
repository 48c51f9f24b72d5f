//! The admin port of the real binary.

use crate::velella::{MANAGEMENT_TOKEN, Velella};

#[test]
fn it_is_alive_ready_and_tells_how_it_is_set() {
    let velella = Velella::start(&[]);
    assert_eq!(velella.ask_admin("/livez"), (200, "alive\n".to_owned()));
    assert_eq!(velella.ask_admin("/readyz"), (200, "ready\n".to_owned()));
    assert_eq!(velella.ask_admin("/debug/version").1, format!("velella {}\n", env!("CARGO_PKG_VERSION")));
    let (status, config) = velella.ask_admin("/debug/config");
    assert_eq!(status, 200);
    assert!(config.contains("workers = 1  # flag"));
    assert!(!config.contains(MANAGEMENT_TOKEN), "{config}");
}
