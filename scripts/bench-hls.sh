#!/usr/bin/env bash
# What a broadcast costs, on a cluster of real processes on this machine: packaging 1080p25 at 4 Mbit/s, serving its playlists and
# segments beside nginx with the same files, and viewers who wait for the next part. Takes about three minutes.
#
# usage: scripts/bench-hls.sh
set -euo pipefail
cd "$(dirname "$0")/.."

# Debian keeps servers where only root looks.
PATH=$PATH:/usr/sbin
# shellcheck source=scripts/bench.sh
source scripts/bench.sh

EDGE=http://127.0.0.1:11980
NGINX_PORT=18090
ROOM=bench
# Streams that are packaged at once.
STREAMS=4
# How long something runs before it is measured, and for how long it is.
SETTLE_S=8
WINDOW_S=20
LOAD_S=10
WAITERS=5000

# cores PID: what it spends in the window, in cores.
cores() {
    local before
    before=$(ticks "$1")
    sleep $WINDOW_S
    awk -v t=$(($(ticks "$1") - before)) -v hz="$(getconf CLK_TCK)" -v s=$WINDOW_S 'BEGIN { print t / hz / s }'
}

# packaging: the same cameras with and without a broadcast of their rooms.
packaging() {
    local n before after
    for ((n = 1; n <= STREAMS; n++)); do
        api POST "" "{\"roomId\":\"$ROOM$n\",\"videoCodec\":\"h264\"}" >/dev/null
        camera_stream "$ROOM$n"
    done
    for ((n = 1; n <= STREAMS; n++)); do live "$ROOM$n" 1; done
    sleep $SETTLE_S
    before=$(cores "$(gateway)")
    for ((n = 1; n <= STREAMS; n++)); do
        api POST "/$ROOM$n/component" '{"type":"hls","options":{"lowLatency":true,"partDuration":0.5}}' >/dev/null
    done
    for ((n = 1; n <= STREAMS; n++)); do live "$ROOM$n" 2; done
    sleep $SETTLE_S
    after=$(cores "$(gateway)")
    awk -v a="$after" -v b="$before" -v n=$STREAMS \
        'BEGIN { printf "packaging 1080p25: %.4f core a stream (%d streams; their ingest takes %.4f)\n", (a - b) / n, n, b / n }'
    for ((n = 2; n <= STREAMS; n++)); do api DELETE "/$ROOM$n"; done
}

# Relative to the stream's folder: what h2load and nginx get.
playlist() { echo high.m3u8; }
newest_segment() {
    curl --silent --fail "$EDGE/hls/${ROOM}1/high.m3u8" | grep -E '^[0-9]+/high/[0-9]+\.m4s$' | tail -n 1
}

# start_nginx FILE...: nginx as it comes, one worker on the first core, the files in memory by the page cache, HTTP/2 without TLS as at the gateway.
start_nginx() {
    local file
    mkdir -p "$clips/www/hls/${ROOM}1"
    for file in "$@"; do
        mkdir -p "$(dirname "$clips/www/hls/${ROOM}1/$file")"
        curl --silent --fail "$EDGE/hls/${ROOM}1/$file" -o "$clips/www/hls/${ROOM}1/$file"
    done
    cat >"$clips/nginx.conf" <<CONF
user root;
# One process, which ends when it is told to.
master_process off;
daemon off;
pid $clips/nginx.pid;
error_log $clips/nginx.log;
events { worker_connections 4096; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    types { application/vnd.apple.mpegurl m3u8; video/mp4 m4s; }
    server { listen 127.0.0.1:$NGINX_PORT http2; root $clips/www; }
}
CONF
    helper taskset -c 0 nginx -c "$clips/nginx.conf" -e "$clips/nginx.log"
    until curl --silent --http2-prior-knowledge "http://127.0.0.1:$NGINX_PORT/" -o /dev/null; do sleep 0.1; done
}

# load BASE FILE: requests a second and Gbit/s that h2load gets out of a server that has the first core for itself.
load() {
    taskset -c 1 h2load --threads 1 --clients 32 --max-concurrent-streams 10 --duration $LOAD_S --warm-up-time 2 "$1/hls/${ROOM}1/$2" |
        awk '/^finished in/ { sub(",", "", $4); rate = $4 }
            /^status codes:/ { refused = $5 + $7 + $9 }
            /^traffic:/ { gsub(/[()]/, "", $3); bytes = $3 }
            END { printf "%s %.3f %d\n", rate, bytes * 8 / 1e9 / '$LOAD_S', refused }'
}

# serve FILE: both servers, one after the other.
serve() {
    local ours theirs
    read -ra ours <<<"$(load $EDGE "$1")"
    read -ra theirs <<<"$(load http://127.0.0.1:$NGINX_PORT "$1")"
    awk -v what="$1" -v r="${ours[0]}" -v g="${ours[1]}" -v nr="${theirs[0]}" -v ng="${theirs[1]}" \
        'BEGIN { printf "%-24s %10.0f /s %7.2f Gbit/s   nginx %10.0f /s %7.2f Gbit/s   ratio %.2f\n", what, r, g, nr, ng, r / nr }'
    ((ours[2] == 0 && theirs[2] == 0)) || echo "  ${ours[2]} and ${theirs[2]} requests were refused" >&2
}

# waiters: what the gateway grows by while so many wait for a part that is not there yet.
waiters() {
    local before during next
    next=$(curl --silent --fail "$EDGE/hls/${ROOM}1/$(playlist)" | awk -F: '/^#EXT-X-MEDIA-SEQUENCE/ { m = $2 } /^[0-9]+\// { n++ } END { print m + n + 1 }')
    before=$(memory "$(gateway)")
    taskset -c 1 h2load --clients $((WAITERS / 50)) --max-concurrent-streams 50 --requests $WAITERS \
        "$EDGE/hls/${ROOM}1/$(playlist)?_HLS_msn=$next" >/dev/null &
    sleep 2
    during=$(memory "$(gateway)")
    wait $!
    awk -v kib=$((during - before)) -v n=$WAITERS 'BEGIN { printf "%d viewers who wait: %.1f kB each, connections included\n", n, kib * 1.024 / n }'
}

scripts/install-deps.sh bench
scripts/cluster.sh up >/dev/null
start_camera
packaging
segment=$(newest_segment)
start_nginx "$(playlist)" "$segment"
taskset --all-tasks -cp 0 "$(gateway)" >/dev/null
# First: the stream goes on, and lets it go some time after it has left the playlist.
serve "$segment"
serve "$(playlist)"
taskset --all-tasks -cp 0,1 "$(gateway)" >/dev/null
waiters
