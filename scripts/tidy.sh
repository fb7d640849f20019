#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Says what clang-tidy finds in the programs' sources (.clang-tidy), or in the files named.
set -euo pipefail
cd "$(dirname "$0")/.."

# The first that knows std::expected of GCC's library.
if ! command -v clang-tidy-19 > /dev/null; then
    [ "$(id -u)" = 0 ] || { echo "tidy.sh: apt-get install clang-tidy-19" >&2; exit 3; }
    apt-get install -q -y --no-install-recommends clang-tidy-19
fi
build=build/tidy
mkdir -p build
cmake -S . -B $build -G Ninja -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON \
    > $build.cmake.log || { cat $build.cmake.log >&2; exit 3; }
files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(git ls-files 'orchestrator/*.cpp' 'vm/*.cpp' | grep -v '^vm/image/guest/')
# How many warnings of other people's headers it kept to itself is on stderr.
printf '%s\0' "${files[@]}" | xargs -0 -n1 -P"$(nproc)" clang-tidy-19 --quiet -p $build 2> /dev/null
