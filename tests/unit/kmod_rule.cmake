# SPDX-License-Identifier: GPL-2.0-or-later
# The module's parser, built as userspace C, for its tests and its fuzzer.
enable_language(C)

set(kmod_parser ${PROJECT_SOURCE_DIR}/kmod/rule.c ${PROJECT_SOURCE_DIR}/kmod/value.c
    ${PROJECT_SOURCE_DIR}/kmod/words.c ${PROJECT_SOURCE_DIR}/kmod/match.c
    ${PROJECT_SOURCE_DIR}/kmod/stores_arm64.c)
add_library(dmarace_kmod_rule STATIC ${kmod_parser})
set_target_properties(dmarace_kmod_rule PROPERTIES C_STANDARD 11 C_EXTENSIONS ON)
target_compile_options(dmarace_kmod_rule PRIVATE -Wall -Wextra -Wshadow
    -Wno-missing-field-initializers $<$<BOOL:${DMARACE_WERROR}>:-Werror>)
if(DMARACE_SANITIZE)
    target_compile_options(dmarace_kmod_rule PRIVATE -fsanitize=address,undefined
        -fno-sanitize-recover=all)
endif()
target_include_directories(dmarace_kmod_rule PUBLIC ${PROJECT_SOURCE_DIR}/kmod)

dmarace_unit_test(kmod_rule
    SOURCES ${PROJECT_SOURCE_DIR}/tests/unit/kmod_rule_test.cpp
            ${PROJECT_SOURCE_DIR}/tests/unit/kmod_points_test.cpp
            ${PROJECT_SOURCE_DIR}/tests/unit/kmod_stores_test.cpp
    LINKS dmarace_options dmarace_kmod_rule)
