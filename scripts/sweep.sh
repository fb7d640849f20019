#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A sweep over several guests at once, each with its share of the pairs, and what comes of all.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/sweep.sh --board BOARD --kernel KERNEL --out DIR [--parts N] [-- SWEEP-WORD..]

Boots N guests (default 3) that share the pairs of 'dmarace sweep' (--shard 1/N ..), waits for
all, and puts DIR/1, DIR/2 .. together: DIR/sweep.txt and DIR/sweep.json, as if one machine had
done it. SWEEP-WORDs go to each: acts, --time, --schedules ('dmarace sweep --help'). Done again with
the same DIR, it goes on with the parts that DIR holds. Exit 1: something was found; 5: nothing was
tried; 3: a part did not come to its end, and what the others found is in DIR as well.

Needs dmarace-vm (build/release, build/dev or DMARACE_VM_PROGRAM), dmarace (beside it, or
DMARACE_PROGRAM) and the boards' programs (build/arm64, build/amd64).
TEXT
}

source=$(cd "$(dirname "$0")/.." && pwd)
build=$source/build/dev
[ -x "$build/vm/dmarace-vm" ] || build=$source/build/release
vm=${DMARACE_VM_PROGRAM:-$build/vm/dmarace-vm}
dmarace=${DMARACE_PROGRAM:-$build/orchestrator/dmarace}
board='' kernel='' out='' parts=3
while [ $# -gt 0 ]; do
    case $1 in
    --board | --kernel | --out | --parts)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        printf -v "${1#--}" %s "$2"
        shift 2
        ;;
    --) shift && break ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
    esac
done
[[ -n $board && -n $kernel && -n $out && $parts =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }

pids=() dirs=()
trap 'kill -INT "${pids[@]}" 2>/dev/null || true' INT TERM
for i in $(seq "$parts"); do
    mkdir -p "$out/$i"
    resume=()
    [ ! -e "$out/$i/sweep.json" ] || resume=(--resume)
    "$vm" run --source "$source" --board "$board" --kernel "$kernel" --out "$out/$i" -- \
        sweep --shard "$i/$parts" "${resume[@]}" "$@" >"$out/$i.log" 2>&1 &
    pids+=($!) dirs+=("$out/$i")
done
broken=0
for i in $(seq "$parts"); do
    rc=0
    while :; do # a signal ends a wait, and not the part
        wait "${pids[i - 1]}" && rc=0 || rc=$?
        kill -0 "${pids[i - 1]}" 2>/dev/null || break
    done
    case $rc in
    0 | 1 | 5) ;; # 5: a part may have nothing to try
    *) echo "sweep.sh: part $i ended with $rc; see $out/$i.log" >&2 && broken=1 ;;
    esac
done
there=()
for dir in "${dirs[@]}"; do [ ! -e "$dir/sweep.json" ] || there+=("$dir"); done
[ ${#there[@]} -gt 0 ] || { echo "sweep.sh: no part has begun; see $out/1.log" >&2 && exit 3; }
"$dmarace" report --merge --json "${there[@]}" >"$out/sweep.json" || true
rc=0
"$dmarace" report --merge "${there[@]}" >"$out/sweep.txt" || rc=$?
cat "$out/sweep.txt"
[ $broken = 0 ] || exit 3
exit $rc
