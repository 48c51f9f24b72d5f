#!/usr/bin/env bash
# Runs the tests once per SDK, each in a virtual environment of its own: the SDKs exclude each other.
#
# usage: tests/sdk/python/run.sh [--lint | --format] [SDK ...] [-- PYTEST-ARGUMENT ...]
#   SDK   gen-c-newest, gen-c-0.25, gen-b or gen-a; all of them by default
#
# For example: tests/sdk/python/run.sh gen-c-newest -- -k webhook -x
set -euo pipefail
cd "$(dirname "$0")"

# environment NAME: makes `.venv/NAME` hold exactly what `requirements/NAME.txt` pins.
# One environment has the installer, for all of them: making it takes longer than everything else.
environment() {
    local name=$1 home=.venv/$1
    if cmp --silent "requirements/$name.txt" "$home/.installed"; then return; fi
    if [[ ! -x .venv/pip/bin/pip ]]; then python3 -m venv .venv/pip; fi
    rm -rf "$home"
    python3 -m venv --without-pip "$home"
    .venv/pip/bin/pip --python "$home/bin/python" install --quiet --disable-pip-version-check \
        --require-hashes --no-deps --no-compile -r "requirements/$name.txt"
    cp "requirements/$name.txt" "$home/.installed"
}

case ${1-} in
--lint)
    environment lint
    .venv/lint/bin/ruff check --quiet . && .venv/lint/bin/ruff format --quiet --check .
    exit
    ;;
--format)
    environment lint
    .venv/lint/bin/ruff check --quiet --fix . && .venv/lint/bin/ruff format --quiet .
    exit
    ;;
esac

sdks=()
while [[ $# -gt 0 && $1 != -- ]]; do
    sdks+=("$1")
    shift
done
[[ ${1-} == -- ]] && shift
[[ ${#sdks[@]} -gt 0 ]] || sdks=(gen-c-newest gen-c-0.25 gen-b gen-a)

failed=()
for sdk in "${sdks[@]}"; do
    case $sdk in
    gen-c-*) tests=gen_c ;;
    gen-a | gen-b) tests=gen_b ;;
    *) echo "unknown SDK $sdk: see the usage in $0" >&2 && exit 64 ;;
    esac
    environment "$sdk"
    printf '\n--- %s: %s\n' "$sdk" "$(grep --only-matching --extended-regexp '^[a-z]+-server-sdk==[0-9.]+' "requirements/$sdk.txt")"
    SDK=$sdk ".venv/$sdk/bin/python" -m pytest "$tests" "$@" || failed+=("$sdk")
done
if [[ ${#failed[@]} -gt 0 ]]; then
    echo "failed with ${failed[*]}" >&2
    exit 1
fi
