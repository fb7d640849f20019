#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# No job of the library touches the disk that the machine runs from.
#   guard.sh ROOT-TYPE.toml
. /usr/bin/lib.sh
guarded_disk /usr/sbin/dmarace - pci/$root "mounted on /"
code=$?
[ $code = 0 ] || failed=1
refused() {
    dmarace run "$1" --device pci/$root --out /tmp/refused 2>&1 | tee /tmp/said
    says /tmp/said "mounted on /" && [ ! -e /tmp/refused/journal.jsonl ]
}
check "a run that names the root disk is refused before anything is done" refused "$1"
# Its driver is bound: the kernel answers EPERM, and that it was asked is what counts.
tries() {
    dmarace run "$1" --device pci/$root --i-know pci/$root --out /tmp/known
    cat /tmp/known/journal.jsonl
    grep '"t":"step"' /tmp/known/journal.jsonl | grep -q "$root"
}
check "with --i-know it tries" tries "$1"
exit $failed
