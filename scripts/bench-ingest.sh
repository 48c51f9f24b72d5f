#!/usr/bin/env bash
# What an ingest costs its gateway, on a cluster of real processes on this machine: 1080p25 at 4 Mbit/s from cameras over RTSP and
# from encoders over RTMP, passed through, beside ffmpeg copying the same streams. Takes about five minutes.
#
# usage: scripts/bench-ingest.sh [STREAMS...]     1, 10 and 20 without arguments
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=scripts/bench.sh
source scripts/bench.sh

# How long streams run before they are measured, and for how long they are.
SETTLE_S=8
WINDOW_S=20
COUNTS=("${@:-1 10 20}")
read -ra COUNTS <<<"${COUNTS[*]}"

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

# trial WHAT STREAMS START: START is called once for each stream, in a new room.
trial() {
    local what=$1 streams=$2 start=$3 idle n
    api POST "" '{"roomId":"bench","videoCodec":"h264"}' >/dev/null
    idle=$(memory "$(gateway)")
    for ((n = 0; n < streams; n++)); do "$start" bench; done
    live bench "$streams"
    measure "$what" "$streams" "$idle" "$(gateway)"
    api DELETE /bench
    stop_helpers
}

encoder_stream() { publish "$1" -an; }

encoder_with_sound() { publish "$1"; }

# publish ROOM OPTION...: the clip, over and over, to a component of its own.
publish() {
    local room=$1 answer address
    shift
    answer=$(api POST "/$room/component" '{"type":"rtmp","options":{}}')
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
start_camera

printf '%-28s %7s %10s %10s\n' "" streams "core each" "MiB each"
for count in "${COUNTS[@]}"; do
    trial "gateway, RTSP" "$count" camera_stream
    copies "$count"
    trial "gateway, RTMP" "$count" encoder_stream
    trial "gateway, RTMP and AAC" "$count" encoder_with_sound
done
