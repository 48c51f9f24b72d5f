#!/usr/bin/env bash
# What faults cost those who are in calls, on a cluster of real processes on this machine: bots in many rooms,
# one fault after the other, and for each the silences that receivers saw. Takes about six minutes.
#
# usage: scripts/bench-cluster.sh [FAULT...]     all of them without arguments
set -euo pipefail
cd "$(dirname "$0")/.."

TARGET=${CARGO_TARGET_DIR:-target}
BIN=$TARGET/release
HERE=$TARGET/cluster
URLS=http://127.0.0.1:5002,http://127.0.0.1:5003
export PROFILE=release ETCD_NODES=3

# Two cores carry the bots as well: little traffic, many calls.
BOTS=(--publishers 1 --bitrate 64k --fps 20 --join-rate 40/s --warmup 3s --reconnect)
WARMUP_S=3
# From the opening of the window to the fault.
CALM_S=5

FAULTS=(worker-killed worker-stopped coordinator-killed nats-away etcd-leader-killed drain creation)

# The faults. Each is called in the midst of the calls.

worker-killed() { kill -KILL "$(pid "$(fullest)")"; }

# It answers nobody and refuses nothing, as behind a cable that was pulled: only its lease can tell.
worker-stopped() {
    local worker
    worker=$(fullest)
    kill -STOP "$(pid "$worker")"
    sleep 15
    kill -CONT "$(pid "$worker")"
}

coordinator-killed() { kill -KILL "$(pid coordinator-2)"; }

nats-away() {
    kill -KILL "$(pid nats)"
    sleep 30
    scripts/cluster.sh up >/dev/null
    recovered
}

etcd-leader-killed() {
    local n
    for n in 1 2 3; do
        if curl --silent "http://127.0.0.1:$((12379 + n))/metrics" | grep -q '^etcd_server_is_leader 1'; then
            kill -KILL "$(pid "etcd-$n")"
            break
        fi
    done
    recovered
}

# How long until a room can be made again, and a bot can join and receive.
recovered() {
    local since
    since=$(now_ms)
    until "$BIN/velella-load" --publishers 1 --subscribers 1 --bitrate 64k --warmup 1s --duration 1s --url "${URLS%%,*}" &>/dev/null; do
        sleep 0.1
    done
    # Two seconds of that are the trial's own warm-up and window, one its grace.
    echo "                      a new call works $((($(now_ms) - since - 3000))) ms after the end"
}

now_ms() { date +%s%3N; }

pid() { cut -d ' ' -f 1 "$HERE/$1.pid"; }

fullest() {
    "$BIN/velella" workers -o json | python3 -c '
import json, sys
print(max(json.load(sys.stdin), key=lambda worker: worker["rooms_placed"])["worker"])'
}

# trial FAULT SECONDS [ROOMS SUBSCRIBERS]: bots join, the fault happens, the figures are printed.
trial() {
    local fault=$1 seconds=$2 rooms=${3:-20} subscribers=${4:-9} log
    log=$(mktemp)
    echo "== $fault"
    scripts/cluster.sh up >/dev/null
    "$BIN/velella-load" --rooms "$rooms" --subscribers "$subscribers" "${BOTS[@]}" --duration "${seconds}s" --url "$URLS" >"$log" 2>"$log.progress" &
    local load=$!
    until grep -q '^warm-up' "$log.progress" 2>/dev/null; do
        kill -0 $load 2>/dev/null || { cat "$log.progress" >&2; exit 1; }
        sleep 0.1
    done
    sleep $((WARMUP_S + CALM_S))
    "$fault"
    wait $load || true
    grep -E '^(peers|gaps|longest|FAILED| )' "$log" || cat "$log" "$log.progress"
    rm -f "$log" "$log.progress"
    scripts/cluster.sh down >/dev/null
}

drained() {
    local worker since
    worker=$(fullest)
    "$BIN/velella" uncordon worker-2 >/dev/null
    "$BIN/velella" uncordon worker-3 >/dev/null
    since=$(now_ms)
    "$BIN/velella" drain "$worker" --wait --timeout 2m >/dev/null
    echo "                      $worker was empty after $(($(now_ms) - since)) ms"
}

# A hundred rooms with two people each, all at one worker.
drain() {
    scripts/cluster.sh up >/dev/null
    "$BIN/velella" cordon worker-2 >/dev/null
    "$BIN/velella" cordon worker-3 >/dev/null
    trial drained 40 100 1
}

creation() {
    echo "== creation"
    scripts/cluster.sh up >/dev/null
    local before after rooms=5000
    # Processes that have just started are slow for a second.
    "$BIN/velella-bench-control" creation --rate 200 --rooms 400 --url "$URLS" >/dev/null
    before=$(resident_kib)
    "$BIN/velella-bench-control" creation --rate 500 --rooms $rooms --url "$URLS"
    after=$(resident_kib)
    echo "coordinator memory: $(((after - before) * 1024 / rooms)) bytes for each idle room"
    scripts/cluster.sh down >/dev/null
}

resident_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$(pid coordinator-1)/status"; }

trap 'scripts/cluster.sh down >/dev/null 2>&1' EXIT
for fault in "${@:-${FAULTS[@]}}"; do
    case $fault in
    drain | creation) "$fault" ;;
    nats-away) trial "$fault" 45 ;;
    worker-stopped) trial "$fault" 30 ;;
    worker-killed | coordinator-killed | etcd-leader-killed) trial "$fault" 25 ;;
    *)
        echo "no such fault: $fault (there are: ${FAULTS[*]})" >&2
        exit 64
        ;;
    esac
done
