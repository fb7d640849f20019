#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# initramfs/first.sh loads the module where a run waits for the boot, and leaves
# it out where it must: in a directory that stands for the initramfs.
set -eu
script=$(cd "$(dirname "$0")/../.." && pwd)/initramfs/first.sh
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
failed=0

# boot CMDLINE [DUMPS]: what is said and done in a boot with so many dead ones before
boot() {
    rm -rf "$top"/*
    mkdir -p "$top/etc/modprobe.d" "$top/proc/sys/kernel/random" "$top/sys/fs/pstore" "$top/dev"
    echo "# run=late-1" >"$top/etc/modprobe.d/dmarace-boot.conf"
    [ "${conf:-yes}" = yes ] || rm "$top/etc/modprobe.d/dmarace-boot.conf"
    echo "$1" >"$top/proc/cmdline"
    echo id-9 >"$top/proc/sys/kernel/random/boot_id"
    echo 512 >"$top/proc/sys/kernel/tainted"
    : >"$top/dev/kmsg"
    for number in $(seq "${2:-0}"); do
        printf 'Panic#1\n<6>[ 1.0] dmarace: run=late-1 boot=id-%s\n<0>[ 9.0] Kernel panic\n' \
            "$number" >"$top/sys/fs/pstore/dmesg-ramoops-$number"
    done
    echo "run=other boot=id-0" >"$top/sys/fs/pstore/dmesg-ramoops-other"
    {
        echo 'modprobe() { echo "loads $*"; return 0; }; mount() { return 0; }'
        sed -e "s: /proc/: $top/proc/:g; s:</proc/:<$top/proc/:g" -e "s:=/etc/:=$top/etc/:g" \
            -e "s:/sys/fs/pstore/:$top/sys/fs/pstore/:g" -e "s:>/dev/kmsg:>>$top/dev/kmsg:g" "$script"
    } >"$top/run"
    said="$(sh "$top/run" 2>&1) $(cat "$top/dev/kmsg")"
}

# expect NAME TEXT: it said so; with "" nothing was said at all
expect() {
    case "$said" in
    *"$2"*) [ -n "$2" ] || [ "$said" = " " ] && echo "ok $1" && return 0 ;;
    esac
    echo "not ok $1: '$said'"
    failed=1
}

boot "quiet"
expect "a run that waits is loaded" "loads dmarace"
expect "and its boot is marked first" "<6>dmarace: run=late-1 boot=id-9 taint=512"
boot "quiet dmarace=off ro"
expect "dmarace=off leaves it out" " <4>dmarace: run=late-1 is left out"
boot "quiet" 2
expect "two boots that died do not" "loads dmarace"
boot "quiet" 3
expect "three do" " <4>dmarace: run=late-1 is left out"
[ ! -e "$top/etc/modprobe.d/dmarace-boot.conf" ] || { echo "not ok its rules are gone" && failed=1; }
conf=no
boot "quiet"
expect "without a run nothing is done" ""
exit $failed
