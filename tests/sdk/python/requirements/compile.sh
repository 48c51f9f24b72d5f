#!/usr/bin/env bash
# Pins what the `.in` files name, with everything that it needs, by version and hash. Wants pip-tools 7.6.2.
set -euo pipefail
cd "$(dirname "$0")"

for names in gen-c-newest gen-c-0.25 gen-b gen-a lint; do
    CUSTOM_COMPILE_COMMAND=tests/sdk/python/requirements/compile.sh pip-compile --quiet --generate-hashes \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras --allow-unsafe \
        --output-file "$names.txt" "$names.in"
done
