#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes what a farm boots to run dmarace in: a kernel, and an initramfs with dmarace, its jobs
# and module, and a shell on the console.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)

usage() {
    cat <<'TEXT'
usage: packaging/farm/image.sh DIR [BOARD [KERNEL]]

Writes DIR/kernel and DIR/initramfs for a board of dmarace-vm (default: virtio-iommu) with a
kernel as it takes one (default: debian:7). Takes build/arm64, scripts/setup.sh, and dmarace-vm in
$DMARACE_BUILD (default: build/release).
TEXT
}

case ${1:---help} in --help | -h) usage && exit 0 ;; esac
dir=$(realpath -m "$1") board=${2:-virtio-iommu} kernel=${3:-debian:7}
vm=${DMARACE_BUILD:-$here/build/release}/vm/dmarace-vm
[ -x "$vm" ] || { echo "image.sh: no $vm: cmake --build makes it, or set DMARACE_BUILD" >&2; exit 3; }
mkdir -p "$dir"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

"$vm" export --board "$board" --kernel "$kernel" --out "$root/export"
mkdir "$root/tree"
(cd "$root/tree" && cpio -idm --quiet <"$root/export/initramfs")
cp "$("$here/scripts/busybox.sh")" "$root/tree/usr/bin/busybox"
cp "$here/packaging/farm/init" "$root/tree/init"
# What lies here is the shell's: a test shell that is unpacked over it needs /bin/sh.
mkdir -p "$root/tree/bin"
ln -sf /usr/bin/busybox "$root/tree/bin/sh"
(cd "$root/tree" && find . | cpio -o -H newc -R 0:0 --quiet) >"$dir/initramfs"
cp "$root/export/kernel" "$dir/kernel"
echo "$dir"
