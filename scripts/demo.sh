#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes stock arm64 kernels lose IOMMU probe races in QEMU, and prints one table.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/demo.sh [--iterations N] [--duration T] [--out DIR]

Runs every job on debian:6.12 and debian:7, with holds and without, and prints a
table. Does its own set-up and says first what it installs (scripts/setup.sh).
  --iterations N  of the jobs with holds (default 20)
  --duration T    of probe-delays (default 1m)
  --out DIR       where the runs go (default build/demo-DATE)
TEXT
}

iterations=20
duration=1m
out=build/demo-$(date -u +%Y%m%d-%H%M%S)
while [ $# -gt 0 ]; do
    case $1 in
    --iterations | --duration | --out)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        printf -v "${1#--}" %s "$2"
        shift 2
        ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done

step() { printf '\n== %s (%ss)\n' "$*" "$SECONDS" >&2; }

step "packages"
scripts/setup.sh
# What the first race needs, and no more: the rest is built when that was seen.
step "dmarace-vm for this machine"
cmake --preset release -DDMARACE_TESTS=OFF
cmake --build --preset release --target dmarace-vm
step "dmarace for the boards, and the module for debian:6.12 beside it"
mkdir -p "$out"
build/release/vm/dmarace-vm build --kernel debian:6.12 >"$out/module.log" 2>&1 &
module=$!
cmake --preset arm64
cmake --build --preset arm64 --target dmarace
wait "$module" || { cat "$out/module.log" >&2; exit 3; }

dirs=()
# run KERNEL BOARD JOB OPTION..: one run; its exit code is a finding, not an error.
run() {
    local kernel=$1 board=$2 job=$3 dir code=0
    shift 3
    dir=$out/${kernel#debian:}-$board-$job
    case " $* " in *" --no-holds "*) dir+=-no-holds ;; esac
    step "$kernel, board $board: run $job $*"
    build/release/vm/dmarace-vm run --board "$board" --kernel "$kernel" --out "$dir" -- \
        run "$job" "$@" || code=$?
    case $code in
    0 | 1 | 4 | 5) dirs+=("$dir") ;;
    130) exit 130 ;;
    *) echo "demo.sh: dmarace-vm ended with $code; its console: $dir/console.log" >&2 ;;
    esac
}

for kernel in debian:6.12 debian:7; do
    for job in instance-lookup late-probe; do
        run "$kernel" virtio-iommu "$job" --iterations "$iterations"
        run "$kernel" virtio-iommu "$job" --iterations "$iterations" --no-holds
    done
    for board in smmuv3 virtio-iommu; do
        run "$kernel" "$board" probe-delays --duration "$duration"
        run "$kernel" "$board" type-storm --iterations 1
    done
done

step "dmarace for this machine"
cmake --build --preset release --target dmarace
step "what was found"
build/release/orchestrator/dmarace report --table "${dirs[@]}" | tee "$out/table.txt"
