#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Takes the module dmarace and the rules into the initramfs while `dmarace run
# --reboot` waits for a boot, and loads them before udev loads anything.
check() {
    [ -e /var/lib/dmarace/boot.conf ]
}

depends() {
    return 0
}

installkernel() {
    hostonly='' instmods dmarace
}

install() {
    inst_simple /var/lib/dmarace/boot.conf /etc/modprobe.d/dmarace-boot.conf
    inst_hook pre-udev 00 "$moddir/dmarace-first.sh"
}
