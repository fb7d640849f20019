# SPDX-License-Identifier: GPL-2.0-or-later
dmarace_unit_test(generate
    SOURCES unit/generate_test.cpp
    LINKS dmarace_generate)
