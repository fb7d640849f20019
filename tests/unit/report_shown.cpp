// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "report_support.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <regex>

namespace dmarace::report::testing {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::StartsWith;
using enum verdict::Verdict;
using nlohmann::json;

struct Mixed {
    std::vector<Verdict> verdicts;
    Verdict overall;
};

const Mixed kMixed[] = {
    {{pass}, pass},
    {{pass, pass}, pass},
    {{pass, fail, pass}, fail},
    {{fail, crash}, crash},
    {{hang, fail}, hang},
    {{hang, crash}, crash},
    {{error, fail}, fail},
    {{pass, error, inconclusive}, error},
    {{skip, inconclusive, pass}, inconclusive},
    {{pass, skip}, skip},
    {{skip}, skip},
    {{}, inconclusive},
};

TEST(ReportOutcome, OfMixedIterations) {
    for (const auto& [verdicts, came] : kMixed)
        EXPECT_EQ(overall(run_of(verdicts)), came) << ::testing::PrintToString(verdicts);
}

struct Ending {
    std::vector<Verdict> verdicts;
    std::string why; // "" for no end record
    Verdict overall;
    std::string reason;
};

constexpr auto kFresh = "fresh: what comes next wants a freshly booted machine";
constexpr auto kReboot = "reboot: iteration 2 is the next boot";

const Ending kEndings[] = {
    {{pass}, "done", pass, ""},
    {{pass}, "duration", pass, ""},
    {{pass}, "", error, "cut off"},
    {{fail}, "", fail, "reason 1"},
    {{pass}, "interrupted", inconclusive, "interrupted"},
    {{pass}, kReboot, inconclusive, kReboot},
    {{pass}, kFresh, inconclusive, "booted machine; 1 of 1 iterations ran"},
    {{pass}, "stopped: 3 crashes", inconclusive, "stopped: 3 crashes"},
    {{fail}, kFresh, fail, "reason 1"},
    {{fail}, "interrupted", fail, "reason 1"},
    {{pass}, "error: disk full", error, "disk full"},
    {{inconclusive}, "error: disk full", error, "disk full"},
    {{crash}, "error: disk full", crash, "reason 1"},
    {{}, "skip: no point probe_iommu_group", skip, "probe_iommu_group"},
    {{}, "error: no module", error, "no module"},
    {{}, "duration", inconclusive, "nothing ran"},
    {{}, "", error, "cut off"},
};

TEST(ReportOutcome, AnEndingCounts) {
    for (const auto& [verdicts, why, came, reason] : kEndings) {
        auto run = run_of(verdicts);
        run.end = why.empty() ? std::optional<RunEnd>() : RunEnd{why};
        EXPECT_EQ(overall(run), came) << why;
        EXPECT_THAT(why_not_pass(run), HasSubstr(reason));
    }
}

TEST(ReportOutcome, FewerIterationsThanPlannedOrCutOffInOne) {
    auto few = run_of({pass, pass}), cut = run_of({pass, pass});
    few.head.planned = 3;
    EXPECT_EQ(overall(few), inconclusive);
    EXPECT_EQ(why_not_pass(few), "2 of 3 iterations ran");
    cut.ended.pop_back();
    cut.end.reset();
    EXPECT_EQ(overall(cut), error);
    EXPECT_EQ(why_not_pass(cut), "the run was cut off in iteration 2");
}

// A run of one iteration that passed, with an oops of the kernel before it.
Run with_outside() {
    auto run = run_of({pass});
    auto& [where, judgement] = run.outside.emplace_back();
    where = "the first reset";
    judgement.verdict = fail;
    judgement.reason = "kernel-oops: Oops";
    judgement.failures = {{verdict::FailureKind::kernel_oops, "", "", "Oops", {}, false}};
    return run;
}

TEST(ReportOutcome, WhatHappenedOutsideIterationsCounts) {
    EXPECT_EQ(overall(with_outside()), fail);
    EXPECT_EQ(why_not_pass(with_outside()), "the first reset: kernel-oops: Oops");
    const auto result = json::parse(result_json(with_outside()));
    EXPECT_EQ(result["failures"][0]["iteration"], nullptr);
    EXPECT_EQ(result["failures"][0]["where"], "the first reset");
    EXPECT_THAT(ktap(with_outside()), AllOf(HasSubstr("\n1..2\n"),
                                            HasSubstr("# the first reset:\n# kernel-oops : Oops\n"),
                                            HasSubstr("not ok 2 late-probe outside iterations\n"),
                                            HasSubstr("pass:1 fail:1")));
    EXPECT_THAT(summary(with_outside()), HasSubstr("  kernel-oops, in the first reset\n"));
    EXPECT_THAT(table({with_outside()}), HasSubstr("kernel-oops"));
}

TEST(ReportOutcome, WhatWasNotRestoredIsAnError) {
    auto run = run_of({pass});
    run.left = {"modprobe x"};
    EXPECT_EQ(overall(run), error);
    EXPECT_THAT(why_not_pass(run), HasSubstr("not restored; this would: modprobe x"));
    EXPECT_EQ(json::parse(result_json(run))["not_restored"], json::parse(R"(["modprobe x"])"));
    EXPECT_THAT(ktap(run),
                AllOf(HasSubstr("\n1..2\n"),
                      HasSubstr("not ok 2 late-probe outside iterations # ERROR error: not ")));
    EXPECT_THAT(summary(run), HasSubstr("not restored; this would\n  modprobe x\n"));
    run.ended[0] = end_of(1, fail);
    EXPECT_EQ(overall(run), fail) << "it stays the graver one";
}

TEST(ReportOutcome, OfSeveralRuns) {
    EXPECT_EQ(overall(std::vector{run_of({pass}), run_of({skip})}), skip);
    EXPECT_EQ(overall(std::vector{run_of({error}), run_of({fail})}), fail);
    EXPECT_EQ(overall(std::vector{run_of({pass}), run_of({pass})}), pass);
    EXPECT_EQ(overall(std::vector<run::Run>{}), inconclusive);
}

struct Code {
    Verdict verdict;
    int plain, bisect, ksft;
};

TEST(ReportExitCode, EveryStyle) {
    for (const auto& [verdict, plain, bisect, ksft] :
         {Code{pass, 0, 0, 0}, Code{fail, 1, 1, 1}, Code{crash, 1, 1, 1}, Code{hang, 1, 1, 1},
          Code{error, 3, 128, 1}, Code{skip, 4, 125, 4}, Code{inconclusive, 5, 125, 4}}) {
        EXPECT_EQ(exit_code(verdict, ExitStyle::plain), plain);
        EXPECT_EQ(exit_code(verdict, ExitStyle::bisect), bisect);
        EXPECT_EQ(exit_code(verdict, ExitStyle::ksft), ksft);
    }
}

TEST(ReportResult, HasEveryKey) {
    std::vector<std::string> keys;
    const auto result = json::parse(result_json(run_of({pass, fail})));
    for (const auto& [key, value] : result.items())
        keys.push_back(key);
    EXPECT_THAT(
        keys, IsSupersetOf({"schema", "tool_version", "job",        "kernel",  "arch",   "board",
                            "seed",   "started",      "iterations", "verdict", "counts", "failures",
                            "rules",  "lost_events",  "taint",      "holds",   "reason", "params",
                            "types",  "type_writes",  "interrupted"}));
}

TEST(ReportResult, SumsIterations) {
    auto run = run_of({pass, fail, fail});
    run.ended[0].lost_events = 2;
    run.ended[2].lost_events = 3;
    const auto result = json::parse(result_json(run));
    EXPECT_EQ(result["schema"], 1);
    EXPECT_EQ(result["verdict"], "fail");
    EXPECT_EQ(result["iterations"], 3);
    EXPECT_EQ(result["seed"].get<std::uint64_t>(), 18'446'744'073'709'551'615U);
    EXPECT_EQ(result["counts"], json::parse(R"({"pass":1,"fail":2,"crash":0,"hang":0,
                                                "inconclusive":0,"skip":0,"error":0})"));
    EXPECT_EQ(result["lost_events"], 5);
    EXPECT_EQ(result["taint"], json::parse(R"({"before":4096,"after":4608})"));
    ASSERT_EQ(result["failures"].size(), 2U);
    EXPECT_EQ(result["failures"][1]["iteration"], 3);
    EXPECT_EQ(result["failures"][1]["kind"], "domain-underfoot");
    EXPECT_EQ(result["failures"][1]["driver"], "e1000e");
    EXPECT_EQ(result["failures"][1]["evidence"].size(), 2U);
    ASSERT_EQ(result["rules"].size(), 1U);
    EXPECT_EQ(result["rules"][0]["point"], "of_iommu_configure");
    EXPECT_EQ(result["rules"][0]["armed"], true);
    EXPECT_EQ(result["rules"][0]["hits"], 6);
    EXPECT_EQ(result["rules"][0]["met"], 3);
    EXPECT_EQ(result["params"], json::parse(R"({"client":["pci/0000:00:02.0"]})"));
    EXPECT_TRUE(result["interrupted"].is_null());
}

TEST(ReportResult, TypeWritesAreCountedByResult) {
    auto run = run_of({pass, pass});
    auto& first = run.ended[0].judgement.types;
    first.add(type_write("DMA", "identity", "ok", "identity"));
    first.add(type_write("DMA", "identity", "EPERM", "DMA"));
    first.add({"?", "auto", "?", "EIO", "", "", 3});
    first.writes = 100;
    first.seconds = 0.25;
    run.ended[1].judgement.types.add(type_write("DMA", "identity", "ok", "identity"));
    const auto result = json::parse(result_json(run));
    const auto types = result["types"];
    EXPECT_EQ(result["type_writes"], json::parse(R"({"explained":3,"unexplained":3,"either_way":0,
                                                     "by_writers":100,
                                                     "seconds":0.25,"rate":400.0})"));
    ASSERT_EQ(types.size(), 3U);
    EXPECT_EQ(types[0]["explained"], false);
    EXPECT_EQ(types[1]["result"], "EPERM");
    EXPECT_EQ(types[1]["count"], 1);
    EXPECT_EQ(types[2], json::parse(R"({"before":"DMA","asked":"identity","bound":"no",
                                        "result":"ok","after":"identity","count":2,
                                        "explained":true,"why":"no driver is bound","reads":"as before",
                                        "read_unexplained":false,"either_way":false})"));
}

TEST(ReportResult, AnInterruptedRun) {
    auto run = run_of({pass, pass});
    run.ended.pop_back();
    run.end = RunEnd{"interrupted"};
    const auto result = json::parse(result_json(run));
    EXPECT_EQ(result["interrupted"], 2);
    EXPECT_EQ(result["verdict"], "inconclusive");
    EXPECT_EQ(result["reason"], "interrupted");
}

TEST(ReportResult, OnOneLineItIsTheSame) {
    const auto line = result_line(run_of({pass, fail}));
    EXPECT_FALSE(line.contains('\n'));
    EXPECT_EQ(json::parse(line), json::parse(result_json(run_of({pass, fail}))));
}

TEST(ReportResult, AnyBytesStayJson) {
    auto run = run_of({fail});
    run.ended[0].judgement.failures[0].evidence = {"\xff\x80 \x1b[0m \"quoted\" \\ \n"};
    run.head.board = "\xc3";
    const auto text = result_json(run);
    EXPECT_TRUE(json::accept(text));
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

std::vector<std::string> results(const std::string& text) {
    auto lines = lines_in(text);
    std::erase_if(lines, [](const auto& line) { return line.starts_with('#'); });
    return lines;
}

TEST(ReportKtap, OneLineForEachIteration) {
    EXPECT_THAT(results(ktap(run_of({pass, fail, inconclusive, skip, error, hang, crash}))),
                ElementsAre("KTAP version 1", "1..8", "ok 1 late-probe iteration 1",
                            "not ok 2 late-probe iteration 2",
                            "not ok 3 late-probe iteration 3 # ERROR inconclusive: reason 3",
                            "ok 4 late-probe iteration 4 # SKIP reason 4",
                            "not ok 5 late-probe iteration 5 # ERROR error: reason 5",
                            "not ok 6 late-probe iteration 6 # TIMEOUT hang: reason 6",
                            "not ok 7 late-probe iteration 7",
                            "ok 8 late-probe outside iterations"));
}

TEST(ReportKtap, FailuresAreDiagnostics) {
    const auto text = ktap(run_of({fail}));
    EXPECT_THAT(text, HasSubstr("# domain-underfoot pci/0000:00:02.0 (e1000e): DMA direct then "
                                "translated\n#   audit at=binding"));
    EXPECT_THAT(text, HasSubstr("# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:0 error:0\n"));
}

TEST(ReportKtap, InconclusiveIsNeverOk) {
    EXPECT_THAT(results(ktap(run_of({inconclusive, inconclusive}))),
                Each(Not(AllOf(StartsWith("ok"), HasSubstr(" iteration ")))));
}

TEST(ReportKtap, NothingRan) {
    auto skipped = run_of({}), failed = run_of({});
    skipped.end = RunEnd{"skip: no point probe_iommu_group"};
    failed.end = RunEnd{"error: no module"};
    EXPECT_THAT(results(ktap(skipped)),
                ElementsAre("KTAP version 1", "1..0 # SKIP skip: no point probe_iommu_group"));
    EXPECT_THAT(results(ktap(failed)),
                ElementsAre("KTAP version 1", "1..0", "Bail out! error: no module"));
}

TEST(ReportKtap, ARunThatWasCutOff) {
    auto run = run_of({pass, pass});
    run.head.planned = 20;
    run.ended.pop_back();
    run.end.reset();
    EXPECT_THAT(results(ktap(run)),
                ElementsAre("KTAP version 1", "1..21", "ok 1 late-probe iteration 1",
                            "not ok 2 late-probe iteration 2 # ERROR error: it did not end",
                            "Bail out! the run was cut off in iteration 2"));
}

// No text of a board may forge a result line or a directive.
TEST(ReportKtap, TextCannotForgeResults) {
    auto run = run_of({fail, skip});
    const std::string evil = "x\nok 99 forged # SKIP \x1b[2J \r 1..0\n";
    run.head.job = run.head.kernel = run.head.board = run.head.tool_version = evil;
    run.ended[1].judgement.reason = evil;
    run.ended[1].judgement.notes = {evil};
    auto& failure = run.ended[0].judgement.failures[0];
    failure.device = failure.driver = failure.detail = evil;
    failure.evidence = {evil};
    const auto text = ktap(run);
    EXPECT_TRUE(std::ranges::none_of(
        text, [](char c) { return (c != '\n' && c < ' ' && c >= 0) || c == 0x7f; }));
    const auto lines = results(text);
    ASSERT_EQ(lines.size(), 5U);
    const std::regex line(R"((not )?ok \d+ [^#]*( # SKIP [^#]*)?)");
    EXPECT_TRUE(std::regex_match(lines[2], line)) << lines[2];
    EXPECT_TRUE(std::regex_match(lines[3], line)) << lines[3];
}

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

TEST(ReportSummary, APassSaysNoReasonAndWithoutHoldsTheRateIsAlwaysGiven) {
    EXPECT_THAT(summary(run_of({pass})),
                AllOf(StartsWith("late-probe: pass\n  kernel"), Not(HasSubstr("failures"))));
    auto without = run_of({inconclusive});
    without.head.holds = false;
    EXPECT_THAT(summary(without),
                StartsWith("late-probe: inconclusive, fail in 0 of 1, without holds"));
    EXPECT_EQ(beside(run_of({fail, fail, pass}), run_of({pass, fail, inconclusive, pass})),
              "late-probe: failed in 2 of 3 iterations with holds, in 1 of 4 without\n");
}

TEST(ReportSummary, TypeWritesNotesAndAllowedFailures) {
    auto run = run_of({fail});
    run.ended[0].judgement.types.add(type_write("DMA", "identity", "EBUSY", "DMA"));
    run.ended[0].judgement.types.add({"DMA", "auto", "?", "EIO", "DMA", "", 2});
    run.ended[0].judgement.notes = {"group 1: fell back"};
    run.ended[0].judgement.failures[0].allowed = true;
    const auto text = summary(run);
    EXPECT_THAT(text, HasSubstr("type writes: 1 explained, 2 unexplained\n"));
    EXPECT_THAT(text, HasSubstr("  no driver is bound  as before           1\n"));
    EXPECT_THAT(text, HasSubstr("EIO     NOT EXPLAINED  DMA                  2\n"));
    EXPECT_LT(text.find("NOT EXPLAINED"), text.find("as before")) << "what matters comes first";
    EXPECT_THAT(summary(run, ShownTypes::all),
                AllOf(HasSubstr("EBUSY   no driver is bound  DMA         as before  1"),
                      HasSubstr("  from: the type that the group had;")));
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
    EXPECT_THAT(
        table({with, without, other}),
        StartsWith(
            "kernel             board         job         iterations  verdict  with holds  without "
            " device            failure           log line\n"
            "7.3.4+deb13-arm64  virtio-iommu  late-probe  2           fail     2 of 2      1 of 3  "
            " pci/0000:00:02.0  domain-underfoot  [   12.000000] e1000e 0000:00:02.0: late IOMMU "
            "probe at driver bind\n"
            "6.12               virtio-iommu  late-probe  1           pass     0 of 1      -\n\n"));
    EXPECT_THAT(table({with}), HasSubstr("\nwith holds, without: "));
}

TEST(ReportTable, AnAuditIsShownWithoutWhatOtherColumnsSay) {
    auto run = run_of({fail});
    run.ended[0].judgement.failures[0].evidence = {
        "audit seq=1 ts=2 at=binding dev=pci/0000:00:02.0 driver=e1000e bound=0 via_iommu=0",
        "audit seq=3 ts=4 at=bound dev=pci/0000:00:02.0 driver=e1000e bound=1 via_iommu=0"};
    EXPECT_THAT(table({run}), HasSubstr("  audit at=bound bound=1 via_iommu=0\n"));
}

TEST(ReportTable, ARunWithoutFailuresSaysWhyAndAllowedOnesAreNotShown) {
    auto skipped = run_of({}), allowed = run_of({fail});
    skipped.end = RunEnd{"skip: no point probe_iommu_group"};
    EXPECT_THAT(table({skipped}), HasSubstr("skip: no point probe_iommu_group\n"));
    allowed.ended[0].judgement.verdict = pass;
    allowed.ended[0].judgement.failures[0].allowed = true;
    EXPECT_THAT(table({allowed}), Not(HasSubstr("domain-underfoot")));
}

} // namespace dmarace::report::testing
