#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A campaign whose iterations are boots, gone on with by its own unit:
#   boots.sh JOB ITERATIONS [dracut]
# dracut: update-initramfs is put out of the way, and dracut makes the initramfs.
. /usr/bin/lib.sh
out=/var/lib/dmarace/boots dracut=${3:-}
traces() {
    ls /var/lib/dmarace/boot.conf /var/lib/dmarace/reboot.json \
        /etc/systemd/system/multi-user.target.wants/dmarace-reboot.service 2>/dev/null
    # This dracut takes every module there is, loaded or not (hostonly=no).
    lsinitramfs /boot/initrd.img-$(uname -r) | grep dmarace |
        grep -v "scripts/init-top/dmarace${dracut:+\|updates/dmarace}"
}
has_file() { lsinitramfs "/boot/initrd.img-$(uname -r)" | grep -q "$1"; }
over() { grep -q '"t":"end".*"why":"\(done\|skip\|error\|stopped\|interrupted\)\|"why":"\(done\|skip\|error\|stopped\|interrupted\).*"t":"end"' $out/journal.jsonl && ! systemctl -q is-active dmarace-reboot; }

if [ "$DMARACE_BOOT" = 1 ]; then
    # As this machine makes it: the board's root was made by another one.
    if [ -n "$dracut" ]; then
        mv /usr/sbin/update-initramfs /usr/sbin/update-initramfs.away
        dracut --force --kver "$(uname -r)" >/var/lib/dracut.log 2>&1 || tail -5 /var/lib/dracut.log
        check "dracut's initramfs has the root's driver" has_file nvme.ko
    else
        update-initramfs -u -k "$(uname -r)" >/dev/null 2>&1
    fi
    lsinitramfs /boot/initrd.img-$(uname -r) | sort >/var/lib/initramfs-before
    check "there is no trace before" [ -z "$(traces)" ]
    dmarace run "$1" --reboot -n "$2" --out $out
    code=$?
    echo "# dmarace run ended with $code"
    # The machine boots now, and this is ended with it.
    [ -e $out/journal.jsonl ] && ! over && sleep 120
fi
until_true 240 over
journalctl -q -b -u dmarace-reboot -o cat | sed 's/^/# /'
dmarace report $out 2>/dev/null | sed 's/^/# /'
check "the campaign has come to its end" over
check "there is no trace after" [ -z "$(traces)" ]
traces | sed 's/^/# left: /'
same() { lsinitramfs /boot/initrd.img-$(uname -r) | sort | diff /var/lib/initramfs-before -; }
check "the initramfs holds what it held" same
cp $out/* /run/out/
exit $failed
