// SPDX-License-Identifier: GPL-2.0-or-later
// What docs/writing-jobs.md promises, on booted boards: its three jobs run, a
// dry run changes nothing, and random valid jobs leave nothing behind. And jobs on
// many simulated devices.
#include "../worked_examples.hpp"
#include "guest.hpp"

#include <gmock/gmock.h>

#include <cerrno>
#include <map>
#include <set>
#include <sstream>

namespace dmarace::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kSweep = "tests/generate/job_sweep";
constexpr const char* kMeasure = "tests/guest/measure";

TEST(WritingJobs, the_three_of_the_page_run_on_a_board) {
    Guest guest;
    std::vector<std::string> words{"run", "--iterations", "2"};
    for (const auto& example : worked_examples(DMARACE_SOURCE_DIR))
        words.push_back(guest.make_file(example.name + ".toml", example.text));
    ASSERT_EQ(words.size(), 6U);
    EXPECT_EQ(guest.run("virtio-iommu", "debian:7", words), 0);
    for (const auto& example : worked_examples(DMARACE_SOURCE_DIR)) {
        const auto result = guest.result(example.name);
        ASSERT_FALSE(result.empty()) << example.name;
        EXPECT_EQ(result["counts"]["pass"], 2) << example.name << ": " << result;
    }
    const auto held = guest.result("bind-before-domain");
    EXPECT_EQ(held["rules"][0]["met"], 2) << held;
}

TEST(DryRun, tells_all_and_changes_nothing_without_the_module) {
    Guest guest;
    EXPECT_EQ(
        guest.run("virtio-iommu", "debian:7",
                  {"unchanged", "/usr/bin/dmarace", "run", "late-probe", "type-storm", "--dry-run"},
                  kSweep, kDmarace),
        0);
    EXPECT_THAT(guest.output(), HasSubstr("bind pci/0000:00:02.0\n"));
    EXPECT_THAT(guest.output(), HasSubstr("    function  of_iommu_configure"));
    EXPECT_THAT(guest.output(), HasSubstr("  module virtio_iommu loaded\n"));
    EXPECT_THAT(guest.output(), HasSubstr("\nunchanged\n"));
}

// What the check above rests on: it sees a run that is no dry one.
TEST(DryRun, a_real_run_would_be_seen) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", "debian:7", {"unchanged", "/usr/bin/dmarace", "audit"}, kSweep,
                        kDmarace),
              9);
    EXPECT_THAT(guest.output(), HasSubstr("+ module dmarace loaded"));
}

struct Refusal {
    const char* kernel;
    int of_type; // 6.1 refuses any write to a group of two before it looks at the owner
};

void PrintTo(const Refusal& refusal, std::ostream* out) {
    *out << refusal.kernel;
}

class ClaimedGroup : public testing::TestWithParam<Refusal> {};

// By the verb and the number of a step, the errno of each iteration.
std::map<std::pair<std::string, int>, std::set<int>> answers(const std::string& journal) {
    std::map<std::pair<std::string, int>, std::set<int>> out;
    std::istringstream lines(journal);
    for (std::string line; std::getline(lines, line);) {
        const auto record = nlohmann::json::parse(line);
        if (record.value("t", "") == "step")
            out[{record["verb"], record["index"]}].insert(record["errno"].get<int>());
    }
    return out;
}

TEST_P(ClaimedGroup, nobody_else_gets_its_dma) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", GetParam().kernel, {"run", guest.job("test-claim")}), 0)
        << guest.result();
    const auto seen = answers(guest.file("journal.jsonl"));
    const std::set<int> success{0};
    EXPECT_EQ(seen.at({"claim", 2}), success);
    EXPECT_EQ(seen.at({"bind", 3}), std::set<int>{EBUSY});
    EXPECT_EQ(seen.at({"type", 4}), std::set<int>{GetParam().of_type});
    EXPECT_EQ(seen.at({"release", 5}), success);
    EXPECT_EQ(seen.at({"bind", 6}), success);
}

INSTANTIATE_TEST_SUITE_P(Kernels, ClaimedGroup,
                         testing::Values(Refusal{"debian:6.1", EINVAL},
                                         Refusal{"debian:6.12", EPERM},
                                         Refusal{"debian:7", EPERM}));

TEST(Compare, prints_both_rates_beside_each_other) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu", "debian:7",
                        {"run", "late-probe", "--iterations", "2", "--compare"}),
              1);
    EXPECT_THAT(guest.output(),
                HasSubstr("late-probe: failed in 2 of 2 iterations with holds, in "));
    const auto with = guest.result("with-holds");
    const auto without = guest.result("without-holds");
    ASSERT_FALSE(with.empty() || without.empty());
    EXPECT_EQ(with["holds"], true);
    EXPECT_EQ(with["counts"]["fail"], 2);
    EXPECT_EQ(without["holds"], false);
    EXPECT_EQ(without["iterations"], 2);
}

TEST(RandomJobs, ten_leave_nothing_behind) {
    Guest guest;
    const int code =
        guest.run("virtio-iommu", "debian:7", {"/usr/bin/dmarace", "1", "10"}, kSweep, kDmarace);
    EXPECT_EQ(code, 0);
    EXPECT_THAT(guest.output(), Not(HasSubstr("BAD ")));
    EXPECT_THAT(guest.output(), Not(HasSubstr("\nodd "))) << "a type write is unexplained";
    EXPECT_THAT(guest.output(), HasSubstr("job 10 exit "));
}

TEST(ThousandClients, take_time_and_memory_in_proportion) {
    Guest guest;
    EXPECT_EQ(guest.run("sim", "debian:6.12", {"sim-scale", "/usr/bin/dmarace", "500", "4"},
                        kMeasure, kDmarace),
              0);
    EXPECT_THAT(guest.output(), HasSubstr("linear: "));
}

TEST(ThousandClients, a_type_storm_explains_every_write) {
    Guest guest;
    EXPECT_EQ(guest.run("sim", "debian:6.12",
                        {"sim-scale", "/usr/bin/dmarace", "run", guest.job("sim-storm"), "1000"},
                        kMeasure, kDmarace),
              0);
    const auto writes = guest.result()["type_writes"];
    EXPECT_EQ(writes["unexplained"], 0) << writes;
    EXPECT_GT(writes["explained"], 1000) << writes;
}

} // namespace
} // namespace dmarace::test
