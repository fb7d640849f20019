#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Passes the whole suite on a fresh Debian 12 machine: packages, builds, unit
# tests, the module for four kernels, and the tests on virtual boards.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/test.sh [unit|vm|slow]

Without a word: unit and vm. 'unit' needs no root and no kernel once the packages
are there; 'vm' builds the module for debian:5.10, 6.1, 6.12 and 7 and
boots them in QEMU; 'slow' runs the board tests that boot for every iteration,
which the others leave out. What is installed is said first (scripts/setup.sh).
TEXT
}

step() { printf '\n== %s (%ss)\n' "$*" "$SECONDS"; }

what=${1:-all}
case $what in
all | unit | vm | slow) ;;
-h | --help) usage && exit 0 ;;
*) usage >&2 && exit 2 ;;
esac

step "packages"
scripts/setup.sh

step "programs and unit tests, with sanitizers"
cmake --preset dev
cmake --build --preset dev

step "format"
scripts/format.sh --check

select=()
if [ "$what" != unit ]; then
    step "programs for the boards (arm64)"
    cmake --preset arm64
    cmake --build --preset arm64
    for kernel in debian:5.10 debian:6.1 debian:6.12 debian:7; do
        step "kernel $kernel and its module"
        build/dev/vm/dmarace-vm build --kernel "$kernel"
    done
fi
if [ "$what" = all ]; then select=(-LE "long|slow"); else select=(-L "$what"); fi

step "tests"
if [ "$what" = all ]; then
    echo "left to 'scripts/test.sh slow':"
    ctest --test-dir build/dev -N -L slow | grep 'Test *#'
fi
ctest --test-dir build/dev -j "$(nproc)" --output-on-failure --no-tests=error "${select[@]}"
