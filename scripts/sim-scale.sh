#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Adds, audits and removes 1,000, 2,000 .. 10,000 simulated devices on a virtual
# board without an IOMMU, and prints time and memory for each device.
# usage: scripts/sim-scale.sh [KERNEL [STEP [ROWS]]]   default debian:6.12 1000 10
set -euo pipefail
cd "$(dirname "$0")/.."
vm=build/dev/vm/dmarace-vm
[ -x "$vm" ] || vm=build/release/vm/dmarace-vm
exec "$vm" run --board sim --kernel "${1:-debian:6.12}" --program tests/guest/sim_scale \
    --also orchestrator/dmarace -- /usr/bin/dmarace "${2:-1000}" "${3:-10}"
