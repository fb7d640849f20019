# SPDX-License-Identifier: GPL-2.0-or-later
dmarace_unit_test(daemon
    SOURCES unit/daemon_entry_test.cpp unit/daemon_service_test.cpp unit/daemon_spool_test.cpp
    LINKS dmarace_daemon)
