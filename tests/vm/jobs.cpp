// SPDX-License-Identifier: GPL-2.0-or-later
// Jobs on booted boards. What docs/writing-jobs.md promises: its three jobs run, a dry run
// changes nothing, random valid jobs leave nothing behind. Races that must be lost on one
// stock kernel and won on another, jobs of the library, each of which ends as docs/races.md
// says, and those that any board can run.
#include "../worked_examples.hpp"
#include "base/text.hpp"
#include "guest.hpp"

#include <gmock/gmock.h>

#include <cerrno>
#include <map>
#include <set>

namespace dmarace::test {
namespace {

using testing::Contains;
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

void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.kernel; }

class ClaimedGroup : public testing::TestWithParam<Refusal> {};

// By the verb and the number of a step, the errno of each iteration.
std::map<std::pair<std::string, int>, std::set<int>> answers(const std::string& journal) {
    std::map<std::pair<std::string, int>, std::set<int>> out;
    for (const std::string& line : split(journal, '\n')) {
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

// What is known of a board is no excuse for another kind, and none for a log without its words.
TEST(KnownOfTheBoard, is_silenced_and_nothing_else) {
    Guest guest;
    const auto known = guest.make_file(
        "known.toml",
        "[[allow]]\nkind = 'domain-underfoot'\nreason = 'known'\n"
        "[[allow]]\nkind = 'kernel-warning'\ntext = 'no such words'\nreason = 'no'\n");
    EXPECT_EQ(guest.run("virtio-iommu", "debian:7",
                        {"run", guest.job("test-until"), "late-probe", "amba-read-twice",
                         "--unsafe", "-n", "1", "--allow", known}),
              1);
    EXPECT_EQ(guest.result("test-until")["counts"]["pass"], 1);
    std::map<std::string, bool> allowed; // by kind: each of them
    for (const auto* job : {"late-probe", "amba-read-twice"}) {
        const auto result = guest.result(job);
        for (const auto& failure : result["failures"])
            allowed.insert({failure["kind"], true}).first->second &= failure["allowed"].get<bool>();
    }
    for (const auto* kind : {"dma-direct", "kernel-warning", "kernel-oops"})
        EXPECT_TRUE(allowed.contains(kind) && !allowed.at(kind)) << kind;
    EXPECT_TRUE(allowed["domain-underfoot"]);
}

class FalsifiedAnswers : public testing::TestWithParam<const char*> {};

// A judge who accepts everything would pass every other test of types. What reads back after a
// change that nobody admits is unexplained too, and does not count.
TEST_P(FalsifiedAnswers, are_found) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", GetParam(), {"run", guest.job("falsified")}), 1);
    const auto result = guest.result();
    unsigned falsified = 0, found = 0;
    for (const auto& rule : result["rules"])
        falsified += rule["met"].get<unsigned>();
    for (const auto& cell : result["types"])
        found += cell["why"] == "" ? cell["count"].get<unsigned>() : 0;
    EXPECT_EQ(falsified, 100U);
    EXPECT_GE(found, 90U) << result["types"];
    const auto writes = result["type_writes"];
    EXPECT_LE(writes["either_way"].get<unsigned>() * 20, writes["explained"].get<unsigned>());
}

INSTANTIATE_TEST_SUITE_P(Kernels, FalsifiedAnswers, testing::Values("debian:6.12", "debian:7"));

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

std::uint64_t met(const nlohmann::json& result, const std::string& rule) {
    for (const auto& row : result["rules"])
        if (row["rule"] == rule)
            return row["met"].get<std::uint64_t>() + row["blocked"].get<std::uint64_t>();
    return 0;
}

// async-all holds nobody: whether a probe goes to the async worker is luck, and
// so is the window of empty-group, which kills a kernel that falls into it.
void expect_two_judged(const nlohmann::json& result) {
    EXPECT_EQ(result["iterations"], 2) << result;
    EXPECT_EQ(result["counts"]["error"], 0) << result;
    EXPECT_EQ(result["counts"]["skip"], 0) << result;
}

TEST(Library, on_7_with_a_device_tree) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu", "debian:7",
                        {"run", "late-domain", "fwspec-free", "acpi-skip", "remove-rescan",
                         "async-all", "two-iommus", "lost-dma-flag", "--iterations", "2"}),
              1);
    for (const auto* job : {"late-domain", "fwspec-free", "remove-rescan"})
        EXPECT_EQ(guest.result(job)["counts"]["pass"], 2) << job;
    expect_two_judged(guest.result("async-all"));
    EXPECT_EQ(met(guest.result("late-domain"), "no-domain"), 2U);
    EXPECT_EQ(met(guest.result("fwspec-free"), "refused"), 2U);
    EXPECT_EQ(met(guest.result("acpi-skip"), "driver-set"), 2U);
    EXPECT_THAT(kinds(guest.result("acpi-skip"), "e1000e"), Contains("kernel-warning"));
    for (const auto* job : {"two-iommus", "lost-dma-flag"})
        EXPECT_EQ(guest.result(job)["verdict"], "skip") << job;
}

TEST(Library, on_7_with_acpi_the_walk_leaves_a_client_out_for_good) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu-acpi", "debian:7", {"run", "acpi-skip", "-n", "2"}), 1);
    EXPECT_EQ(guest.result()["counts"]["fail"], 2);
    EXPECT_THAT(kinds(guest.result(), "e1000e"), Contains("dma-direct"));
    EXPECT_THAT(kinds(guest.result(), "e1000e"), Contains("no-group"));
}

TEST(Library, on_7_a_sibling_gives_a_client_a_domain_it_does_not_use) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu-group", "debian:7", {"run", "sibling-domain", "-n", "2"}), 1);
    EXPECT_EQ(guest.result()["counts"]["fail"], 2);
    EXPECT_THAT(kinds(guest.result(), "nvme"), Contains("dma-direct"));
    EXPECT_THAT(kinds(guest.result(), "nvme"), Contains("domain-underfoot"));
}

TEST(Library, on_7_amba_dma_configure_oopses) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu", "debian:7",
                        {"run", "amba-read-twice", "--unsafe", "--iterations", "1"}),
              1);
    EXPECT_EQ(met(guest.result(), "between-reads"), 1U);
    EXPECT_THAT(guest.output(), HasSubstr("kernel-oops"));
    EXPECT_THAT(guest.console() + guest.file("kmsg.log"), HasSubstr("amba_dma_configure"));
}

TEST(Library, risky_jobs_need_unsafe) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu", "debian:7", {"run", "amba-read-twice", "-n", "1"}), 2);
    EXPECT_THAT(guest.output(), HasSubstr("--unsafe"));
}

TEST(Library, on_6_12_with_the_iommu_built_in) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", "debian:6.12",
                        {"run", "lost-dma-flag", "remove-rescan", "async-all", "late-domain",
                         "--iterations", "2"}),
              1);
    EXPECT_EQ(guest.result("lost-dma-flag")["counts"]["fail"], 2);
    EXPECT_EQ(met(guest.result("lost-dma-flag"), "loaded"), 2U);
    EXPECT_EQ(guest.result("remove-rescan")["counts"]["pass"], 2);
    expect_two_judged(guest.result("async-all"));
    EXPECT_EQ(guest.result("late-domain")["verdict"], "skip");
}

struct Where {
    const char* board;
    const char* kernel;
};

void PrintTo(const Where& where, std::ostream* out) {
    *out << where.kernel << " on " << where.board;
}

class AnyBoard : public testing::TestWithParam<Where> {};

TEST_P(AnyBoard, every_type_write_has_an_allowed_answer) {
    Guest guest;
    // 6.1 takes no change of a group of two, and such a group is not passed over.
    const bool refuses = std::string_view(GetParam().kernel) == "debian:6.1";
    EXPECT_EQ(guest.run(GetParam().board, GetParam().kernel, {"run", "type-storm", "-n", "1"}),
              refuses ? 5 : 0);
    EXPECT_EQ(guest.result()["counts"][refuses ? "inconclusive" : "pass"], 1);
    EXPECT_FALSE(guest.result()["types"].empty());
}

TEST_P(AnyBoard, random_delays_hit_their_points) {
    Guest guest;
    guest.run(GetParam().board, GetParam().kernel, {"run", "probe-delays", "-n", "3"});
    const auto result = guest.result();
    EXPECT_EQ(result["iterations"], 3) << result;
    EXPECT_EQ(result["counts"]["error"], 0) << result;
    unsigned hits = 0;
    for (const auto& rule : result["rules"])
        hits += rule["hits"].get<unsigned>();
    EXPECT_GT(hits, 100U);
}

INSTANTIATE_TEST_SUITE_P(Boards, AnyBoard,
                         testing::Values(Where{"smmuv3", "debian:6.1"},
                                         Where{"smmuv3", "debian:6.12"},
                                         Where{"smmuv3", "debian:7"},
                                         Where{"virtio-iommu", "debian:7"}));

} // namespace
} // namespace dmarace::test
