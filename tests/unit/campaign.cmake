# SPDX-License-Identifier: GPL-2.0-or-later
dmarace_unit_test(campaign
    SOURCES unit/campaign_arm_test.cpp unit/campaign_at_boot_test.cpp unit/campaign_blocked_test.cpp unit/campaign_boot_reach_test.cpp unit/campaign_breaker_test.cpp unit/campaign_fresh_test.cpp
        unit/campaign_preview_test.cpp unit/campaign_resolve_test.cpp unit/campaign_restore_test.cpp
        unit/campaign_run_dir_test.cpp unit/campaign_seed_test.cpp unit/campaign_snapshot_test.cpp unit/campaign_stage_test.cpp unit/campaign_steps_test.cpp
        unit/campaign_wire_test.cpp
    LINKS dmarace_campaign)
target_compile_definitions(test_campaign PRIVATE DMARACE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
