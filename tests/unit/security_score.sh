#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The score that docs/daemon.md gives for dmaraced's unit is the one that
# systemd-analyze prints. Exit 77: systemd-analyze is not here, or too old.
set -euo pipefail
cd "$(dirname "$0")/../.."
said=$(sed -n 's/.*--offline=true systemd.dmaraced.service. prints \([0-9]*\.[0-9]*\).*/\1/p' docs/daemon.md)
[ -n "$said" ] || { echo "docs/daemon.md gives no score" && exit 1; }
command -v systemd-analyze >/dev/null || { echo "SKIP: no systemd-analyze" && exit 77; }
systemd-analyze --help | grep -q offline || { echo "SKIP: systemd-analyze knows no --offline" && exit 77; }
found=$(systemd-analyze security --offline=true --no-pager systemd/dmaraced.service |
    sed -n 's/.*Overall exposure level for .*: \([0-9.]*\) .*/\1/p')
echo "docs/daemon.md says $said, systemd-analyze $(systemd-analyze --version | head -1) says $found"
[ "$said" = "$found" ]
