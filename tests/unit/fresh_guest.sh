#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What fresh_guest makes of a run, played by a script in place of dmarace-vm: a crash is timed
# to the next begin, and runs whose verdicts are others do not agree.
# fresh_guest.sh FRESH_GUEST
set -euo pipefail
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
failed=0

# Two iterations, each with an oops; the guest of the second comes after PAUSE seconds.
cat >"$top/vm" <<'VM'
#!/bin/bash
verdict=hang restored=true
while [ "$1" != -- ]; do
    [ "$1" != --out ] || out=$2
    [ "$1" != --no-snapshot ] || { verdict=$BOOTED restored=false; }
    shift
done
[ "$2" = run ] && [ -n "$NOTHING" ] && echo "the board is not there" && exit 4
mkdir -p "$out"
record() { echo "$1" >>"$out/journal.jsonl"; sleep 0.03; }
record '{"t":"run","schema":1,"run_id":"r","job":"j"}'
for number in 1 2; do
    record '{"t":"begin","iteration":'$number',"at":"","may_change":[]}'
    echo 'Unable to handle kernel NULL pointer dereference at virtual address 0' >>"$out/console.log"
    sleep 0.03
    record '{"t":"verdict","iteration":'$number',"verdict":"'$verdict'","reason":"","failures":[],"seconds":1}'
    record '{"t":"end","how":"boot-again","why":"boot again"}'
    sleep "$PAUSE"
done
echo '{"boots":[{},{"restored":'$restored'}]}' >"$out/vm.json"
exit 1
VM
chmod +x "$top/vm"

# expect NAME CODE TEXT: so it ends, and so it says
expect() {
    local rc=0
    said=$(PAUSE=${pause:-0} BOOTED=${booted:-hang} NOTHING=${nothing:-} \
        "$fresh" "$top/vm" debian:7 smmuv3-blk type-vs-remove 2 2 2>&1) || rc=$?
    if [ $rc = "$2" ] && [[ $said == *"$3"* ]]; then
        echo "ok $1"
    else
        echo "not ok $1: exit $rc: $said"
        failed=1
    fi
}

fresh=$1
expect "each crash is timed" 0 "2 iterations, 1 of them in a restored guest; verdicts hang 2
  crash to next begin: median of 1 0."
pause=1.2 expect "a second is the most" 1 "median of 1 1."
booted=fail expect "other verdicts" 1 "verdicts fail 2"
nothing=yes expect "what the run said when it came to nothing" 3 "the board is not there"
exit $failed
