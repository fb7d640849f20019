// SPDX-License-Identifier: GPL-2.0-or-later
// Races that must be lost on one stock kernel and won on another.
#include "guest.hpp"

#include <gmock/gmock.h>

namespace dmarace::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr auto kIterations = "5";

TEST(InstanceLookup, is_lost_every_time_on_6_12) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu", "debian:6.12",
                        {"run", "instance-lookup", "--iterations", kIterations}),
              1);
    const auto result = guest.result();
    EXPECT_EQ(result["counts"]["fail"], 5);
    EXPECT_THAT(kinds(result, "e1000e"), Contains("dma-direct"));
    EXPECT_THAT(kinds(result, "e1000e"), Contains("no-group"));
    EXPECT_EQ(result["rules"][0]["met"], 5);
}

TEST(InstanceLookup, is_won_every_time_on_7_with_its_hold_met) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu", "debian:7",
                        {"run", "instance-lookup", "--iterations", kIterations}),
              0);
    EXPECT_EQ(guest.result()["counts"]["pass"], 5);
    EXPECT_EQ(guest.result()["rules"][0]["met"], 5);
}

TEST(InstanceLookup, is_a_skip_where_the_iommu_is_built_in) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", "debian:6.12", {"run", "instance-lookup", "--iterations", "1"}),
              4);
    EXPECT_EQ(guest.result()["verdict"], "skip");
    EXPECT_THAT(guest.output(), HasSubstr("built in"));
}

TEST(LateProbe, is_lost_every_time_on_7) {
    Guest guest;
    EXPECT_EQ(
        guest.run("virtio-iommu", "debian:7", {"run", "late-probe", "--iterations", kIterations}),
        1);
    const auto result = guest.result();
    EXPECT_EQ(result["counts"]["fail"], 5);
    EXPECT_THAT(kinds(result, "e1000e"), Contains("domain-underfoot"));
    EXPECT_THAT(kinds(result, "e1000e"), Contains("not-owned"));
}

TEST(LateProbe, is_inconclusive_on_6_12_where_the_window_is_not) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu", "debian:6.12", {"run", "late-probe", "--iterations", "2"}),
              5);
    EXPECT_EQ(guest.result()["counts"]["inconclusive"], 2);
    EXPECT_THAT(guest.output(), HasSubstr("never hit"));
}

TEST(LateProbe, without_holds_is_never_a_pass) {
    Guest guest;
    const int code = guest.run("virtio-iommu", "debian:7",
                               {"run", "late-probe", "--iterations", "3", "--no-holds"});
    EXPECT_TRUE(code == 1 || code == 5) << code;
    EXPECT_EQ(guest.result()["holds"], false);
    EXPECT_EQ(guest.result()["counts"]["pass"], 0);
}

} // namespace
} // namespace dmarace::test
