#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Compares what dmarace and its module say on two booted boards with what is recorded
# beside this script: looks at the board, dry runs of every job, verdicts of runs, and
# the module's events in some of them.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/golden/board.sh [--update] [--boots DIR]

The boards are smmuv3 (debian:6.12) and virtio-iommu (debian:7). Needs what
scripts/test.sh vm builds. --boots DIR keeps the boots' directories there, and takes
those that are there already. Exit code 1 when anything differs; --update writes
what is said now instead.
TEXT
}

update='' boots=
while [ $# -gt 0 ]; do
    case $1 in
    --update) update=1 ;;
    --boots) boots=$(realpath -m "$2") && shift ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
cd "$(dirname "$0")/../.."
here=$PWD/tests/golden
# shellcheck source=tests/golden/filters.sh
. "$here/filters.sh"
vm=${DMARACE_VM:-build/dev/vm/dmarace-vm}
[ -x "$vm" ] || vm=build/release/vm/dmarace-vm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -n "$boots" ] || boots=$work

# Jobs of the tests, as they were recorded.
controls=(clean driver-list no-group underfoot double-probe fwspec-lost map-error map-fails
    type-mismatch unexpected-errno leak not-bound kernel-warning)
sections "$here/lint.corpus" "$work" .toml

look=("list points" "list devices" "list groups" audit doctor)
runs_of() {
    case $1 in
    smmuv3)
        printf '%s\n' "type-pairs -n 1" "lost-dma-flag -n 2" "late-domain-on-demand -n 2" \
            "type-vs-bind -n 1" "type-group -n 1" "instance-lookup -n 1"
        printf '/job/test-%s.toml --unsafe -n 1\n' "${controls[@]}"
        ;;
    virtio-iommu)
        printf '%s\n' "late-probe -n 3" "late-domain -n 1" "fwspec-free -n 1" "two-walks -n 1" \
            "acpi-skip -n 1" "two-iommus -n 1"
        ;;
    esac
}

# On the second board those that the first one skips: its IOMMU's driver is a module.
dry_runs_of() {
    local job
    case $1 in
    smmuv3) for job in jobs/*.toml; do basename "$job" .toml; done ;;
    virtio-iommu)
        printf '%s\n' acpi-skip amba-read-twice boot-instance-lookup boot-late-probe empty-group \
            fwspec-free instance-lookup late-domain late-domain-replay late-module late-probe \
            release-vs-walk sibling-domain two-iommus two-walks type-live
        ;;
    esac
}

name_of() { basename "${1%% *}" .toml | sed 's/^test-//'; }

# boot BOARD KERNEL: one boot with all of it.
boot() {
    local commands=("${look[@]}") run job files=()
    while IFS= read -r job; do commands+=("run $job --dry-run --unsafe"); done < <(dry_runs_of "$1")
    while IFS= read -r run; do
        commands+=("run $run --out /run/out/$(name_of "$run")")
        [[ $run != /job/* ]] || files+=("$work/test-$(name_of "$run").toml")
    done < <(runs_of "$1")
    "$vm" run --board "$1" --kernel "$2" --timeout 40m --out "$boots/$1" \
        --program tests/guest/ask --also orchestrator/dmarace -- \
        commands /usr/bin/dmarace "${commands[@]}" -- "${files[@]}" > "$boots/$1.out" 2> "$boots/$1.err"
}

# Without times and what differs from one kernel of a series to the next.
plain() { sed -E 's/[0-9]+\.[0-9]+\.[0-9]+\+[a-z0-9]+-arm64/KERNEL/g; s/\[ *[0-9]+\.[0-9]+\]/[]/g' "$@"; }

# The lines of the runs that say what came of them.
verdicts() {
    local names
    names=$(runs_of "$1" | while IFS= read -r run; do name_of "$run"; done | paste -sd'|')
    awk -v names="^($names)$" '/^##### / { name = $3; gsub(/.*\/(test-)?|\.toml$/, "", name)
            show = /^##### run / && !/--dry-run/ && name ~ names; if (show) print "##### run " name; next }
        show && /^[^ ].*: (pass|fail|crash|hang|inconclusive|skip|error)|^\[exit|^  [a-z-]+ [a-z]+\/[^ ]* / {
            gsub(/ page 0x[0-9a-f]+, translated 0x[0-9a-f]+/, ""); print }' "$boots/$1.out"
}

# What the module said, each kind of line once.
events() {
    sed -E 's/dmarace_[a-z_]+\+[0-9a-fx\/]+ \[dmarace\]/[dmarace]/g; s/ (seq|ts|tid|pid|domain_id|phys|iova_phys|addr|held_us|us|lease_ms|iommu_refs)=[^ ]+//g' "$1" | sort -u
}

told() {
    local run
    awk '/^##### / { show = !/^##### run / || /--dry-run/ } show && !/^dmarace-vm: /' "$boots/$1.out" |
        plain
    verdicts "$1" | plain
    for run in late-domain-on-demand type-group leak lost-dma-flag double-probe underfoot late-probe acpi-skip; do
        [ -f "$boots/$1/$run/events.log" ] || continue
        echo "##### events of $run"
        events "$boots/$1/$run/events.log"
    done
}

# all: what both boards said, a command's board before it.
all() {
    local board
    for board in smmuv3 virtio-iommu; do told "$board" | sed "s/^##### /&$board: /"; done |
        exits | as_written jobs | once
}

[ -f "$boots/smmuv3.out" ] || boot smmuv3 debian:6.12
[ -f "$boots/virtio-iommu.out" ] || boot virtio-iommu debian:7
if [ -n "$update" ]; then
    all > "$here/boards.txt"
else
    all | diff -u "$here/boards.txt" -
fi
