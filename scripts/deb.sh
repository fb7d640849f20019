#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds the Debian packages in a clean Debian, and tries them in another one: installed, the
# module built by DKMS, booted, a red and a green job, purged.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/deb.sh [--out DIR] [--keep] [source|build|try|test]

source  only lays the source package's tree out, in DIR/dmarace
build   builds the packages of this machine's architecture in a clean root (as root), runs
        lintian, and puts all into DIR [build/deb]
try     installs those in DIR in a second clean root with a kernel of bookworm-backports
        (DKMS builds the module there), boots that in QEMU with a virtio-iommu for a red and a
        green job, purges the packages, looks for what they left, and runs autopkgtest. amd64
        only
test    both
Roots are made by debootstrap (600 MB), kept below $DMARACE_CACHE [/var/cache/dmarace] as a
tree without packages of ours; --keep leaves the working roots in DIR. Exit 0: all of it was so.
TEXT
}

out=build/deb keep='' what=test
while [ $# -gt 0 ]; do
    case $1 in
    --out)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        out=$2
        shift
        ;;
    --keep) keep=1 ;;
    source | build | try | test) what=$1 ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
mkdir -p "$out"
out=$(cd "$out" && pwd)
# shellcheck source=scripts/clean-root.sh
. scripts/clean-root.sh

# The tree of the source package: what git has, and debian/ at its top.
lay_out() {
    rm -rf "$out/dmarace"
    mkdir -p "$out/dmarace"
    git ls-files -co --exclude-standard -z | xargs -0 cp -P --parents -t "$out/dmarace"
    mv "$out/dmarace/packaging/debian" "$out/dmarace/debian"
}

build() {
    local root=$out/build-root
    clean_root build-root
    apt_inside "$root" install build-essential fakeroot lintian
    cp -a "$out/dmarace" "$root/dmarace"
    apt_inside "$root" build-dep /dmarace
    say "building the packages"
    inside "$root" env "DEB_BUILD_OPTIONS=noautodbgsym ${DEB_BUILD_OPTIONS:-}" \
        sh -c 'cd /dmarace && dpkg-buildpackage -us -uc' >"$out/build.log" 2>&1 ||
        fail "dpkg-buildpackage: see $out/build.log"
    rm -f "$out"/*.deb
    mv "$root"/*.deb "$root"/*.changes "$root"/*.dsc "$root"/*.tar.xz "$out"
    mkdir "$root/made"
    cp "$out"/dmarace* "$root/made" 2>/dev/null || true
    inside "$root" lintian --allow-root --fail-on error /made/dmarace_*.changes | tee "$out/lintian.txt"
}

# What is there, without what every apt and every boot writes, and DKMS's own key.
files_of() {
    (cd "$1" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run -o -path ./tmp \
        -o -path ./var/log -o -path './var/cache/*' ! -path './var/cache/dmarace*' \
        -o -path './var/lib/dpkg/*' -o -path './var/lib/apt/*' -o -path './var/lib/dkms/mok.*' \
        -o -path ./var/lib/systemd/deb-systemd-helper-enabled \) -prune -o ! -type d -print) | sort
}

# What packages need, so that what they bring is told apart from it.
needs_of() {
    local deb
    for deb in "$@"; do dpkg-deb -f "$deb" Depends; done | tr ',' '\n' |
        sed 's/^ *//; s/[ (|].*//' | grep -v '^dmarace' | sort -u
}

try() {
    local root=$out/test-root release
    clean_root test-root
    # shellcheck disable=SC2046 # a list of names
    apt_inside "$root" install man-db kmod systemd-sysv udev initramfs-tools zstd $(needs_of "$out"/*.deb)
    # Only what its machine has: an initramfs with everything takes minutes.
    echo MODULES=list >"$root/etc/initramfs-tools/conf.d/modules"
    printf '%s\n' virtio_pci virtio_blk ext4 crc32c_generic >>"$root/etc/initramfs-tools/modules"
    # Last: what comes after it makes its initramfs anew.
    apt_inside "$root" install -t "$suite-backports" "linux-image-$arch" "linux-headers-$arch"
    release=$(cd "$root/lib/modules" && echo *)
    files_of "$root" >"$out/before"
    cp "$out"/*.deb "$root/tmp"
    say "installing them; DKMS builds for $release"
    inside "$root" sh -c 'apt-get install -q -y --no-install-recommends /tmp/*.deb' >>"$out/apt.log" 2>&1 ||
        fail "apt-get install: see $out/apt.log"
    inside "$root" dkms status -k "$release" >"$out/dkms.txt"
    grep -q installed "$out/dkms.txt" || fail "DKMS: $(cat "$out/dkms.txt")"
    say "$(cat "$out/dkms.txt")"
    boot "$root" "$release"
    rm "$root"/tmp/*
    # As runs and a queue leave them.
    mkdir -p "$root"/var/{lib,spool,cache}/dmarace/predict
    touch "$root"/var/{lib,spool,cache}/dmarace/{,predict/}file
    apt_inside "$root" purge dmarace dmarace-dkms dmarace-vm
    files_of "$root" >"$out/after"
    diff "$out/before" "$out/after" >"$out/left.txt" ||
        fail "purge left (>), or took (<): $(cat "$out/left.txt")"
    say "purged: nothing is left"
    autopkgtest -q --output-dir="$out/autopkgtest" -B "$out"/*.deb "$out/dmarace/" -- chroot "$root" \
        >"$out/autopkgtest.log" 2>&1 || code=$?
    # 2: those that take a machine of their own were left out; they are what was booted.
    case ${code:-0} in 0 | 2) ;; *) fail "autopkgtest: see $out/autopkgtest.log" ;; esac
    grep -E '(PASS|FAIL|SKIP)' "$out/autopkgtest.log" || true
}

# The root as it is, as the disk of a machine whose first program is the test. The disk has a bus
# of its own, round the IOMMU: what a job may remove is behind it.
boot() {
    local root=$1 release=$2 image=$out/root.img
    cp packaging/debian/tests/races "$root/tmp"
    cat >"$root/tmp/first" <<'TEXT'
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mountpoint -q /dev || mount -t devtmpfs dev /dev
cd /run
modprobe -a virtio_iommu e1000e
AUTOPKGTEST_TMP=/run sh /tmp/races && echo "deb.sh: races ok"
echo o >/proc/sysrq-trigger
sleep 60
TEXT
    chmod +x "$root/tmp/first"
    rm -f "$image"
    mke2fs -q -t ext4 -d "$root" "$image" 4G
    say "booting $release"
    timeout 1200 qemu-system-x86_64 -M q35 -cpu max -m 1G -smp 2 -nodefaults -display none \
        -serial stdio -no-reboot \
        -kernel "$root/boot/vmlinuz-$release" -initrd "$root/boot/initrd.img-$release" \
        -append "root=/dev/vda ro console=ttyS0 panic=-1 init=/tmp/first deferred_probe_timeout=-1" \
        -device virtio-iommu-pci,addr=01.0 -netdev hubport,id=net0,hubid=0 \
        -device e1000e,addr=02.0,netdev=net0,romfile= \
        -device pxb-pcie,id=own,bus_nr=32,bypass_iommu=on,addr=05.0 \
        -device pcie-root-port,id=own-port,bus=own,chassis=1 \
        -drive "file=$image,format=raw,if=none,id=root" -device virtio-blk-pci,drive=root,bus=own-port \
        </dev/null >"$out/console.log" 2>&1 || true
    rm -f "$image"
    grep -aq '^deb.sh: races ok' "$out/console.log" || fail "tests/races: see $out/console.log"
    grep -ao 'races: .* wanted' "$out/console.log"
}

lay_out
[ "$what" != source ] || exit 0
[ "$what" = build ] || command -v autopkgtest >/dev/null ||
    fail -3 "no autopkgtest: scripts/setup.sh installs it"
[ -n "$keep" ] || trap 'rm -rf "$out"/{build,test}-root "$out/root.img" "$out/dmarace"' EXIT
[ "$what" = try ] || build
[ "$what" = build ] || try
