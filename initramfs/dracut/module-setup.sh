#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Takes the module dmarace into the initramfs while `dmarace run --reboot` has a
# rule file there, and loads it before udev loads anything.
check() {
    [ -e /etc/modprobe.d/dmarace-boot.conf ]
}

depends() {
    return 0
}

installkernel() {
    hostonly='' instmods dmarace
}

install() {
    inst_simple /etc/modprobe.d/dmarace-boot.conf
    inst_hook pre-udev 00 "$moddir/dmarace-first.sh"
}
