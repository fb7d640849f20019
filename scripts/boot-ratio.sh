#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Prints how much longer dmarace-vm takes, from the kernel's image to the verdict,
# than a bare boot of the same kernel and the job itself.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/boot-ratio.sh [--kernel DIR] [--board B] [--job J] [--rounds N]

Each round boots twice, one after the other: the board with a busybox initramfs that
switches off, and dmarace-vm run with one iteration of the job; the ratio is
(image to verdict) / (bare boot + the command's own time in the guest). The median
is to be at most 1.25 (else exit code 1). Everything is cached by a run before the
first round. Needs build/arm64 and build/release with the target boot_ratio.
  --kernel DIR  a built kernel (default: dmarace-vm kernel build debian:6.12)
  --board B     default virtio-iommu
  --job J       default instance-lookup
  --rounds N    default 5
TEXT
}

kernel='' board=virtio-iommu job=instance-lookup rounds=5
while [ $# -gt 0 ]; do
    case $1 in
    --kernel | --board | --job | --rounds)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        printf -v "${1#--}" %s "$2"
        shift 2
        ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done

vm=build/release/vm/dmarace-vm
[ -n "$kernel" ] || kernel=$($vm kernel build debian:6.12)

busybox=build/bench/bin/busybox
if [ ! -x $busybox ]; then
    mkdir -p build/bench
    (cd build/bench && apt-get download -q busybox-static:arm64 >/dev/null)
    dpkg-deb -x build/bench/busybox-static_*_arm64.deb build/bench
    [ -x $busybox ] || busybox=build/bench/usr/bin/busybox
fi

warm=$(mktemp -d)
trap 'rm -rf "$warm"' EXIT
$vm run --board "$board" --kernel "$kernel" --out "$warm" -- run "$job" --iterations 1 >"$warm/output" 2>&1 ||
    [ $? -le 1 ] || { cat "$warm/output" >&2; exit 3; }
build/release/vm/boot_ratio $vm vm/boards $busybox "$kernel" "$board" "$job" "$rounds"
