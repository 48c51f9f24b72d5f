//! Loopback ports that no other test takes.
//!
//! They lie below the ports that the kernel hands out by itself, and a lock file per port keeps
//! other test processes away for as long as it is held, also while the server is down.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Linux hands out 32768 and above.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port of 127.0.0.1 that is ours until this is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// The next free one.
    pub fn take() -> Self {
        static TRIED: AtomicU16 = AtomicU16::new(0);
        let locks = std::env::temp_dir().join("velella-test-ports");
        fs::create_dir_all(&locks).expect("a directory for locks");
        // Processes begin at different places, so that they rarely meet.
        let start = std::process::id() % u32::from(COUNT);
        for _ in 0..COUNT {
            let offset = (start + u32::from(TRIED.fetch_add(1, Ordering::Relaxed))) % u32::from(COUNT);
            let number = FIRST + u16::try_from(offset).expect("less than COUNT");
            let lock = File::create(locks.join(number.to_string())).expect("a lock file");
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Self { number, _lock: lock };
            }
        }
        panic!("no free port from {FIRST} to {}", FIRST + COUNT);
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}
