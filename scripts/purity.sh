#!/usr/bin/env bash
# Checks what must not be there: which crate may depend on which (ARCHITECTURE.md), who may spell
# subjects and keys, and which packages never enter the tree.
set -euo pipefail
cd "$(dirname "$0")/.."

violations=0

violation() {
    echo "purity: $*" >&2
    violations=$((violations + 1))
}

# Every package that a crate or its tests reach, one a line.
reach() {
    cargo tree --locked --package "$1" --edges normal,dev --prefix none --format '{p}' | cut -d' ' -f1 | sort -u
}

# must_not_reach CRATE PATTERN REASON: PATTERN is an extended regular expression for whole names.
must_not_reach() {
    local crate=$1 pattern=$2 reason=$3 reached found
    # Apart, since a failure inside `local` or an `if` would go unseen.
    reached=$(reach "$crate")
    found=$(grep -xE "$pattern" <<<"$reached" || true)
    for package in $found; do violation "$crate depends on $package: $reason"; done
}

IO='tokio|async-nats|etcd-client|axum|hyper|quinn-udp|socket2|mio|prometheus|velella-(bus|store|ops)'
for crate in velella-model velella-proto velella-media velella-coordinator-core velella-worker-core \
    velella-gateway-core velella-broadcast velella-cmaf velella-hls velella-mpegts velella-recording velella-rtmp velella-sound \
    velella-srt velella-timeline; do
    must_not_reach "$crate" "$IO" "it is pure"
done
for crate in velella-bus velella-store velella-ops; do
    must_not_reach "$crate" 'velella-(coordinator|worker|ingest).*' "shared crates know no service"
done
for crate in velella-guard velella-rtsp; do
    must_not_reach "$crate" 'velella-(bus|store|ops|model|coordinator|worker).*' "sources know no cluster"
done
must_not_reach velella-archive 'velella-(coordinator|worker|gateway).*' "recordings know no cluster"
must_not_reach velella-hls-check 'velella-(bus|store|ops|model|media|proto|coordinator|worker|gateway).*|velella-(hls|cmaf)' "it judges any server"
must_not_reach velella-coordinator 'velella-(worker|gateway).*' "services talk by message"
must_not_reach velella-worker 'velella-(coordinator|gateway).*' "services talk by message"
must_not_reach velella-gateway 'velella-(coordinator|worker).*' "services talk by message"
must_not_reach velella-coordinator-core 'str0m.*|dimpl' "the coordinator touches no media"
must_not_reach velella-coordinator 'str0m.*|dimpl|opus.*' "the coordinator touches no media"
must_not_reach velella-worker-core 'opus.*' "codecs are the shell's"

# spelled_only_in FILE TEXT: a string literal that starts with TEXT stands in no other Rust file.
spelled_only_in() {
    local file=$1 text=$2 others
    others=$(grep -rlF --include='*.rs' --exclude-dir=node_modules "\"$text" cli coordinator worker shared deploy tests ingest-gateway | grep -vxF "$file" || true)
    for other in $others; do violation "$other spells \"$text…\": only $file does"; done
}
spelled_only_in shared/model/src/subject.rs 'velella.v1.'
spelled_only_in shared/model/src/key.rs 'velella/v1/'

# One crypto library, built from its own source. `ring` would be a second one.
# Asked of the tree that is built, on every platform: the lock file also names `ring` for a feature
# of rustls-webpki that nothing switches on.
tree=$(cargo tree --locked --workspace --target all --edges normal,build,dev --prefix none --format '{p}' | cut -d' ' -f1 | sort -u)
for package in ring openssl-sys native-tls; do
    if grep -qx "$package" <<<"$tree"; then violation "$package is part of the build"; fi
done

# A nested clippy.toml replaces the one above it, so it has to repeat all of its lines.
for nested in $(git ls-files '*/clippy.toml'); do
    for rule in $(grep -oE '^[a-z-]+ = [a-z0-9]+$|path = "[^"]+"' clippy.toml | tr -d ' '); do
        tr -d ' ' <"$nested" | grep -qF "$rule" || violation "$nested does not repeat $rule of clippy.toml"
    done
done

if [[ $violations -gt 0 ]]; then exit 1; fi
echo "purity: the crates point the right way"
