# SPDX-License-Identifier: GPL-2.0-or-later
dmarace_unit_test(util
    SOURCES unit/util_duration.cpp unit/util_line.cpp unit/util_nearest.cpp
    LINKS dmarace_util)
