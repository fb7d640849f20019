#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Boots every virtual board with several kernels and prints one row for each boot.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/boards.sh check|quiet [OPTION].. [BOARD..]

check: dmarace check. A row is wrong that is red where the kernel is known to be sound, not
       red where it is known not to be, or longer than the minute that check gives itself.
quiet: dmarace audit. A row is wrong that is red where the kernel is known to be sound.

BOARD is a name or a file (default: all of vm/boards, but for those that need a kernel from
source). A board that cannot be had here is a row that says what it lacks, and not wrong.
Exit 1: a row was wrong.
  --kernels LIST  default "debian:6.1 debian:6.12 debian:7"
  --append ARG    one more kernel argument
  --times N       boots of each (default 1); each round goes over all boards
  --out DIR       where each boot leaves its console and its findings (default: those that
                  were wrong are kept in a temporary directory)

Needs dmarace-vm (build/release, build/dev or DMARACE_VM_PROGRAM) and the boards' programs
(build/arm64, build/amd64).
TEXT
}

build=build/dev
[ -x $build/vm/dmarace-vm ] || build=build/release
vm=${DMARACE_VM_PROGRAM:-$build/vm/dmarace-vm}
kernels='debian:6.1 debian:6.12 debian:7' append='' times=1 out='' boards=()

what=${1:-}
shift || true
case $what in
check | quiet) ;;
-h | --help) usage && exit ;;
*) usage >&2 && exit 2 ;;
esac
while [ $# -gt 0 ]; do
    case $1 in
    --kernels | --append | --times | --out)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        printf -v "${1#--}" %s "$2"
        shift 2
        ;;
    -h | --help) usage && exit ;;
    -*) usage >&2 && exit 2 ;;
    *) boards+=("$1") && shift ;;
    esac
done
[ ${#boards[@]} -gt 0 ] ||
    mapfile -t boards < <(basename -s .toml vm/boards/*.toml | grep -vx smmuv3-module)
keep=$out
[ -n "$out" ] || out=$(mktemp -d)

# What is known of a kernel on a board: red, sound, or either where a race decides.
known() { # BOARD KERNEL
    case $what-$1-$2 in
    *-smmuv3-bridge-*) echo red ;;
    quiet-*) echo sound ;;
    check-virtio-iommu-debian:6.12 | check-virtio-iommu-debian:7) echo red ;;
    check-virtio-iommu*-*:6.12 | check-virtio-iommu*-*:7) echo either ;;
    check-disk-*:6.12 | check-disk-*:7) echo either ;;
    *) echo sound ;;
    esac
}

command=check
[ "$what" = check ] || command=audit
wrong=0 rows=0
row() { # BOARD KERNEL ROUND
    local name known dir rc=0 seconds said note=''
    name=$(basename -s .toml "$1")
    known=$(known "$name" "$2")
    dir=$out/$name-${2//[\/:]/-}${append:+-${append//[^a-z0-9]/-}}-$3
    rm -rf "$dir" && mkdir -p "$dir"
    "$vm" run --source . --board "$1" --kernel "$2" ${append:+--append "$append"} --timeout 5m \
        --out "$dir" -- "$command" >"$dir/said" 2>&1 || rc=$?
    seconds=$(sed -n 's/.*"program_seconds": \([0-9]*\).*/\1/p' "$dir/vm.json" 2>/dev/null | tail -1) || true
    if [ -z "$seconds" ] && [ $rc = 4 ]; then
        said="not here: $(grep -v '^dmarace-[a-z]*: board [^ ]*, kernel' "$dir/said" | tail -1)" || true
    elif [ "$what" = check ]; then
        said=$(grep -A1 "^check: [a-z]*\$" "$dir/said" | tr -s ' \n' ' ') || said=$(tail -1 "$dir/said")
        [ -n "$seconds" ] && [ "$seconds" -gt 60 ] && note="$seconds s"
    else
        said=$(grep -E '^(fail|not sound|audit:)' "$dir/said" | head -1) || said=$(tail -1 "$dir/said")
    fi
    case $known-$rc in
    red-0 | red-5) note="not red" ;;
    red-1 | either-1 | *-0 | *-4 | *-5) ;;
    *) note="exit $rc${note:+, $note}" ;;
    esac
    rows=$((rows + 1))
    printf '%-22s %-12s %-24s %4s s  exit %s  %s%s\n' "$name" "$2" "$append" "${seconds:--}" $rc \
        "${note:+WRONG ($note): }" "$said"
    if [ -n "$note" ]; then
        wrong=$((wrong + 1))
    elif [ -z "$keep" ]; then
        rm -rf "$dir"
    fi
}

for ((round = 1; round <= times; ++round)); do
    for kernel in $kernels; do
        for board in "${boards[@]}"; do
            row "$board" "$kernel" "$round"
        done
    done
done
echo "$rows boots, $wrong wrong"
if [ $wrong -gt 0 ]; then
    echo "what they left is in $out"
    exit 1
fi
[ -n "$keep" ] || rmdir "$out"
