#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Compares what the programs say without a board with what is recorded beside this
# script: help, lint, usage errors, reports of recorded runs.
set -euo pipefail
shopt -s nullglob

usage() {
    cat <<'TEXT'
usage: tests/golden/golden.sh [--update] PROGRAMS [KIND..]

PROGRAMS is a build directory (build/dev). KIND is help, errors, jobs, lint, vm or
runs; default: all. Exit code 1 when anything differs, with the difference;
--update writes what is said now instead.
TEXT
}

update=
[ "${1:-}" != --update ] || { update=1; shift; }
case ${1:-} in
-h | --help) usage && exit 0 ;;
'' | -*) usage >&2 && exit 2 ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/golden/filters.sh
. "$here/filters.sh"
source=$(cd "$here/../.." && pwd)
build=$(cd "$1" && pwd)
shift
kinds=("$@")
[ ${#kinds[@]} -gt 0 ] || kinds=(help errors jobs lint vm runs)

# program NAME: where it was built.
program() {
    local found
    found=$(find "$build" -name "$1" -xtype f -perm -u+x -print -quit)
    [ -n "$found" ] || { echo "golden.sh: no $1 in $build" >&2; exit 2; }
    echo "$found"
}
dmarace=$(program dmarace)
dmaraced=$(program dmaraced)
dmarace_vm=$(program dmarace-vm)
export DMARACE_JOBS=$source/jobs LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Where things lie and what this machine has is no matter of the programs.
plain() {
    sed -E -e "s,$source/,,g" -e "s,$work/,,g" -e 's,\(=/[^)]*/dmarace\),(=dmarace),' \
        -e '/^ *here: /d' -e '/^Here: /d' -e '/^Which of them this kernel has is unknown/d' \
        -e '/^(What|None) of them /d'
}

# say PROGRAM ARGUMENT..: the command with its exit code, and what it prints.
say() {
    local code=0
    "$@" > said 2>&1 < /dev/null || code=$?
    [ $code != 0 ] || code=
    echo "##### $(basename "$1") ${*:2}${code:+ [exit $code]}"
    plain < said
}

# words NAME: the first words of the indented lines of a program's help.
commands_of() {
    "$1" --help | sed -nE "s/^  (dmarace-vm )?([a-z]+) .*/\2/p"
}

say_help() {
    local command
    say "$dmarace" --help
    for command in $(commands_of "$dmarace"); do say "$dmarace" "$command" --help; done
    say "$dmarace" lint --explain all
    say "$dmaraced" --help
    say "$dmarace_vm" --help
    for command in $(commands_of "$dmarace_vm"); do say "$dmarace_vm" "$command" --help; done
}

say_errors() {
    local words
    # shellcheck disable=SC2086 # words are words
    while IFS= read -r words; do say "$dmarace" $words; done <<'WORDS'

lnit
run
run no-such-job
run late-prob
run late-probe --iterations 0
run late-probe --iterations x
run late-probe --itertions 3
run late-probe --duration 5
run late-probe --duration 0s
run late-probe --set client
run late-probe --set clinet=pci/x --dry-run
run late-probe --exit-style bisct
run late-probe --fresh sometimes
run late-probe --fresh risky
run late-probe --crash-limit 9
run late-probe --async-probe x
run type-vs-remove
run ./none.toml
run --resume
run --reboot --resume
lint
lint no-such-job
lint /dev
lint --explain owned-lok
lint --explain owned-lock
list devces
list jobs points
help
help rn
help run list
complete run late-domain --se
complete lis
new
new Upper
new late --kind hodl
queue ad
queue --spool nowhere
report
report nowhere
report --merge nowhere
report --merge --table nowhere
explore bind remove --bound 3
sweep bind
sweep bind bind
sweep --shard 4/3
sweep --points table
repro
repro late-probe
repro late-probe --tree nowhere
repro late-probe --tree nowhere --set client=pci/0000:00:02.0 --set iommu=virtio_iommu
repro late-domain-on-demand --tree nowhere
repro boot-late-probe --tree nowhere
repro type-storm --tree nowhere
restore nowhere
WORDS
    say "$dmarace" new ""
    say "$dmaraced" --spol x
    say "$dmarace_vm"
    while IFS= read -r words; do
        # shellcheck disable=SC2086
        say "$dmarace_vm" $words
    done <<'WORDS'
rnu
run
run list jobs
run --bord x -- list jobs
run --board smmuv4 --kernel debian:7 -- list jobs
matrix --board nowhere
help rnu
complete run --board smmuv3-d
bisect --job late-probe
kernel bild
boards --source /nowhere
WORDS
}

say_jobs() {
    local job kind
    # What this machine can show of them is its own; their summaries are in their help.
    say "$dmarace" list jobs | sed '/^#/!s/ .*//'
    say "$dmarace" list points
    for job in "$source"/jobs/*.toml; do
        say "$dmarace" run "$(basename "$job" .toml)" --help | sed '/^usage: dmarace run JOB/,/^  -h \[/d'
    done | as_written "$source/jobs"
    for kind in hold delay type; do
        say "$dmarace" new --kind $kind new-$kind
        plain < new-$kind.toml
    done
}

# The last line on a file of lint's is left out where it counts right.
sums() {
    awk '/^[^ ]+:[0-9]+:[0-9]+: (error|warning): / { file = $1; sub(/:.*/, "", file); ++count[file, $2] }
        function said(n, what) { return n + 0 " " what (n == 1 ? "" : "s") }
        /^[^ :]+: / {
            file = $1; sub(/:$/, "", file); errors = count[file, "error:"]; warnings = count[file, "warning:"]
            if ($0 == file ": " (errors + warnings ? said(errors, "error") ", " said(warnings, "warning") : "clean")) { ++agree; next }
        }
        { print }
        END { print agree " sums agree" }'
}

say_lint() {
    local jobs
    jobs=$(cd "$source/jobs" && echo *.toml)
    # shellcheck disable=SC2086 # a list of names
    say "$dmarace" lint ${jobs//.toml/} | sed '1s/ lint .*/ lint jobs/' | sums
    say "$dmarace" lint "$source"/tests/{guest,vm/jobs}/*.toml | sed '1s/ lint .*/ lint tests/' | sums
    say "$dmarace" lint --json late-probe type-vs-remove
    sections "$here/lint.corpus" corpus .toml
    # Why and what to do are said once by --explain.
    say "$dmarace" lint corpus/*.toml | sed -E '1s/ lint .*\.toml/ lint corpus/; /^  (why|do): |^       |^ +[0-9]* \|/d' | sums
}

say_vm() {
    say "$dmarace_vm" boards
    say "$dmarace_vm" matrix --list
    say "$dmarace_vm" matrix --ci --list
    say "$dmarace_vm" matrix --table
}

# Runs that were recorded on boards: what report makes of each journal, and of all.
say_runs() {
    local run
    sections "$here/runs.corpus" . ''
    cp "$source/jobs/late-probe.toml" late-probe-seen/job.toml
    for run in */; do
        say "$dmarace" report "${run%/}" | tee reported
        say "$dmarace" report --ktap "${run%/}" | as_reported reported
        say "$dmarace" report --json "${run%/}"
    done
    # Read by others than who wrote them.
    "$dmarace" report --junit - */ | python3 "$here/read_back.py" junit
    "$dmarace" report --trace - late-probe-seen |
        python3 "$here/read_back.py" trace late-probe-seen/events.log
    python3 "$here/read_back.py" serve "$dmarace" late-probe-seen
    say "$dmarace" report --table */ | sed '1s/ --table .*/ --table all/'
}

bad=0
for kind in "${kinds[@]}"; do
    mkdir "$work/$kind" && cd "$work/$kind"
    if [ -n "$update" ]; then
        "say_$kind" | once > "$here/$kind.txt"
    elif ! "say_$kind" | once > "$work/$kind.txt" || ! diff -u "$here/$kind.txt" "$work/$kind.txt"; then
        echo "golden.sh: $kind is not as recorded (< was, > is); if it should be: golden.sh --update" >&2
        bad=1
    fi
done
exit $bad
