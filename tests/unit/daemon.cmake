# SPDX-License-Identifier: GPL-2.0-or-later
dmarace_unit_test(daemon
    SOURCES unit/daemon_entry_test.cpp unit/daemon_service_test.cpp unit/daemon_spool_test.cpp
        unit/daemon_triggers_test.cpp
    LINKS dmarace_daemon)
add_test(NAME security_score COMMAND ${CMAKE_CURRENT_LIST_DIR}/security_score.sh)
set_tests_properties(security_score PROPERTIES LABELS unit SKIP_RETURN_CODE 77)
add_test(NAME initramfs_first COMMAND ${CMAKE_CURRENT_LIST_DIR}/initramfs_first.sh)
set_tests_properties(initramfs_first PROPERTIES LABELS unit)
