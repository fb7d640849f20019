#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Measures dmarace and dmarace-vm on virtual boards.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/measure.sh sim-scale [KERNEL [STEP [ROWS]]]
       scripts/measure.sh type-rate [KERNEL]
       scripts/measure.sh iteration [KERNEL [COUNT]]
       scripts/measure.sh power-cuts [--count N] [--seed S] [--kernel K] [--out DIR]
       scripts/measure.sh boot-ratio [--kernel DIR] [--board B] [--job J] [--rounds N]
       scripts/measure.sh fresh-guest [RESTORED [BOOTED [KERNEL [BOARD [JOB]]]]]

All need what scripts/test.sh vm builds.
sim-scale: adds, audits and removes 1,000, 2,000 .. 10,000 simulated devices on a board
without an IOMMU, and prints time and memory for each device (debian:6.12 1000 10).
type-rate: how fast dmarace writes types, against a bare loop of the same writes and
reads, in one boot (debian:6.12).
iteration: an iteration of instance-lookup against a bare loop of the same removals, rmmod,
rescan, insmod and bind, medians of COUNT, in one boot (debian:7 40). At most 1.6 times (else
exit code 1).
power-cuts: cuts the power of a board at random moments of one campaign and looks after
each cut at what its disk kept: one line a cut, then the sums. Exit 0: nothing lost,
nothing doubled.
boot-ratio: how much longer dmarace-vm takes, from the kernel's image to the verdict, than
a bare boot of the same kernel and the job itself. Each round boots twice, one after the
other: the board with a busybox initramfs that switches off, and dmarace-vm run with one
iteration of the job; the ratio is (image to verdict) / (bare boot + the command's own
time in the guest). The median is to be at most 1.25 (else exit code 1). Everything is
cached by a run before the first round. Needs build/release with the target boot_ratio.
fresh-guest: from a crash to the next iteration's begin, where each iteration has a guest of
its own: RESTORED iterations with a guest that is restored, BOOTED (0: none) with a boot each
(21 21 debian:7 smmuv3-blk type-vs-remove). The restored are to take at most 1 s (median),
their iterations are not to grow longer, and both are to have the same verdicts (else exit
code 1). Needs the target fresh_guest.
boot-ratio's options:
  --kernel DIR  a built kernel (default: dmarace-vm kernel build debian:6.12)
  --board B     default virtio-iommu
  --job J       default instance-lookup
  --rounds N    default 5
TEXT
}

build=build/dev
[ -x $build/vm/dmarace-vm ] || build=build/release
vm=${DMARACE_VM_PROGRAM:-$build/vm/dmarace-vm}
also=(--also orchestrator/dmarace)

boot_ratio() {
    local kernel='' board=virtio-iommu job=instance-lookup rounds=5
    while [ $# -gt 0 ]; do
        case $1 in
        --kernel | --board | --job | --rounds)
            [ $# -gt 1 ] || { usage >&2; exit 2; }
            printf -v "${1#--}" %s "$2"
            shift 2
            ;;
        *) usage >&2 && exit 2 ;;
        esac
    done
    vm=build/release/vm/dmarace-vm
    [ -n "$kernel" ] || kernel=$($vm kernel build debian:6.12)

    local busybox
    busybox=$(scripts/busybox.sh)

    warm=$(mktemp -d)
    trap 'rm -rf "$warm"' EXIT
    $vm run --board "$board" --kernel "$kernel" --out "$warm" -- \
        run "$job" --iterations 1 >"$warm/output" 2>&1 ||
        [ $? -le 1 ] || { cat "$warm/output" >&2; exit 3; }
    build/release/vm/boot_ratio $vm vm/boards $busybox "$kernel" "$board" "$job" "$rounds"
}

what=${1:-}
shift || true
case $what in
sim-scale)
    exec "$vm" run --board sim --kernel "${1:-debian:6.12}" --program tests/guest/measure \
        "${also[@]}" -- sim-scale /usr/bin/dmarace "${2:-1000}" "${3:-10}"
    ;;
type-rate)
    exec "$vm" run --board smmuv3 --kernel "${1:-debian:6.12}" --program tests/guest/measure \
        "${also[@]}" -- type-rate /usr/bin/dmarace tests/guest/type-rate.toml
    ;;
iteration)
    exec "$vm" run --board virtio-iommu-blk --kernel "${1:-debian:7}" \
        --program tests/guest/measure "${also[@]}" -- iteration /usr/bin/dmarace "${2:-40}" \
        /run/out/run
    ;;
power-cuts)
    exec $build/tests/power_cuts "$vm" build/arm64/orchestrator/dmarace tests/guest/rebind.toml "$@"
    ;;
boot-ratio) boot_ratio "$@" ;;
fresh-guest)
    exec $build/vm/fresh_guest "$vm" "${3:-debian:7}" "${4:-smmuv3-blk}" \
        "${5:-type-vs-remove}" "${1:-21}" "${2:-21}"
    ;;
-h | --help) usage ;;
*) usage >&2 && exit 2 ;;
esac
