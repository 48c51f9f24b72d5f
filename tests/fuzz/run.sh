#!/usr/bin/env bash
# Fuzzes targets for so many seconds each, as many at once as there are cores; all of them when none is named.
# What is found worth keeping stays under target/fuzz, for the next time; what breaks a promise ends it, and is shown.
#
# usage: tests/fuzz/run.sh SECONDS [TARGET ...]
set -euo pipefail
cd "$(dirname "$0")/../.."

# Longest that one input may take, and most memory of a run: real ones need milliseconds and some MiB.
INPUT_SECONDS=10
MEMORY_MIB=1024

built=${CARGO_TARGET_DIR:-target}
seeds=tests/fuzz/seeds

one() {
    local seconds=$1 target=$2 found=$built/fuzz/$2
    if [[ ! -d $seeds/$target ]]; then
        echo "no target is called $target, only: $(ls -C $seeds)" >&2
        return 64
    fi
    mkdir -p "$found"
    if FUZZ=$target "$built/debug/velella-fuzz" "$found" "$seeds/$target" -max_total_time="$seconds" \
        -timeout="$INPUT_SECONDS" -rss_limit_mb="$MEMORY_MIB" -artifact_prefix="$built/fuzz/$target-" \
        -print_final_stats=1 >"$found.log" 2>&1; then
        echo "$target: $(grep -oP 'number_of_executed_units: \K.*' "$found.log") inputs"
    else
        grep -v '^#' "$found.log" >&2
        echo "$target is broken; once that is mended, the input belongs into $seeds/$target" >&2
        return 1
    fi
}

if [[ ${1-} == --one ]]; then
    one "$2" "$3"
    exit
fi
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [TARGET ...]}
shift
targets=("$@")
if [[ $# -eq 0 ]]; then mapfile -t targets < <(ls $seeds); fi
printf '%s\n' "${targets[@]}" | xargs --max-procs="$(nproc)" --replace "$0" --one "$seconds" {}
