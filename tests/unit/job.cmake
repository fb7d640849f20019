# SPDX-License-Identifier: GPL-2.0-or-later
dmarace_unit_test(job
    SOURCES unit/job_bad.cpp unit/job_docs.cpp unit/job_explain.cpp unit/job_help.cpp unit/job_library.cpp unit/job_lint.cpp unit/job_load.cpp unit/job_plan.cpp
            unit/job_rule_line.cpp unit/job_steps.cpp unit/job_trigger.cpp
    LINKS dmarace_job)
target_compile_definitions(test_job PRIVATE DMARACE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")

# Any bytes for load(): replayed from a corpus as an ordinary test, and under
# libFuzzer where the compiler is clang.
set(fuzz ${PROJECT_SOURCE_DIR}/tests/fuzz)
add_executable(job_fuzz_replay ${fuzz}/job_fuzz.cpp ${fuzz}/replay.cpp)
target_link_libraries(job_fuzz_replay PRIVATE dmarace_job)
add_test(NAME job_fuzz_replay COMMAND job_fuzz_replay ${fuzz}/job_corpus)
set_tests_properties(job_fuzz_replay PROPERTIES LABELS unit)

if(DMARACE_FUZZ AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 16)
    message(STATUS "job_fuzz is left out: std::expected needs clang 16 or later")
elseif(DMARACE_FUZZ)
    # Its own objects, so that the whole reader is instrumented.
    set(room ${PROJECT_SOURCE_DIR}/orchestrator)
    file(GLOB fuzzed CONFIGURE_DEPENDS ${room}/job/*.cpp ${room}/util/*.cpp)
    add_executable(job_fuzz ${fuzz}/job_fuzz.cpp ${fuzzed})
    target_include_directories(job_fuzz PRIVATE ${room} ${PROJECT_SOURCE_DIR})
    target_link_libraries(job_fuzz PRIVATE PkgConfig::tomlplusplus)
    target_compile_options(job_fuzz PRIVATE -g -O1 -fsanitize=fuzzer,address,undefined)
    target_link_options(job_fuzz PRIVATE -fsanitize=fuzzer,address,undefined)
endif()
