#!/usr/bin/env bash
# A cluster on this machine, every process by itself: nats-server, etcd, two coordinators, three workers,
# one gateway.
# What runs already is left alone, so `up` also brings back what somebody has killed.
#
# usage: scripts/cluster.sh up|down
#   ETCD_NODES=3     three members of etcd instead of one
#   PROFILE=release  the binaries of that profile instead of debug
set -euo pipefail
cd "$(dirname "$0")/.."

# Debian keeps servers where only root looks.
PATH=$PATH:/usr/sbin
BIN=${CARGO_TARGET_DIR:-target}/${PROFILE:-debug}
HERE=${CARGO_TARGET_DIR:-target}/cluster
ETCD_NODES=${ETCD_NODES:-1}
COORDINATORS=2
WORKERS=3
GATEWAYS=1

# First ports; the others of a kind follow. Not the usual ones of NATS and etcd, which may be taken.
NATS_PORT=14222
ETCD_PORT=12379
ETCD_PEER_PORT=12479
HTTP_PORT=5002
MEDIA_PORT=10000
RTMP_PORT=11935
HLS_PORT=11980
COORDINATOR_ADMIN_PORT=9561
WORKER_ADMIN_PORT=9571
GATEWAY_ADMIN_PORT=9581

READY_PATIENCE_S=30
END_PATIENCE_S=15

up() {
    mkdir -p "$HERE"
    # All coordinators share it; nobody else needs it.
    [[ -e $HERE/token-secret ]] || head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$HERE/token-secret"
    start nats nats-server --addr 127.0.0.1 --port $NATS_PORT
    start_etcd
    export VELELLA_NATS_URL=nats://127.0.0.1:$NATS_PORT VELELLA_ETCD_URL
    VELELLA_ETCD_URL=$(etcd_urls)
    local n
    for ((n = 1; n <= WORKERS; n++)); do
        start "worker-$n" "$BIN/velella-worker" --worker-id "worker-$n" --shards 1 --drain-deadline 10s \
            --udp "127.0.0.1:$((MEDIA_PORT + n - 1))" --admin "127.0.0.1:$((WORKER_ADMIN_PORT + n - 1))"
    done
    mkdir -p "$HERE/files"
    for ((n = 1; n <= GATEWAYS; n++)); do
        VELELLA_SOURCE_SECRET_FILE=$HERE/token-secret \
            start "gateway-$n" "$BIN/velella-gateway" --gateway-id "gateway-$n" --files "$HERE/files" \
            --rtmp "127.0.0.1:$((RTMP_PORT + n - 1))" --hls "127.0.0.1:$((HLS_PORT + n - 1))" --allow-sources 127.0.0.0/8 --gateway-drain-deadline 5s --gateway-ip 127.0.0.1 --admin "127.0.0.1:$((GATEWAY_ADMIN_PORT + n - 1))"
    done
    for ((n = 1; n <= COORDINATORS; n++)); do
        VELELLA_MANAGEMENT_TOKEN=development VELELLA_TOKEN_SECRET_FILE=$HERE/token-secret \
            start "coordinator-$n" "$BIN/velella-coordinator" \
            --coordinator-id "coordinator-$n" --demo --listen "127.0.0.1:$((HTTP_PORT + n - 1))" \
            --admin "127.0.0.1:$((COORDINATOR_ADMIN_PORT + n - 1))"
    done
    for ((n = 1; n <= WORKERS; n++)); do ready "worker-$n" $((WORKER_ADMIN_PORT + n - 1)); done
    for ((n = 1; n <= GATEWAYS; n++)); do ready "gateway-$n" $((GATEWAY_ADMIN_PORT + n - 1)); done
    for ((n = 1; n <= COORDINATORS; n++)); do ready "coordinator-$n" $((COORDINATOR_ADMIN_PORT + n - 1)); done
}

start_etcd() {
    local members='' n
    for ((n = 1; n <= ETCD_NODES; n++)); do
        members+=${members:+,}etcd-$n=http://127.0.0.1:$((ETCD_PEER_PORT + n))
    done
    for ((n = 1; n <= ETCD_NODES; n++)); do
        local client=http://127.0.0.1:$((ETCD_PORT + n)) peer=http://127.0.0.1:$((ETCD_PEER_PORT + n))
        start "etcd-$n" etcd --name "etcd-$n" --data-dir "$HERE/data/etcd-$n" \
            --listen-client-urls "$client" --advertise-client-urls "$client" \
            --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "$members"
    done
}

etcd_urls() {
    local urls='' n
    for ((n = 1; n <= ETCD_NODES; n++)); do urls+=${urls:+,}http://127.0.0.1:$((ETCD_PORT + n)); done
    echo "$urls"
}

# start NAME COMMAND...: in a session of its own, so that it outlives this terminal's Ctrl-C.
start() {
    local name=$1
    shift
    if runs "$name"; then return; fi
    setsid "$@" >>"$HERE/$name.log" 2>&1 </dev/null &
    echo "$! $(basename "$1")" >"$HERE/$name.pid"
    echo "started $name"
}

# Whether its pid is still the program that was started: numbers are used again.
runs() {
    local pid program
    [[ -e $HERE/$1.pid ]] || return 1
    read -r pid program <"$HERE/$1.pid"
    [[ $(basename "$( (tr '\0' '\n' <"/proc/$pid/cmdline" | head -n 1) 2>/dev/null)") == "$program" ]]
}

# ready NAME ADMIN_PORT
ready() {
    local name=$1 port=$2 deadline=$((SECONDS + READY_PATIENCE_S))
    until answer "$port" /readyz | grep -q ' 200 '; do
        if ! runs "$name" || ((SECONDS > deadline)); then
            tail -n 20 "$HERE/$name.log" >&2
            echo "$name is not ready: $HERE/$name.log" >&2
            exit 1
        fi
        sleep 0.1
    done
}

# answer PORT PATH: what HTTP says there, nothing when nobody listens.
answer() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3 && cat <&3) 2>/dev/null || true
}

# Velella first, so that it can say goodbye to NATS and etcd.
down() {
    local name
    end 'coordinator-*' TERM
    end 'gateway-*' TERM
    # The second one ends a drain: there is nowhere to go.
    end 'worker-*' TERM TERM
    end 'etcd-*' TERM
    end nats TERM
    rm -rf "$HERE/data"
}

# end PATTERN SIGNAL...
end() {
    local file name pid signal deadline=$((SECONDS + END_PATIENCE_S))
    for file in "$HERE"/$1.pid; do
        name=$(basename "$file" .pid)
        if [[ -e $file ]] && runs "$name"; then
            read -r pid _ <"$file"
            for signal in "${@:2}"; do kill "-$signal" "$pid" 2>/dev/null && sleep 0.2; done || true
        fi
    done
    for file in "$HERE"/$1.pid; do
        name=$(basename "$file" .pid)
        [[ -e $file ]] || continue
        while runs "$name"; do
            if ((SECONDS > deadline)); then
                read -r pid _ <"$file"
                kill -KILL "$pid" 2>/dev/null || true
            fi
            sleep 0.05
        done
        rm "$file"
        echo "ended $name"
    done
}

case ${1:-} in
up) up ;;
down) down ;;
*)
    echo "usage: $0 up|down" >&2
    exit 64
    ;;
esac
