#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# completion.sh BUILD: what the three shells make of a tab at a terminal, and man pages against
# --help. Exit code 77: something is not here to be tried.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(cd "$1" && pwd)
export PATH=$build/orchestrator:$build/vm:$PATH DMARACE_JOBS=$PWD/jobs TERM=dumb LC_ALL=C.UTF-8
work=$(mktemp -d)
shell_pid=
# shellcheck disable=SC2317 # the trap calls it
finish() {
    [ -z "$shell_pid" ] || kill "$shell_pid" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
bad=0 skipped=0
there() {
    command -v "$1" >/dev/null && return
    echo "skipped: no $1 here (scripts/setup.sh installs it)" >&2
    skipped=77
    return 1
}

# What is typed before the tab, and one of several words that are offered then (of a single one a
# terminal gets the rest alone).
tries='dmarace run late-|late-module
dmarace li|list
dmarace help re|restore
dmarace run late-probe --set |iommu=
dmarace run late-probe --d|--dry-run
dmarace-vm run --board smmuv3-|smmuv3-disk
dmarace-vm run -- explore type|type:DMA-FQ'

# shown WORD: a terminal shows it in the end.
shown() {
    local i
    for ((i = 0; i < 150; i++)); do
        ! grep -qF -- "$1" "$work/seen" || return 0
        sleep 0.1
    done
    return 1
}

# at_terminal TABS START SHELL..: types all of it.
at_terminal() {
    local tabs=$1 start=$2 line word
    rm -f "$work/keys" && mkfifo "$work/keys" && : >"$work/seen"
    script -qefc "${*:3}" "$work/seen" <"$work/keys" >/dev/null &
    shell_pid=$!
    exec 3>"$work/keys"
    printf '%s; echo now rea""dy\n' "$start" >&3
    shown 'now ready' || { echo "$3 does not come up" && cat "$work/seen" && bad=1; }
    while IFS='|' read -r line word; do
        printf "%s$tabs" "$line" >&3
        shown "$word" || { echo "$3: '$line' and tab offer no $word" && cat "$work/seen" && bad=1; }
        printf '\025' >&3
    done <<<"$tries"
    printf 'exit\n' >&3
    exec 3>&-
    wait "$shell_pid" || true
    shell_pid=
}

there bash && there script && at_terminal '\t\t' '. completion/dmarace.bash' bash --norc -i
there zsh && there script &&
    at_terminal '\t' "fpath=($PWD/completion \$fpath); autoload -U compinit; compinit -D -u" zsh -f -i
if there fish; then
    while IFS='|' read -r line word; do
        fish --no-config -c "source completion/dmarace.fish; complete -C '$line'" >"$work/seen"
        grep -qF -- "$word" "$work/seen" || { echo "fish: '$line' offers no $word" && bad=1; }
    done <<<"$tries"
fi

# Every line of the help is in the page as it is.
if there man; then
    for program in dmarace dmaraced dmarace-vm; do
        scripts/man.sh "$build"/*/$program "$work/man" 2>/dev/null
    done
    for page in "$work"/man/*/*; do
        name=$(basename "${page%.*}")
        case $name in dmarace-vm | dmaraced) ;; *) name=${name/-/ } ;; esac
        man --warnings -l "$page" 2>"$work/warnings" | sed 's/^ *//; s/ *$//' >"$work/shown"
        [ ! -s "$work/warnings" ] || { cat "$work/warnings"; bad=1; }
        # shellcheck disable=SC2086 # a program and its command
        $name --help 2>/dev/null | sed 's/^ *//; s/ *$//' | grep -vxFf "$work/shown" | grep . &&
            echo "$page does not have these lines of --help" && bad=1
    done
    pages=$(find "$work/man" -type f | wc -l)
    commands=$(dmarace --help | grep -c '^  [a-z]')
    [ "$pages" = $((commands + 3)) ] || { echo "$pages pages for $commands commands" && bad=1; }
fi
[ $bad = 0 ] || exit 1
exit $skipped
