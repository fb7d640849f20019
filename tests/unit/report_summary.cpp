// SPDX-License-Identifier: GPL-2.0-or-later
#include "report_support.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>

namespace dmarace::report::testing {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using enum verdict::Verdict;

TEST(ReportSummary, AFailingRun) {
    EXPECT_EQ(summary(run_of({fail, fail})),
              R"(late-probe: fail, fail in 2 of 2
  reason 1
  kernel 7.3.4+deb13-arm64 aarch64, board virtio-iommu, seed 18446744073709551615
  iterations 2, fail 2
failures
  domain-underfoot pci/0000:00:02.0 (e1000e), in 2 of 2 iterations
    DMA direct then translated
      audit at=binding dev=pci/0000:00:02.0 via_iommu=0
      [   12.000000] e1000e 0000:00:02.0: late IOMMU probe at driver bind
rules
  rule  point               hits  met  blocked  timeout  unhit  nmissed
  1     of_iommu_configure  4     2    0        0        0      0
)");
}

TEST(ReportSummary, APassSaysNoReason) {
    EXPECT_THAT(summary(run_of({pass})), StartsWith("late-probe: pass\n  kernel"));
    EXPECT_THAT(summary(run_of({pass})), Not(HasSubstr("failures")));
}

TEST(ReportSummary, TypeWritesNotesAndAllowedFailures) {
    auto run = run_of({fail});
    run.ended[0].judgement.types.add(type_write("DMA", "identity", "EBUSY", "DMA"));
    run.ended[0].judgement.types.add({.before = "DMA",
                                      .asked = "auto",
                                      .bound = "?",
                                      .result = "EIO",
                                      .after = "DMA",
                                      .why = "",
                                      .count = 2});
    run.ended[0].judgement.notes = {"group 1: fell back"};
    run.ended[0].judgement.failures[0].allowed = true;
    const auto text = summary(run);
    EXPECT_THAT(text, HasSubstr("type writes: 1 explained, 2 unexplained\n"));
    EXPECT_THAT(text, HasSubstr("  DMA   ->  identity  no     EBUSY   DMA         1      the type "
                                "asked for\n"));
    EXPECT_THAT(text, HasSubstr("2      NOT EXPLAINED\n"));
    EXPECT_THAT(text, HasSubstr("notes\n  group 1: fell back\n"));
    EXPECT_THAT(text, HasSubstr("in 1 of 1 iterations, allowed"));
}

TEST(ReportSummary, AllowedFailuresStandApart) {
    auto run = run_of({fail, fail, fail});
    run.ended[1].judgement.failures[0].allowed = true;
    const auto text = summary(run);
    EXPECT_THAT(text, HasSubstr("(e1000e), in 2 of 3 iterations\n"));
    EXPECT_THAT(text, HasSubstr("(e1000e), in 1 of 3 iterations, allowed\n"));
}

TEST(ReportSummary, WithoutHoldsTheRateIsAlwaysGiven) {
    auto run = run_of({inconclusive});
    run.head.holds = false;
    EXPECT_THAT(summary(run),
                StartsWith("late-probe: inconclusive, fail in 0 of 1, without holds"));
}

TEST(ReportSummary, BothRatesStandBesideEachOther) {
    EXPECT_EQ(beside(run_of({fail, fail, pass}), run_of({pass, fail, inconclusive, pass})),
              "late-probe: failed in 2 of 3 iterations with holds, in 1 of 4 without\n");
}

TEST(ReportSummary, HoldsNoControlCharacters) {
    auto run = run_of({fail});
    const std::string evil = "\x1b]0;title\x07\r\n";
    run.head.job = run.head.board = evil;
    run.ended[0].judgement.reason = evil;
    run.ended[0].judgement.notes = {evil};
    run.ended[0].judgement.rules[0].point = evil;
    run.ended[0].judgement.failures[0].evidence = {evil};
    for (const auto& text : {summary(run), table({run})})
        EXPECT_TRUE(
            std::ranges::none_of(text, [](char c) { return c != '\n' && c >= 0 && c < ' '; }));
}

TEST(ReportTable, PairsRunsWithAndWithoutHolds) {
    auto with = run_of({fail, fail});
    auto without = run_of({inconclusive, fail, inconclusive});
    without.head.holds = false;
    auto other = run_of({pass});
    other.head.kernel = "6.12";
    EXPECT_EQ(
        table({with, without, other}),
        "kernel             board         job         iterations  verdict  with holds  without "
        " device            failure           log line\n"
        "7.3.4+deb13-arm64  virtio-iommu  late-probe  2           fail     2 of 2      1 of 3  "
        " pci/0000:00:02.0  domain-underfoot  [   12.000000] e1000e 0000:00:02.0: late IOMMU "
        "probe at driver bind\n"
        "6.12               virtio-iommu  late-probe  1           pass     0 of 1      -\n");
}

TEST(ReportTable, AnAuditIsShownWithoutWhatOtherColumnsSay) {
    auto run = run_of({fail});
    run.ended[0].judgement.failures[0].evidence = {
        "audit seq=1 ts=2 at=binding dev=pci/0000:00:02.0 driver=e1000e bound=0 via_iommu=0",
        "audit seq=3 ts=4 at=bound dev=pci/0000:00:02.0 driver=e1000e bound=1 via_iommu=0"};
    EXPECT_THAT(table({run}), HasSubstr("  audit at=bound bound=1 via_iommu=0\n"));
}

TEST(ReportTable, ARunWithoutFailuresSaysWhy) {
    auto run = run_of({});
    run.end = RunEnd{"skip: no point probe_iommu_group"};
    EXPECT_THAT(table({run}), HasSubstr("skip: no point probe_iommu_group\n"));
}

TEST(ReportTable, AllowedFailuresAreNotShown) {
    auto run = run_of({fail});
    run.ended[0].judgement.verdict = pass;
    run.ended[0].judgement.failures[0].allowed = true;
    EXPECT_THAT(table({run}), Not(HasSubstr("domain-underfoot")));
}

} // namespace dmarace::report::testing
