# What benchmarks on a cluster of this machine share; sourced by them, from the top of the checkout.

TARGET=${CARGO_TARGET_DIR:-target}
HERE=$TARGET/cluster
API=http://127.0.0.1:5002/room
CAMERA_PORT=18554
export PROFILE=release

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
    # Who is asked may not have heard of every worker and gateway yet.
    curl --silent --show-error --fail --retry 5 -X "$method" "$API$path" -H 'Authorization: Bearer development' \
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

# live ROOM COMPONENTS: waits until so many components of the room are live.
live() {
    local deadline=$((SECONDS + 30)) count
    until count=$(curl --silent -H 'Authorization: Bearer development' "http://127.0.0.1:5002/api/v1/connect/bench/room/$1" |
        grep -o '"state":"live"' | wc -l) && ((count == $2)); do
        if ((SECONDS > deadline)); then
            echo "only $count of $2 components of $1 are live" >&2
            exit 1
        fi
        sleep 0.2
    done
}

# start_camera: 1080p25 at 4 Mbit/s, which only noise fills, for as long as the script lives. It ends with its standard input, which the script holds.
start_camera() {
    coproc CAMERA { /usr/bin/python3 tests/fixtures/camera.py --port $CAMERA_PORT --size 1920x1080 --kbps 4000 --pattern snow; }
    read -r _ <&"${CAMERA[0]}"
}

# camera_stream ROOM: the camera as a component of it.
camera_stream() {
    api POST "/$1/component" "{\"type\":\"rtsp\",\"options\":{\"sourceUri\":\"rtsp://127.0.0.1:$CAMERA_PORT/main\"}}" >/dev/null
}
