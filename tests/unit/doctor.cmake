# SPDX-License-Identifier: GPL-2.0-or-later
dmarace_unit_test(doctor
    SOURCES unit/doctor_checks_test.cpp ${PROJECT_SOURCE_DIR}/orchestrator/commands/checks.cpp
    LINKS dmarace_board)
