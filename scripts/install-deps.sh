#!/usr/bin/env bash
# Installs the Debian packages that the build or the tests need and this machine lacks.
# Says nothing when all of them are there.
#
# usage: scripts/install-deps.sh build|test|bench ...
set -euo pipefail

# Debian keeps servers where only root looks.
PATH=$PATH:/usr/sbin
missing=()

# need PACKAGE WHAT: WHAT is a command, or an absolute path, that shows the package is not needed.
# Commands rather than packages are looked for, so that a newer Node.js from elsewhere counts.
need() {
    local package=$1 what=$2
    if [[ $what == /* ]]; then [[ -e $what ]] && return; else command -v "$what" >/dev/null && return; fi
    missing+=("$package")
}

group() {
    case $1 in
    build)
        need gcc cc
        # Builds libFuzzer, which comes with the sources of its crate.
        need g++ c++
        need libc6-dev /usr/include/stdlib.h
        need make make
        # Builds libopus, which comes with the sources of its crate.
        need cmake cmake
        # Reads the protocol of etcd, which comes with the sources of its client.
        need protobuf-compiler protoc
        need libprotobuf-dev /usr/include/google/protobuf/struct.proto
        need ca-certificates /etc/ssl/certs/ca-certificates.crt
        need nodejs node
        need npm npm
        ;;
    test)
        need chromium chromium
        need ffmpeg ffmpeg
        need python3 python3
        need nats-server nats-server
        need etcd-server etcd
        # Makes the clips that are played into rooms.
        need ffmpeg ffmpeg
        # Makes the certificate that encoders are shown.
        need openssl openssl
        # Hosts of the fault tests, and what goes wrong between and on them.
        need iproute2 ip
        need iptables iptables
        need iputils-ping ping
        need strace strace
        # A camera for tests (tests/fixtures/camera.py), in the Python that Debian's bindings are for.
        for package in python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-libav glib-networking \
            gstreamer1.0-plugins-{base,good,bad,ugly}; do
            need "$package" "/usr/share/doc/$package"
        done
        # Debian parts what makes virtual environments from the language.
        python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
        ;;
    bench)
        # Asks for the same over HTTP/2 again and again, and what it is compared with.
        need nghttp2-client h2load
        need nginx-light nginx
        ;;
    *)
        echo "usage: $0 build|test|bench ..." >&2
        exit 64
        ;;
    esac
}

install() {
    if ! command -v apt-get >/dev/null; then
        echo "Missing on this machine: ${missing[*]} (names of Debian packages). Install them and try again." >&2
        exit 1
    fi
    local root=()
    if [[ $(id -u) != 0 ]]; then
        if ! command -v sudo >/dev/null; then
            echo "Missing on this machine. As root: apt-get install ${missing[*]}" >&2
            exit 1
        fi
        root=(sudo)
    fi
    echo "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    "${root[@]}" apt-get -qq update
    "${root[@]}" apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null
}

for name in "$@"; do group "$name"; done

if ! command -v cargo >/dev/null; then
    echo "A Rust toolchain is needed first: https://rustup.rs" >&2
    exit 1
fi
if [[ ${#missing[@]} -gt 0 ]]; then install; fi
