//! libFuzzer on one target, which the variable `FUZZ` names. See `make fuzz`.

#![no_main]

use std::sync::LazyLock;

use velella_fuzz::Target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ").unwrap_or_default();
    let names = || velella_fuzz::TARGETS.map(|target| target.name).join(", ");
    velella_fuzz::target(&name).unwrap_or_else(|| panic!("FUZZ={name} is none of {}", names()))
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| (TARGET.run)(input));
