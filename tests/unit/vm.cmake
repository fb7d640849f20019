# SPDX-License-Identifier: GPL-2.0-or-later
if(DMARACE_VM)
    dmarace_unit_test(vm
        SOURCES unit/vm_arguments_test.cpp unit/vm_bisect_options_test.cpp unit/vm_bisect_state_test.cpp unit/vm_bisect_test.cpp
            unit/vm_board_test.cpp unit/vm_device_tree_test.cpp unit/vm_elf_test.cpp unit/vm_files_test.cpp unit/vm_fragment_test.cpp unit/vm_given_test.cpp unit/vm_guest_test.cpp unit/vm_judge_test.cpp
            unit/vm_judgement_test.cpp unit/vm_kbuild_test.cpp unit/vm_kernel_test.cpp unit/vm_matrix_test.cpp unit/vm_outcome_test.cpp unit/vm_process_test.cpp
            unit/vm_resume_test.cpp unit/vm_root_test.cpp unit/vm_run_options_test.cpp unit/vm_series_test.cpp
            unit/vm_source_test.cpp unit/vm_suites_test.cpp unit/vm_temporary_test.cpp unit/vm_trials_test.cpp
        LINKS dmarace_vm)
    if(DMARACE_TESTS)
        target_compile_definitions(test_vm PRIVATE DMARACE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    endif()
endif()
