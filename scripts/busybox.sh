#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Fetches Debian's static busybox for arm64, once, and prints where it is.
set -euo pipefail
cd "$(dirname "$0")/.."

place=$PWD/build/bench
find_it() { find "$place" -path '*/bin/busybox' -type f 2>/dev/null | head -n 1; }
if [ -z "$(find_it)" ]; then
    mkdir -p "$place"
    (cd "$place" && apt-get download -q busybox-static:arm64 >/dev/null)
    dpkg-deb -x "$place"/busybox-static_*_arm64.deb "$place"
fi
find_it
