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
    sh /repro.sh
    echo "repro: exit $?"
    # After an oops nothing is as it was. The end of the first program ends the machine at once.
    if dmesg | grep -qE 'Internal error|BUG:'; then exit 1; fi
    rounds=$((rounds - 1))
done
poweroff -f
