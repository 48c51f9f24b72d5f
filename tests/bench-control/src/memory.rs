//! The memory of this process, both ends of every socket included.

use anyhow::{Context, Result};

/// See above.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident_kib: u64,
    pub(crate) peak_kib: u64,
}

impl Memory {
    pub(crate) fn now() -> Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status").context("the memory of this process")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
            number.and_then(|number| number.trim().parse().ok()).with_context(|| format!("no {name} there"))
        };
        Ok(Self { resident_kib: field("VmRSS:")?, peak_kib: field("VmHWM:")? })
    }
}
