#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Cuts the power of a virtual board at random moments of one campaign and looks
# after each cut at what its disk kept: one line a cut, then the sums.
#   power-cuts.sh [--count N] [--seed S] [--kernel K] [--out DIR]
# Needs what scripts/test.sh vm builds. Exit 0: nothing lost, nothing doubled.
set -eu
cd "$(dirname "$0")/.."
build=build/dev
[ -x $build/tests/crash/power_cuts ] || build=build/release
exec $build/tests/crash/power_cuts $build/vm/dmarace-vm build/arm64/orchestrator/dmarace \
    tests/guest/rebind.toml "$@"
