#!/usr/bin/env bash
# Tries the README's first screen word by word on a fresh machine: a minimal Debian 12 in a chroot
# with `make`, this machine's Rust toolchain, and nothing else. Downloads a few hundred megabytes
# and compiles everything, so it is not part of CI.
#
# usage: scripts/fresh-check.sh [--worktree] [--keep]
#   --worktree  take the files as they lie here, committed or not, instead of a clone of HEAD
#   --keep      leave the machine's directory behind, to look around in
#
# Runs as root, on Debian with debootstrap. VELELLA_… variables are handed in, for instance
# VELELLA_LISTEN when port 5002 is taken.
set -euo pipefail
cd "$(dirname "$0")/.."

SUITE=bookworm
# A cold dev build on two cores takes minutes, and downloads come on top.
RUN_PATIENCE_S=2400
STOP_PATIENCE_S=30
# /tmp may be a small tmpfs; the build needs gigabytes.
WHERE=${TMPDIR:-/var/tmp}

fail() {
    echo "FAIL  $*" >&2
    exit 1
}

# --- outside: make the machine, enter it with mounts and processes of its own, remove it ---

outside() {
    local keep='' worktree='' argument
    for argument in "$@"; do
        case $argument in
        --keep) keep=1 ;;
        --worktree) worktree=1 ;;
        *) echo "usage: $0 [--worktree] [--keep]" >&2 && exit 64 ;;
        esac
    done
    [[ $(id -u) == 0 ]] || fail "root is needed for chroot and mounts"
    command -v debootstrap >/dev/null || fail "debootstrap is needed: apt-get install debootstrap"

    machine=$(mktemp -d "$WHERE/velella-fresh.XXXXXX")
    chmod 755 "$machine"
    # By then the mounts are gone together with their namespace.
    if [[ -z $keep ]]; then trap 'rm -rf --one-file-system "$machine"' EXIT; else echo "machine: $machine"; fi

    step "debootstrap a minimal Debian ($SUITE)" bootstrap
    step "let it reach what this machine reaches" connect
    if [[ -n $worktree ]]; then step "copy the working tree" copy_tree; else step "clone the repository" clone; fi
    # The process namespace takes everything along that a failed step leaves running.
    unshare --mount --pid --fork --kill-child --mount-proc "$0" --inside "$machine"
}

bootstrap() {
    local mirror
    # shellcheck disable=SC2016 # apt's own variable
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Codename: $SUITE" | sed -n 1p)
    # `make` is the one command that the README takes for granted besides cargo.
    mkdir -p .cache/debs
    debootstrap --variant=minbase --include=make --cache-dir="$PWD/.cache/debs" "$SUITE" "$machine" ${mirror:+"$mirror"}
}

# Network settings only: name service, apt's sources and proxies, certificates, registries.
connect() {
    local file
    cp -L /etc/resolv.conf /etc/hosts "$machine/etc/"
    rm -f "$machine/etc/apt/sources.list"
    for file in sources.list sources.list.d auth.conf auth.conf.d keyrings trusted.gpg.d; do
        if [[ -e /etc/apt/$file ]]; then cp -a "/etc/apt/$file" "$machine/etc/apt/"; fi
    done
    for file in /etc/apt/apt.conf.d/*; do
        if grep -qE '^ *Acquire' "$file"; then cp "$file" "$machine/etc/apt/apt.conf.d/"; fi
    done
    if [[ -d /usr/local/share/ca-certificates ]]; then
        cp -a /usr/local/share/ca-certificates "$machine/usr/local/share/"
    fi
    mkdir -p "$machine/root/.cargo" "$machine/root/.rustup"
    for file in .npmrc .cargo/config.toml .cargo/config; do
        if [[ -e $HOME/$file ]]; then cp "$HOME/$file" "$machine/root/$file"; fi
    done
    settings >"$machine/root/settings"
}

# NAME=value for whatever points at registries, proxies and certificates, and our own settings;
# no directories of this machine.
settings() {
    env | grep -iE '^(npm_config_|cargo_|https?_proxy|no_proxy|node_|ssl_cert_|velella_)' |
        grep -viE '^(cargo_(home|target_dir|manifest|pkg|incremental|build_)|npm_config_(prefix|cache|userconfig|globalconfig))' || true
}

clone() {
    if [[ -n $(git status --porcelain) ]]; then echo "note: uncommitted changes are not part of this check"; fi
    git clone --quiet --no-hardlinks . "$machine/root/velella"
}

copy_tree() {
    mkdir "$machine/root/velella"
    git ls-files --cached --others --exclude-standard --deduplicate -z |
        while IFS= read -r -d '' file; do if [[ -e $file ]]; then printf '%s\0' "$file"; fi; done |
        tar --null --files-from=- --create | tar --extract --directory "$machine/root/velella"
}

# --- inside: namespaces of our own; the machine's files are still seen from outside ---

inside() {
    machine=$1
    mount --make-rprivate /
    mount -t proc proc "$machine/proc"
    mount -t sysfs -o ro sysfs "$machine/sys"
    mount --rbind /dev "$machine/dev"
    mount -t tmpfs -o mode=1777,size=1g tmpfs "$machine/dev/shm"
    mount_toolchain

    local listen
    listen=$(sed -n 's/^VELELLA_LISTEN=//p' "$machine/root/settings")
    port=${listen##*:}
    port=${port:-5002}
    if answers; then fail "something answers on port $port already; set VELELLA_LISTEN"; fi

    echo "      make run …"
    # A session of its own, so that make and the server can be told to end together.
    on_machine 'cd velella && exec setsid --wait bash -c "echo \$\$ >/root/run.pid; exec make run"' >"$machine/root/run.log" 2>&1 &
    run=$!
    step "make run: http://127.0.0.1:$port answers" wait_for_answer
    step "the page is served" page_is_served
    step "the printed curl makes a room" printed_curl
    step "it ends on SIGTERM" stop_run
    step "make test" on_machine 'cd velella && make test'
    echo "PASS  all"
}

# Only the toolchain: no downloaded crates, no other installed programs.
mount_toolchain() {
    mount --bind "$(rustup show home)" "$machine/root/.rustup"
    mount -o remount,ro,bind "$machine/root/.rustup"
    mkdir -p "$machine/root/.cargo/bin"
    local tool
    for tool in rustup rustc cargo cargo-fmt cargo-clippy rustfmt clippy-driver rustdoc; do
        ln -s rustup "$machine/root/.cargo/bin/$tool" 2>/dev/null || true
    done
    rm "$machine/root/.cargo/bin/rustup"
    cp -L "$(command -v rustup)" "$machine/root/.cargo/bin/rustup"
}

on_machine() {
    local settings
    mapfile -t settings <"$machine/root/settings"
    chroot "$machine" /usr/bin/env -i HOME=/root LANG=C.UTF-8 TERM=dumb \
        PATH=/root/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        "${settings[@]}" /bin/bash -c "cd /root && $1"
}

answers() {
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

wait_for_answer() {
    local deadline=$((SECONDS + RUN_PATIENCE_S))
    until answers; do
        kill -0 "$run" 2>/dev/null || { cat "$machine/root/run.log" && return 1; }
        if ((SECONDS > deadline)); then cat "$machine/root/run.log" && return 1; fi
        sleep 1
    done
    tail -n 30 "$machine/root/run.log"
}

page_is_served() {
    local answer
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
    answer=$(cat <&3)
    exec 3>&-
    grep -q '200 OK' <<<"$answer" && grep -qi '<script' <<<"$answer"
}

# What `make run` printed, from `curl` to the end of the command, as somebody would paste it.
printed_curl() {
    local command
    command=$(awk '/^[[:space:]]*curl /{on=1} on{print} on&&!/\\$/{exit}' "$machine/root/run.log")
    [[ -n $command ]] || { echo "make run printed no curl" && return 1; }
    on_machine 'apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends curl'
    echo "$command"
    on_machine "$command --fail --silent --show-error" | tee "$machine/root/room.json"
    echo
    grep -q '"room"' "$machine/root/room.json"
}

stop_run() {
    local deadline=$((SECONDS + STOP_PATIENCE_S))
    kill -TERM -- "-$(<"$machine/root/run.pid")"
    while answers || kill -0 "$run" 2>/dev/null; do
        if ((SECONDS > deadline)); then return 1; fi
        sleep 0.2
    done
}

# --- both ---

# A step prints its output only when it fails, or when VERBOSE is set.
step() {
    local name=$1 started=$SECONDS log
    shift
    log=$(mktemp)
    # In a subshell of its own with -e, which a function called under `if` would lose.
    set +e
    (set -e && "$@") >"$log" 2>&1
    local status=$?
    set -e
    if [[ $status != 0 || -n ${VERBOSE:-} ]]; then cat "$log"; fi
    rm -f "$log"
    [[ $status == 0 ]] || fail "$name ($((SECONDS - started)) s)"
    echo "PASS  $name ($((SECONDS - started)) s)"
}

if [[ ${1:-} == --inside ]]; then inside "$2"; else outside "$@"; fi
