// SPDX-License-Identifier: GPL-2.0-or-later
// Positive controls: for each kind of failure something that turns it red.
// docs/simulated-iommu.md has the table.
#include "guest.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <span>

namespace dmarace::test {
namespace {

using testing::Contains;

struct Control {
    const char* job;
    const char* kind; // "" for the neighbour that passes
};

// All in one boot.
constexpr Control kLiving[] = {{"clean", ""},
                               {"listed", ""},
                               {"driver-list", "no-group"},
                               {"driver-list", "dma-direct"},
                               {"no-group", "no-group"},
                               {"no-group", "dma-direct"},
                               {"underfoot", "domain-underfoot"},
                               {"underfoot", "not-owned"},
                               {"double-probe", "double-probe"},
                               {"attach-failed", "attach-failed"},
                               {"fwspec-lost", "fwspec-lost"},
                               {"map-error", "map-error"},
                               {"map-fails", "map-error"},
                               {"type-mismatch", "type-mismatch"},
                               {"unexpected-errno", "unexpected-errno"},
                               {"leak", "reference-leak"},
                               {"not-bound", "not-bound"},
                               {"kernel-warning", "kernel-warning"}};

// A boot each.
constexpr Control kDying[] = {{"hang", "hang"}, {"oops", "kernel-oops"}, {"panic", "crash"}};

std::vector<std::string> command(const Guest& guest, std::span<const Control> controls) {
    std::vector<std::string> words{"run"};
    for (const auto& control : controls)
        if (const auto path = guest.job(control.job); std::ranges::count(words, path) == 0)
            words.push_back(path);
    words.emplace_back("--unsafe");
    return words;
}

std::vector<std::string> all_kinds(const nlohmann::json& result) {
    std::vector<std::string> found;
    for (const auto& failure : result.value("failures", nlohmann::json::array()))
        found.push_back(failure.value("kind", ""));
    return found;
}

void check(const Guest& guest, std::span<const Control> controls) {
    for (const auto& control : controls) {
        const auto result = guest.result(control.job);
        if (*control.kind == '\0')
            EXPECT_EQ(result["verdict"], "pass") << control.job << result;
        else
            EXPECT_THAT(all_kinds(result), Contains(control.kind)) << control.job << result;
    }
}

class Controls : public testing::TestWithParam<const char*> {};

TEST_P(Controls, turn_each_kind_red) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", GetParam(), command(guest, kLiving)), 1);
    check(guest, kLiving);
}

INSTANTIATE_TEST_SUITE_P(Kernels, Controls, testing::Values("debian:6.12", "debian:7"));

// The board's disks are QEMU's null-co: they forget, and read as zeros.
TEST(ForgetfulDisk, turns_wrong_data_red) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu-group", "debian:7", {"run", guest.job("wrong-data")}), 1);
    EXPECT_THAT(all_kinds(guest.result()), Contains("wrong-data")) << guest.result();
}

TEST(DyingControls, turn_their_kinds_red) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", "debian:7", command(guest, kDying)), 1);
    check(guest, kDying);
}

} // namespace
} // namespace dmarace::test
