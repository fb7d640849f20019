#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Formats the C++ sources, or with --check says which are not.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=(-i)
[ "${1:-}" = --check ] && mode=(--dry-run --Werror)
git ls-files 'orchestrator/*.[ch]pp' 'vm/*.[ch]pp' 'tests/*.[ch]pp' | xargs clang-format-14 "${mode[@]}"
