# SPDX-License-Identifier: GPL-2.0-or-later
dmarace_unit_test(job
    SOURCES unit/job_bad.cpp unit/job_docs.cpp unit/job_explain.cpp unit/job_help.cpp unit/job_library.cpp unit/job_lint.cpp unit/job_load.cpp unit/job_plan.cpp
            unit/job_rule_line.cpp unit/job_steps.cpp unit/job_trigger.cpp
    LINKS dmarace_job)
target_compile_definitions(test_job PRIVATE DMARACE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
