#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Inside the new root file system, in a guest: configures what debootstrap has
# unpacked and makes the first initramfs. $1 is the kernel's release.
set -e
export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
/debootstrap/debootstrap --second-stage
echo "dmarace-board" >/etc/hostname
: >/etc/machine-id
echo "LABEL=dmarace-root / ext4 defaults 0 1" >/etc/fstab
# No login is wanted, and nothing that wakes up by itself.
systemctl mask getty.target apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
    fstrim.timer dpkg-db-backup.timer systemd-networkd-wait-online.service
systemctl enable dmarace-board.service
# All of the board's modules are in the initramfs, for udev to load.
cat >/etc/initramfs-tools/hooks/board-modules <<'HOOK'
#!/bin/sh
[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
for file in $(find "/lib/modules/$version/kernel" -name '*.ko'); do
    manual_add_modules "$(basename "$file" .ko)"
done
HOOK
chmod 755 /etc/initramfs-tools/hooks/board-modules
# The same for dracut, which the board has as well and does not use by itself.
mkdir -p /etc/dracut.conf.d
{
    echo 'hostonly=no compress=zstd'
    echo "add_drivers+=\" $(find "/lib/modules/$1/kernel" -name '*.ko' -exec basename {} .ko ';' | tr '\n' ' ')\""
} >/etc/dracut.conf.d/board.conf
depmod "$1"
update-initramfs -c -k "$1"
