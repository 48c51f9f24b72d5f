//! Every run of the tests goes through what was worth keeping: real captures, and what once broke a promise.

use std::fs;
use std::path::Path;

use velella_fuzz::TARGETS;

#[test]
fn no_seed_breaks_a_promise() {
    for target in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target.name);
        let seeds = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut count = 0;
        for seed in seeds {
            let path = seed.unwrap().path();
            println!("{}", path.display());
            (target.run)(&fs::read(path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{} has no seeds", target.name);
        (target.run)(&[]);
    }
}
