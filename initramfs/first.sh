#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Loads dmarace with its rules before udev loads anything. initramfs-tools runs
# this, dracut sources it. `dmarace=off` on the kernel's command line boots
# without; so does a board whose pstore has three boots of this run that died.
dmarace_first() {
    local conf=/etc/modprobe.d/dmarace-boot.conf run boot taint words dump line died=0 _
    [ -e $conf ] || return 0
    read -r _ run <$conf
    mount -t pstore pstore /sys/fs/pstore 2>/dev/null
    for dump in /sys/fs/pstore/dmesg-*; do
        [ -e "$dump" ] || continue
        while read -r line; do
            case $line in
            *"dmarace: $run boot="*)
                died=$((died + 1))
                break
                ;;
            esac
        done <"$dump"
    done
    read -r words </proc/cmdline
    case " $words " in *" dmarace=off "*) died=3 ;; esac
    if [ $died -ge 3 ]; then
        rm -f $conf
        echo "<4>dmarace: $run is left out of this boot" >/dev/kmsg
        return 0
    fi
    read -r boot </proc/sys/kernel/random/boot_id
    read -r taint </proc/sys/kernel/tainted
    echo "<6>dmarace: $run boot=$boot taint=$taint" >/dev/kmsg
    modprobe dmarace || echo "<4>dmarace: not loaded, so no rule is armed" >/dev/kmsg
}

case ${1:-} in
prereqs) echo "" ;;
*) dmarace_first ;;
esac
