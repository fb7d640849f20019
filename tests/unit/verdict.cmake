# SPDX-License-Identifier: GPL-2.0-or-later
dmarace_unit_test(verdict SOURCES
    unit/verdict_audit.cpp unit/verdict_honesty.cpp unit/verdict_kinds.cpp unit/verdict_log.cpp
    unit/verdict_races.cpp unit/verdict_support.cpp unit/verdict_types.cpp
    LINKS dmarace_verdict)
