// SPDX-License-Identifier: GPL-2.0-or-later
// Positive controls: for each kind of failure something that turns it red.
// docs/simulated-iommu.md has the table.
#include "guest.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace dmarace::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

struct Control {
    const char* job;
    const char* kind; // "" for the neighbour that passes
};

// In one boot, the one that cannot go on last.
constexpr Control kControls[] = {{"clean", ""},
                                 {"no-group", "no-group"},
                                 {"no-group", "dma-direct"},
                                 {"underfoot", "domain-underfoot"},
                                 {"underfoot", "not-owned"},
                                 {"double-probe", "double-probe"},
                                 {"fwspec-lost", "fwspec-lost"},
                                 {"map-error", "map-error"},
                                 {"map-fails", "map-error"},
                                 {"type-mismatch", "type-mismatch"},
                                 {"unexpected-errno", "unexpected-errno"},
                                 {"leak", "reference-leak"},
                                 {"not-bound", "not-bound"},
                                 {"kernel-warning", "kernel-warning"},
                                 {"hang", "hang"}};

std::string path_of(const std::string& job) {
    return std::string(DMARACE_TEST_DIR "/controls/") + job + ".toml";
}

std::vector<std::string> command() {
    std::vector<std::string> words{"run"};
    for (const auto& control : kControls)
        if (std::ranges::count(words, path_of(control.job)) == 0)
            words.push_back(path_of(control.job));
    words.emplace_back("--unsafe");
    return words;
}

nlohmann::json result_of(const Guest& guest, const std::string& job) {
    auto parsed = nlohmann::json::parse(guest.file(job + "/result.json"), nullptr, false);
    return parsed.is_discarded() ? nlohmann::json::object() : parsed;
}

std::vector<std::string> all_kinds(const nlohmann::json& result) {
    std::vector<std::string> found;
    for (const auto& failure : result.value("failures", nlohmann::json::array()))
        found.push_back(failure.value("kind", ""));
    return found;
}

class Controls : public testing::TestWithParam<const char*> {};

TEST_P(Controls, turn_each_kind_red) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", GetParam(), command()), 1);
    for (const auto& control : kControls) {
        const auto result = result_of(guest, control.job);
        if (*control.kind == '\0')
            EXPECT_EQ(result["verdict"], "pass") << control.job << result;
        else
            EXPECT_THAT(all_kinds(result), Contains(control.kind)) << control.job << result;
    }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Controls, testing::Values("debian:6.12", "debian:7"));

TEST(Control, an_oops_is_one) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", "debian:7", {"run", path_of("oops"), "--unsafe"}), 1);
    EXPECT_THAT(all_kinds(guest.result()), Contains("kernel-oops")) << guest.result();
}

TEST(Control, a_panic_is_a_crash) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", "debian:7", {"run", path_of("panic"), "--unsafe"}), 1);
    EXPECT_THAT(all_kinds(guest.result()), Contains("crash")) << guest.result();
}

} // namespace
} // namespace dmarace::test
