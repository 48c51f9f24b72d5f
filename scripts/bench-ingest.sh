#!/usr/bin/env bash
# What an ingest costs its gateway, on a cluster of real processes on this machine: 1080p25 at 4 Mbit/s from cameras over RTSP and
# from encoders over RTMP, passed through, beside ffmpeg copying the same streams. Takes about five minutes.
#
# usage: scripts/bench-ingest.sh [STREAMS...]     1, 10 and 20 without arguments
set -euo pipefail
cd "$(dirname "$0")/.."

TARGET=${CARGO_TARGET_DIR:-target}
HERE=$TARGET/cluster
API=http://127.0.0.1:5002/room
CAMERA_PORT=18554
export PROFILE=release

# How long streams run before they are measured, and for how long they are.
SETTLE_S=8
WINDOW_S=20
COUNTS=("${@:-1 10 20}")
read -ra COUNTS <<<"${COUNTS[*]}"

helpers=()
clips=$(mktemp -d)

finish() {
    stop_helpers
    scripts/cluster.sh down >/dev/null || true
    rm -rf "$clips"
}
trap finish EXIT

stop_helpers() {
    # Without names, `wait` would wait for the camera as well.
    ((${#helpers[@]})) || return 0
    for pid in "${helpers[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    wait "${helpers[@]}" 2>/dev/null || true
    helpers=()
}

# helper COMMAND...: runs until stop_helpers.
helper() {
    "$@" &>/dev/null </dev/null &
    helpers+=($!)
}

api() {
    local method=$1 path=$2 body=${3:-}
    curl --silent --fail -X "$method" "$API$path" -H 'Authorization: Bearer development' \
        -H 'Content-Type: application/json' ${body:+-d "$body"}
}

gateway() { cut -d ' ' -f 1 "$HERE/gateway-1.pid"; }

# Clock ticks that processes have spent.
ticks() {
    local total=0 pid fields
    for pid in "$@"; do
        read -ra fields <<<"$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null || true)"
        total=$((total + ${fields[11]:-0} + ${fields[12]:-0}))
    done
    echo $total
}

# Resident memory of processes, in KiB, without what they share.
memory() {
    local total=0 pid
    for pid in "$@"; do
        total=$((total + $(awk '/^Private/ { sum += $2 } END { print sum + 0 }' "/proc/$pid/smaps_rollup" 2>/dev/null || echo 0)))
    done
    echo $total
}

# measure WHAT STREAMS IDLE_KIB PID...: a line of the table.
measure() {
    local what=$1 streams=$2 idle=$3 before
    shift 3
    sleep $SETTLE_S
    before=$(ticks "$@")
    sleep $WINDOW_S
    awk -v what="$what" -v n="$streams" -v t=$(($(ticks "$@") - before)) -v hz="$(getconf CLK_TCK)" -v s=$WINDOW_S \
        -v kib=$(($(memory "$@") - idle)) \
        'BEGIN { printf "%-28s %7d %10.4f %10.1f\n", what, n, t / hz / s / n, kib / 1024 / n }'
}

# live STREAMS: waits until so many components of the room are live.
live() {
    local deadline=$((SECONDS + 30)) count
    until count=$(curl --silent -H 'Authorization: Bearer development' "http://127.0.0.1:5002/api/v1/connect/bench/room/bench" |
        grep -o '"state":"live"' | wc -l) && ((count == $1)); do
        if ((SECONDS > deadline)); then
            echo "only $count of $1 streams are live" >&2
            exit 1
        fi
        sleep 0.2
    done
}

# trial WHAT STREAMS START: START is called once for each stream, in a new room.
trial() {
    local what=$1 streams=$2 start=$3 idle n
    api POST "" '{"roomId":"bench","videoCodec":"h264"}' >/dev/null
    idle=$(memory "$(gateway)")
    for ((n = 0; n < streams; n++)); do "$start"; done
    live "$streams"
    measure "$what" "$streams" "$idle" "$(gateway)"
    api DELETE /bench
    stop_helpers
}

camera_stream() {
    api POST /bench/component "{\"type\":\"rtsp\",\"options\":{\"sourceUri\":\"rtsp://127.0.0.1:$CAMERA_PORT/main\"}}" >/dev/null
}

encoder_stream() { publish -an; }

encoder_with_sound() { publish; }

# publish OPTION...: the clip, over and over, to a component of its own.
publish() {
    local answer address
    answer=$(api POST /bench/component '{"type":"rtmp","options":{}}')
    address=$(python3 -c 'import json, sys; p = json.load(sys.stdin)["data"]["properties"]; print(p["urls"][0] + "/" + p["streamKey"])' <<<"$answer")
    helper ffmpeg -v error -re -stream_loop -1 -i "$clips/clip.flv" -c copy "$@" -f flv "$address"
}

# copies STREAMS: the same work by ffmpeg, a process for each stream.
copies() {
    local streams=$1 n
    for ((n = 0; n < streams; n++)); do
        helper ffmpeg -v error -rtsp_transport tcp -i "rtsp://127.0.0.1:$CAMERA_PORT/main" -c copy -f rtp "rtp://127.0.0.1:$((30000 + 2 * n))"
    done
    measure "ffmpeg -c copy, RTSP to RTP" "$streams" 0 "${helpers[@]}"
    stop_helpers
}

echo "encoding 10 s of 1080p25 at 4 Mbit/s" >&2
ffmpeg -v error -f lavfi -i testsrc2=size=1920x1080:rate=25 -f lavfi -i sine=frequency=440:sample_rate=44100 -t 10 \
    -c:v libx264 -preset ultrafast -tune zerolatency -g 25 -b:v 4M -minrate 4M -maxrate 4M -bufsize 1M -pix_fmt yuv420p \
    -c:a aac -b:a 128k "$clips/clip.flv"
scripts/cluster.sh up >/dev/null
# Ends with its standard input, which this script holds.
coproc CAMERA { /usr/bin/python3 tests/fixtures/camera.py --port $CAMERA_PORT --size 1920x1080 --kbps 4000; }
read -r _ <&"${CAMERA[0]}"

printf '%-28s %7s %10s %10s\n' "" streams "core each" "MiB each"
for count in "${COUNTS[@]}"; do
    trial "gateway, RTSP" "$count" camera_stream
    copies "$count"
    trial "gateway, RTMP" "$count" encoder_stream
    trial "gateway, RTMP and AAC" "$count" encoder_with_sound
done
