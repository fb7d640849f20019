// SPDX-License-Identifier: GPL-2.0-or-later
#include "report_support.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cerrno>

namespace dmarace::report::testing {

using nlohmann::json;
using ::testing::IsSupersetOf;
using enum verdict::Verdict;

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
    EXPECT_EQ(result["params"]["client"][0], "pci/0000:00:02.0");
    EXPECT_TRUE(result["interrupted"].is_null());
}

TEST(ReportResult, TypeWritesAreCountedByResult) {
    auto run = run_of({pass, pass});
    auto& first = run.ended[0].judgement.types;
    first.add(type_write("DMA", "identity", "ok", "identity"));
    first.add(type_write("DMA", "identity", "EPERM", "DMA"));
    first.add({.before = "?",
               .asked = "auto",
               .bound = "?",
               .result = "EIO",
               .after = "",
               .why = "",
               .count = 3});
    first.writes = 100;
    first.seconds = 0.25;
    run.ended[1].judgement.types.add(type_write("DMA", "identity", "ok", "identity"));
    const auto result = json::parse(result_json(run));
    const auto types = result["types"];
    EXPECT_EQ(result["type_writes"], json::parse(R"({"explained":3,"unexplained":3,"by_writers":100,
                                                     "seconds":0.25,"rate":400.0})"));
    ASSERT_EQ(types.size(), 3U);
    EXPECT_EQ(types[0]["explained"], false);
    EXPECT_EQ(types[1]["result"], "EPERM");
    EXPECT_EQ(types[1]["count"], 1);
    EXPECT_EQ(types[2], json::parse(R"({"before":"DMA","asked":"identity","bound":"no",
                                        "result":"ok","after":"identity","count":2,
                                        "explained":true,"why":"the type asked for"})"));
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
    const auto run = run_of({pass, fail});
    EXPECT_EQ(result_line(run).find('\n'), std::string::npos);
    EXPECT_EQ(json::parse(result_line(run)), json::parse(result_json(run)));
}

TEST(ReportResult, AnyBytesStayJson) {
    auto run = run_of({fail});
    run.ended[0].judgement.failures[0].evidence = {"\xff\x80 \x1b[0m \"quoted\" \\ \n"};
    run.head.board = "\xc3";
    const auto text = result_json(run);
    EXPECT_TRUE(json::accept(text));
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

} // namespace dmarace::report::testing
