// SPDX-License-Identifier: GPL-2.0-or-later
// A guest that dies in an iteration costs that iteration and no other.
#include "guest.hpp"

#include <gmock/gmock.h>

namespace dmarace::test {
namespace {

using testing::HasSubstr;

TEST(GuestPanic, is_recorded_and_the_next_iteration_runs_on_a_new_boot) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", "debian:6.12",
                        {"run", DMARACE_TEST_DIR "/test-panic.toml", "--unsafe", "-n", "2"}),
              1);
    const auto result = guest.result();
    EXPECT_EQ(result["iterations"], 2) << guest.output();
    EXPECT_EQ(result["counts"]["crash"], 2);
    EXPECT_GE(guest.vm()["boots"].size(), 2U);
    EXPECT_THAT(guest.console(), HasSubstr("Kernel panic"));
}

TEST(GuestOops, leaves_the_next_iteration_to_a_new_boot_and_its_evidence_to_us) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", "debian:7",
                        {"run", DMARACE_TEST_DIR "/test-oops.toml", "--unsafe", "-n", "2"}),
              1);
    const auto result = guest.result();
    EXPECT_EQ(result["iterations"], 2) << guest.output();
    EXPECT_EQ(guest.vm()["boots"].size(), 2U);
    const auto found = kinds(result, "");
    EXPECT_THAT(found, testing::Contains("kernel-oops"));
    EXPECT_THAT(guest.file("kmsg.log"), HasSubstr("iommu_group_store_type"));
    // Shown once, by the last boot.
    EXPECT_THAT(guest.output(), HasSubstr("iterations 2"));
    EXPECT_THAT(guest.output(), testing::Not(HasSubstr("iterations 1,")));
}

} // namespace
} // namespace dmarace::test
