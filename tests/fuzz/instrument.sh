#!/bin/sh
# Cargo's RUSTC_WORKSPACE_WRAPPER for `make fuzz`: has the crates of this workspace tell libFuzzer which branches they
# take and what they compare. So only they are compiled once more; what they depend on is as in every other build.
# The flags are those of cargo-fuzz. No sanitizer: there is no `unsafe` to watch, and it would need another toolchain.
case " $* " in
*" build_script_"*) exec "$@" ;; # they run without libFuzzer
esac
exec "$@" -Cpasses=sancov-module -Copt-level=2 -Ccodegen-units=1 -Clink-dead-code \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
