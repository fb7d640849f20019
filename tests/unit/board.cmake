# SPDX-License-Identifier: GPL-2.0-or-later
dmarace_unit_test(board
    SOURCES unit/board_boot_files_test.cpp unit/board_child_test.cpp unit/board_devices_test.cpp unit/board_kernel_log_test.cpp
        unit/board_last_words_test.cpp unit/board_protected_test.cpp unit/board_simulated_test.cpp unit/board_task_test.cpp
    LINKS dmarace_board)
