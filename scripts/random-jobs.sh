#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs random valid jobs, one after the other, on a booted virtual board, and
# looks after each at what dmarace left. A kernel that breaks is booted again.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/random-jobs.sh [--kernel K] [--board B] [--from SEED] [--count N] [--out DIR]

Job N is made from seed N; the same seed gives the same job. Needs what
scripts/test.sh vm builds: build/dev (or build/release), build/arm64, the kernel.
  --kernel K   debian:6.1, debian:6.12, debian:7 .. (default debian:7)
  --board B    default virtio-iommu
  --from SEED  the first (default 1)
  --count N    how many (default 20)
  --out DIR    where the boots go (default build/random-DATE)
Lines: job, what came of it; left, what it changed and said so; odd, a type write
that no row of docs/verdicts.md explains; BAD, a fault of dmarace.
Exit: 0 dmarace did nothing wrong; 1 it did (lines that begin with BAD); 3 no board.
TEXT
}

kernel=debian:7 board=virtio-iommu from=1 count=20
out=build/random-$(date -u +%Y%m%d-%H%M%S)
while [ $# -gt 0 ]; do
    case $1 in
    --kernel | --board | --from | --count | --out)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        printf -v "${1#--}" %s "$2"
        shift 2
        ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done

vm=build/dev/vm/dmarace-vm
[ -x $vm ] || vm=build/release/vm/dmarace-vm
arm64=build/arm64
mkdir -p "$out"
log=$out/jobs.log
: > "$log"

last=$((from + count - 1))
boots=0
while [ "$from" -le "$last" ]; do
    boots=$((boots + 1))
    code=0
    $vm run --board "$board" --kernel "$kernel" --out "$out/boot-$boots" \
        --program $arm64/tests/generate/job_sweep --also $arm64/orchestrator/dmarace -- \
        /usr/bin/dmarace "$from" $((last - from + 1)) > "$out/boot-$boots.out" 2>&1 || code=$?
    grep -E '^(job|left|odd|BAD) ' "$out/boot-$boots.out" | tee -a "$log" || true
    begun=$(sed -n 's/^begin //p' "$out/boot-$boots.out" | tail -1)
    case $code in
    0 | 1) break ;;
    130) exit 130 ;;
    esac
    if [ -z "$begun" ]; then
        echo "random-jobs.sh: the board did not come up (exit $code); see $out/boot-$boots.out" >&2
        exit 3
    fi
    # 6: the job was told; else the machine died in it, or is stuck.
    [ "$code" = 6 ] || echo "job $begun died with the machine (exit $code)" | tee -a "$log"
    from=$((begun + 1))
done

tried=$(grep -c '^job ' "$log" || true)
echo "$kernel on $board: $tried jobs, $boots boots;" \
    "exit 0: $(grep -c '^job .* exit 0 ' "$log" || true)," \
    "1: $(grep -c '^job .* exit 1 ' "$log" || true)," \
    "4: $(grep -c '^job .* exit 4 ' "$log" || true)," \
    "5: $(grep -c '^job .* exit 5 ' "$log" || true)," \
    "stuck $(grep -c '^job .* stuck' "$log" || true)," \
    "oops $(grep -c '^job .* oops' "$log" || true)," \
    "died $(grep -c '^job .* died' "$log" || true)," \
    "unexplained $(grep '^odd ' "$log" | cut -d: -f1 | sort -u | wc -l)," \
    "BAD $(grep '^BAD ' "$log" | cut -d: -f1 | sort -u | wc -l)"
! grep -q '^BAD ' "$log"
