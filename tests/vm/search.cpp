// SPDX-License-Identifier: GPL-2.0-or-later
// Races that nobody named: two acts alone, on a booted kernel that has one.
#include "guest.hpp"

#include <gmock/gmock.h>

namespace dmarace::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Search, predicts_where_a_walk_and_a_bind_meet) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu", "debian:7", {"predict", "iommu", "bind"}), 0);
    EXPECT_THAT(guest.output(), AllOf(HasSubstr("unlocked: device.iommu_group"),
                                      HasSubstr("iommu_device_use_default_domain"),
                                      HasSubstr("unlocked: device.driver")));
}

TEST(Search, shows_a_race_of_two_acts_and_proves_it) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu", "debian:6.12",
                        {"explore", "iommu", "bind", "--points", "table", "--findings", "1",
                         "--prove", "2", "--schedules", "30"}),
              1);
    EXPECT_THAT(guest.output(), AllOf(HasSubstr("Finding 01: fail: dma-direct"),
                                      HasSubstr("fails 2 of 2 with the hold, 0 of 2 without")));
}

// Each act is watched in a run of its own, with all debug registers.
TEST(Search, sweeps_with_every_act_watched) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu", "debian:7", {"sweep", "bind", "reset", "--schedules", "1"}),
              0);
    EXPECT_THAT(guest.output(), AllOf(HasSubstr(": 1 tried"), testing::Not(HasSubstr("watched:"))));
}

} // namespace
} // namespace dmarace::test
