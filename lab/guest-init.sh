#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# First program of a guest that has a busybox, the kernel's modules and a reproducer.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /tmp
# As udev would: the IOMMU's driver before its clients'.
while read -r module; do modprobe -q "$module"; done </modules
sleep 1
rounds=$(cat /rounds)
while [ "$rounds" -gt 0 ]; do
    sh /repro.sh >/tmp/said 2>&1 # a file: who hangs would hold a pipe open
    code=$?
    cat /tmp/said
    echo "repro: exit $code"
    # Where the kernel complained or a task hangs nothing is as it was, and the oops may be to come.
    # The end of the first program ends the machine at once.
    if grep -q ' hangs:' /tmp/said || dmesg | grep -qE 'Internal error|BUG:|WARNING:|corruption'; then exit 1; fi
    rounds=$((rounds - 1))
done
poweroff -f
