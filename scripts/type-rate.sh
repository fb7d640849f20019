#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Prints how fast dmarace writes types, against a bare loop of the same writes
# and reads, in one boot of a virtual board: type-rate.sh [KERNEL]
set -eu
cd "$(dirname "$0")/.."
exec "${DMARACE_VM_PROGRAM:-build/dev/vm/dmarace-vm}" run --board smmuv3 --kernel "${1:-debian:6.12}" \
    --program tests/guest/type_rate -- tests/guest/type-rate.toml
