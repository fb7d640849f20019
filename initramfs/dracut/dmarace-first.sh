#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# `dmarace=off` on the kernel's command line boots without.
dmarace_first() {
    local conf=/etc/modprobe.d/dmarace-boot.conf run boot words _
    [ -e $conf ] || return 0
    read -r words </proc/cmdline
    case " $words " in
    *" dmarace=off "*)
        rm -f $conf
        return 0
        ;;
    esac
    read -r _ run <$conf
    read -r boot </proc/sys/kernel/random/boot_id
    echo "<6>dmarace: $run boot=$boot" >/dev/kmsg
    modprobe dmarace || echo "<4>dmarace: not loaded, so no rule is armed" >/dev/kmsg
}
dmarace_first
