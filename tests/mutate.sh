#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Puts one fault after the other into a copy of the sources and looks whether the
# unit test that tests/mutations names turns red.
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD

usage() {
    cat <<'TEXT'
usage: tests/mutate.sh [--dry-run] [--tree DIR] [WORD]

Only mutations whose line has the WORD, or all. --tree takes the sources of another
checkout; --dry-run only looks whether each code is there once. Works in
build/mutate; the machine is free for others (nice). One line a mutation: caught,
SURVIVED, no build, or not there. Exit code 1 when one was not caught.
TEXT
}

dry='' tree=$source word=
while [ $# -gt 0 ]; do
    case $1 in
    --dry-run) dry=1 ;;
    --tree) tree=$(cd "$2" && pwd) && shift ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) word=$1 ;;
    esac
    shift
done

work=$source/build/mutate
copy=$work/tree build=$work/tree/build/quick
if [ -n "$dry" ]; then
    cd "$tree"
else
    mkdir -p "$copy"
    (cd "$tree" && git ls-files -z | tar -c --null --ignore-failed-read -T - 2> /dev/null) > "$work/tree.tar"
    find "$copy" -mindepth 1 -maxdepth 1 ! -name build -exec rm -r {} +
    tar -C "$copy" -xf "$work/tree.tar"
    cd "$copy"
fi
mapfile -t sources < <(find orchestrator vm kmod -name '*.[ch]pp' -o -name '*.[ch]' -o -name '*.def')

launcher=()
! command -v ccache > /dev/null || launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)

# squeezed: without the blanks at the begin of lines, which formatting changes.
squeezed() { sed 's/^[ \t]*//' "$@"; }

# put CODE FAULT: prints the file it was put into.
put() {
    local first=${1%%$'\n'*} file text rest found=()
    while IFS= read -r file; do
        text=$(squeezed "$file")
        rest=${text#*"$1"}
        [ "$rest" != "$text" ] || continue
        found+=("$file")
        [ "${rest#*"$1"}" = "$rest" ] || found+=("$file")
    done < <(grep -lF -- "$first" "${sources[@]}")
    if [ ${#found[@]} != 1 ]; then
        echo "not there once (${#found[@]}): $first" >&2
        return 1
    fi
    [ -z "$dry" ] || return 0
    text=$(squeezed "${found[0]}")
    cp -p "${found[0]}" "$work/kept"
    printf '%s\n' "${text/"$1"/"$2"}" > "${found[0]}"
    echo "${found[0]}"
}

red=0 caught=0 all=0
# try TEST WHAT CODE FAULT
try() {
    local file answer=${dry:+there}
    answer=${answer:-caught}
    all=$((all + 1))
    if ! file=$(put "$3" "$4"); then
        answer='not there'
    elif [ -z "$dry" ]; then
        # An error of the compiler is none of a test.
        if ! nice ninja -C "$build" "$1" > "$work/log" 2>&1; then
            answer='no build'
        elif timeout 300 "$build/tests/$1" --gtest_brief=1 > "$work/log" 2>&1; then
            answer=SURVIVED
        fi
        cp "$work/kept" "$file"
    fi
    printf '%-9s %-14s %s\n' "$answer" "$1" "$2"
    if [ "$answer" = caught ] || [ "$answer" = there ]; then caught=$((caught + 1)); else red=1; fi
}

if [ -z "$dry" ]; then
    nice cmake -S "$copy" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0 \
        -DDMARACE_WERROR=ON "${launcher[@]}" > "$work/cmake.log"
fi
head='' code='' fault=
flush() {
    [ -z "$head" ] || [[ $head != *"$word"* ]] || try "${head%% *}" "${head#* }" "${code%$'\n'}" "${fault%$'\n'}"
    head='' code='' fault=
}
while IFS= read -r line; do
    case $line in
    '') flush ;;
    '#'*) ;;
    '- '*) code+=$(sed 's/^- *//' <<< "$line")$'\n' ;;
    '+ '*) fault+=$(sed 's/^+ *//' <<< "$line")$'\n' ;;
    *) head=$line ;;
    esac
done < <(cat "$source/tests/mutations" && echo)
echo "$caught of $all $([ -n "$dry" ] && echo there || echo caught)"
exit $red
