#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Searches for bytes that a reader cannot stand, with libFuzzer and sanitizers.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/fuzz.sh TARGET.. [--runs N] [--time SECONDS]

TARGET is job, rule, line, journal, klog or all. Each runs until 10 million inputs
or 600 s are over, beginning with its part of tests/fuzz/fuzz.corpus; what it finds on
the way is kept in build/fuzz/TARGET, and an input that breaks something in
build/fuzz/TARGET-crash-*. Needs clang-19 and libclang-rt-19-dev (as root it
installs them). One line a target; exit 1 when one of them found something.
TEXT
}

targets=() runs=10000000 time=600
while [ $# -gt 0 ]; do
    case $1 in
    --runs | --time)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        printf -v "${1#--}" %s "$2"
        shift 2
        ;;
    job | rule | line | journal | klog) targets+=("$1"); shift ;;
    all) targets=(job rule line journal klog); shift ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done
[ ${#targets[@]} -gt 0 ] || { usage >&2; exit 2; }

if ! command -v clang++-19 > /dev/null; then
    [ "$(id -u)" = 0 ] || { echo "fuzz.sh: apt-get install clang-19 libclang-rt-19-dev" >&2; exit 3; }
    apt-get install -q -y --no-install-recommends clang-19 libclang-rt-19-dev
fi
build=build/fuzz
cmake -S . -B $build -G Ninja -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 \
    -DDMARACE_FUZZ=ON -DDMARACE_TESTS=OFF -DDMARACE_VM=OFF > $build.cmake.log ||
    { cat $build.cmake.log >&2; exit 3; }
nice cmake --build $build --target "${targets[@]/%/_fuzz}" -- --quiet

bad=0
for target in "${targets[@]}"; do
    corpus=$build/$target
    mkdir -p "$corpus"
    # A file for each input: after each '##### NAME', or one a line.
    awk -v target="$target" -v to="$corpus/seed-" '/^===== / { mine = $2 == target; out = ""; next }
        !mine { next } /^##### / { out = to FNR; next } { print > (out ? out : to FNR) }' tests/fuzz/fuzz.corpus
    code=0
    nice $build/tests/"${target}"_fuzz -runs="$runs" -max_total_time="$time" \
        -artifact_prefix=$build/"$target"-crash- -rss_limit_mb=4096 -timeout=10 -print_final_stats=1 \
        "$corpus" > "$build/$target.log" 2>&1 || code=$?
    done=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$target.log")
    echo "$target: ${done:-?} inputs, $(find "$corpus" -type f | wc -l) kept, exit $code ($build/$target.log)"
    [ $code = 0 ] || bad=1
done
exit $bad
