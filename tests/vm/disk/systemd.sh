#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dmaraced and the rules file under real systemd and udev, in one boot:
#   systemd.sh QUIET.toml HELD.toml TRIGGERED.toml FAILING.toml
. /usr/bin/lib.sh
quiet=$1 held=$2 triggered=$3 failing=$4

active() { systemctl is-active -q dmaraced; }
driver() { basename "$(readlink /sys/bus/pci/devices/$client/driver)"; }
bound() { [ "$(driver)" = e1000e ]; }
done_has() { dmarace queue list | grep -q "^done.*$1"; }
count_done() { dmarace queue list | grep -c "^done.*$1"; }
until_true 60 bound

# By udev, though nobody has enabled it.
check "dmaraced is not running before the module is loaded" none active
modprobe dmarace
check "dmaraced is started by udev when the module is loaded" until_true 30 active
check "the control device is root's alone" [ "$(stat -c %a%u%g /dev/dmarace)" = 60000 ]
systemd-analyze security --no-pager dmaraced.service 2>/dev/null |
    sed -n 's/.*Overall exposure level.*: \([0-9.]*\) .*/security score \1/p'

# A job of root's own, from where root keeps such things.
mkdir -p /root/jobs && cp "$quiet" /root/jobs/quiet.toml
dmarace queue add /root/jobs/quiet.toml
check "a job in root's home is run" until_true 60 done_has quiet
passed() { journalctl -q -u dmaraced DMARACE_EXIT=0 -o cat | grep -q pass; }
check "it passes" until_true 10 passed
journalctl -q -u dmaraced -o cat | sed 's/^/# /'

# SIGTERM in a hold. systemd kills after 5 s, and then the result is "timeout".
dmarace queue add "$held" --unsafe
is_held() { cat /sys/module/dmarace/refcnt | grep -qv '^[01]$' && journalctl -q -k | grep -q "iter=1 begin"; }
check "a task is held" until_true 60 is_held
sleep 1
systemctl stop dmaraced
check "SIGTERM in a hold ends it in its 5 s" [ "$(systemctl show -P Result dmaraced)" = success ]
check "nobody runs any more" none pgrep -x dmarace
dmarace restore
check "what the run changed is restored" until_true 20 bound
check "the module can be unloaded: nothing is held" modprobe -r dmarace
for entry in $(dmarace queue list | awk '$1 == "run" || $1 == "new" { print $2 }'); do
    rm -f /var/spool/dmarace/run/$entry /var/spool/dmarace/new/$entry
done

# A trigger: the client's driver is bound.
modprobe dmarace
until_true 30 active
cp "$triggered" /var/spool/dmarace/new/triggered.toml
waits() { dmarace queue list | grep -q '^trigger.*triggered'; }
check "a job with a trigger waits" until_true 20 waits
check "and has not been run" [ "$(count_done triggered)" = 0 ]
echo $client >/sys/bus/pci/drivers/e1000e/unbind
echo $client >/sys/bus/pci/drivers/e1000e/bind
check "the event starts it" until_true 90 done_has triggered
sleep 5
check "what it did itself starts nothing" [ "$(count_done triggered)" = 1 ]
check "the trigger waits for the next one" waits
dmarace queue list | sed 's/^/# /'
dmarace queue cancel triggered.toml
check "it can be cancelled" none waits

# Failures as events that any client of libudev reads.
stdbuf -oL udevadm monitor --udev --property --subsystem-match=misc >/tmp/events 2>&1 &
monitor=$!
until_true 10 says /tmp/events UDEV
dmarace run "$failing" --out /tmp/failing >/dev/null 2>&1
check "a failure is an event of udev's" until_true 10 says /tmp/events DMARACE_KIND=no-group
check "it names the device" says /tmp/events DMARACE_DEVICE=platform/dmarace-sim-client.0
kill $monitor

# Quarantine: the device comes, its driver's module does not.
remove_client() {
    echo 1 >/sys/bus/pci/devices/$client/remove
    modprobe -r e1000e
    udevadm settle
}
comes() {
    echo 1 >/sys/bus/pci/rescan
    udevadm settle
    [ -e /sys/bus/pci/devices/$client ]
}
loaded() { [ -e /sys/module/e1000e ]; }
mkdir -p /run/dmarace/quarantine
touch /run/dmarace/quarantine/$client
remove_client
check "a device in quarantine comes" comes
check "its module does not" none loaded
rm /run/dmarace/quarantine/$client
remove_client
check "without quarantine it comes" comes
check "with its module" until_true 20 loaded

exit $failed
