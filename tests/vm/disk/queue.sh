#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A queue of three jobs over the boots that they take: the second one wants a
# boot between its iterations, the third one panics.
#   queue.sh QUIET.toml FRESH.toml PANIC.toml
. /usr/bin/lib.sh

over() { [ "$(dmarace queue list | grep -c '^done')" = 3 ]; }
verdicts() { sed -n 's/.*"t":"verdict".*"verdict":"\([a-z]*\)".*/\1/p' /var/lib/dmarace/*"$1"*/journal.jsonl | tr '\n' ' '; }
journal_order() { sed -n 's/.*"iteration":\([0-9]*\).*"t":"verdict".*/\1/p;t;s/.*"t":"verdict".*"iteration":\([0-9]*\).*/\1/p' /var/lib/dmarace/*"$1"*/journal.jsonl | tr '\n' ' '; }

if [ "$DMARACE_BOOT" = 1 ]; then
    # Who boots the machine is the board's own choice.
    mkdir -p /etc/systemd/system/dmaraced.service.d
    printf '[Service]\nExecStart=\nExecStart=/usr/sbin/dmaraced --reboot /usr/sbin/reboot\n' \
        >/etc/systemd/system/dmaraced.service.d/reboot.conf
    systemctl daemon-reload
    # Only udev starts it: nobody enables the unit, the module is loaded at boot.
    echo dmarace >/etc/modules-load.d/dmarace.conf
    mkdir -p /root/jobs && cp "$@" /root/jobs
    dmarace queue add /root/jobs/test-quiet.toml
    dmarace queue add /root/jobs/test-fresh.toml --unsafe -n 3
    dmarace queue add /root/jobs/test-panic.toml --unsafe -n 1
    sync
    modprobe dmarace
fi
echo "# boot $DMARACE_BOOT"
until_true 300 over || { dmarace queue list; journalctl -q -b -u dmaraced -o short-monotonic; }
journalctl -q -u dmaraced -o cat | sed 's/^/# /'
check "three jobs have ended" over
check "the quiet one has all its iterations" [ "$(verdicts quiet)" = "pass pass " ]
check "the one with boots too" [ "$(verdicts fresh)" = "pass pass pass " ]
check "none of them twice" [ "$(journal_order fresh)" = "1 2 3 " ]
check "the panic is its iteration's verdict" [ "$(verdicts panic)" = "crash " ]
check "nothing is left to run" [ -z "$(ls /var/spool/dmarace/new /var/spool/dmarace/run | grep toml)" ]
exit $failed
