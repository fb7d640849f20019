#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/boards.sh goes over all rows: over a board that cannot be had here, and one that is
# wrong. A script stands for dmarace-vm.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT

cat >"$top/vm" <<'VM'
#!/bin/bash
while [ "$1" != -- ]; do
    [ "$1" != --out ] || out=$2
    [ "$1" != --board ] || board=$2
    shift
done
case $board in
lacking) echo "dmarace-vm: board lacking cannot run kernel k: it needs QEMU" >&2 && exit 4 ;;
silent) exit 4 ;;
esac
echo '{"program_seconds": 7.5}' >"$out/vm.json"
echo "audit: $board"
[ "$board" != red ]
VM
chmod +x "$top/vm"

rc=0
said=$(TMPDIR=$top DMARACE_VM_PROGRAM=$top/vm scripts/boards.sh quiet --kernels k \
    lacking silent sound red smmuv3-bridge 2>&1) || rc=$?
failed=0
expect() { # TEXT
    if grep -qE "$1" <<<"$said"; then
        echo "ok $1"
    else
        echo "not ok $1, exit $rc: $said"
        failed=1
    fi
}
expect '^lacking .* exit 4  not here: .*it needs QEMU$'
expect '^silent .* exit 4  not here'
expect '^sound .* 7 s  exit 0  audit: sound$'
expect '^red .* exit 1  WRONG \(exit 1\)'
expect '^smmuv3-bridge .* WRONG \(not red\)'
expect '^5 boots, 2 wrong$'
[ $rc = 1 ] || { echo "not ok exit $rc" && failed=1; }
exit $failed
