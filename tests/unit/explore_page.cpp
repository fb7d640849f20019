// SPDX-License-Identifier: GPL-2.0-or-later
// The page of a search, and its JSON.
#include "explore/explore.hpp"
#include "explore/record.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace dmarace::explore {
namespace {

using testing::HasSubstr;

Explored some() {
    Explored out;
    out.tried = {{"s0001", "a parked at exit of f while b", "failed", "direct-dma pci/a", 1.5},
                 {"s0002", "b parked at entry of g while a", "quiet", "", 1}};
    Finding finding;
    finding.id = "01";
    finding.run = "s0001";
    finding.verdict = "fail";
    finding.failures = {"direct-dma pci/a"};
    finding.what = out.tried[0].what;
    finding.number = 1;
    finding.seconds = 12.34;
    finding.known = "late-probe";
    finding.proof = Proof{5, 5, 0, 5, ""};
    out.findings.push_back(finding);
    out.pruned = 3;
    out.left = 4;
    out.seconds = 15;
    out.quiet = {"kernel-warning"};
    return out;
}

TEST(ExplorePage, SaysWhatWasFoundAndWhatWasNotTried) {
    ExploreOptions options;
    options.command = "explore a b";
    options.out = "DIR";
    auto explored = some();
    const auto page = explore_page(explored, options);
    for (const char* part :
         {"dmarace explore a b\n", "2 schedules in 15.0 s: 1 failed, 1 quiet, 3 pruned, 4 left",
          "Finding 01: fail: direct-dma pci/a\n  schedule 1, after 12.3 s: a parked at exit of f",
          "fails 5 of 5 with the hold, 0 of 5 without", "known: as job late-probe",
          "Shows with nobody held, so is no finding: kernel-warning", "DIR/findings/01/story.txt"})
        EXPECT_THAT(page, HasSubstr(part));
    explored.findings.clear();
    explored.stopped = "the time was over";
    EXPECT_THAT(explore_page(explored, options), HasSubstr("Ended early: the time was over"));
    EXPECT_THAT(explore_page(explored, options), HasSubstr("No finding."));
}

TEST(ExplorePage, IsThereToBeLookedAt) {
    ExploreOptions options;
    options.command = "explore a b";
    auto explored = some();
    explored.findings.front().html = "<ol><li>a runs</li></ol>";
    const auto page = explore_html(explored, options);
    for (const char* part :
         {"<h1>dmarace explore a b</h1>",
          "<b class=\"bad\">1 finding</b> in 2 schedules and 15.0 s",
          "<span class=\"cell failed\" title=\"s0001 failed: a parked at exit of f while b: ",
          "<h2>Finding 01: fail: direct-dma pci/a</h2>", "<ol><li>a runs</li></ol>",
          "fails 5 of 5 with the hold, 0 of 5 without", "as job late-probe",
          "Shows with nobody held, so is no finding: kernel-warning"})
        EXPECT_THAT(page, HasSubstr(part));
    explored.findings.clear();
    EXPECT_THAT(explore_html(explored, options), HasSubstr("<p>No finding.</p>"));
}

// One word that the walk writes and the bind reads.
TEST(PredictPage, SaysTheSameInThreeWays) {
    ActRecords records;
    records.device = "pci/a";
    records.acts = {"iommu", "bind pci/a"};
    records.notes = {"a note"};
    for (const char* text :
         {"act name=iommu\ntouch word=device.iommu_group of=pci/a kind=write "
          "chain=iommu_probe_device+0x10<probe_iommu_group locks=\"\" time=10 task=1\n"
          "sleeper name=probe_iommu_group\n",
          "act name=\"bind pci/a\"\ntouch word=device.iommu_group of=pci/a kind=read "
          "chain=use_default_domain+0x20<really_probe locks=\"device pci/a\" time=2 task=2\n"})
        records.records.push_back(search::record_from(text).value());
    const auto found = search::candidates(records.records);
    ASSERT_EQ(found.size(), 1U);
    for (const char* part :
         {"words of pci/a: 1 candidate\n", "1    unlocked: device.iommu_group of pci/a",
          "writes in iommu_probe_device+0x10 < probe_iommu_group", "owns device pci/a",
          "park at entry of probe_iommu_group", "note: a note"})
        EXPECT_THAT(predict_page(records, found, false), HasSubstr(part));
    for (const char* part :
         {"<h1>dmarace predict iommu bind pci/a</h1>",
          "<td><code>device.iommu_group of pci/a</code></td><td><span class=\"bad\">writes</span>"
          "</td><td><span class=\"dim\">reads</span></td><td>1</td>",
          "<div class=\"side writes\"><p><b>iommu</b> writes</p><pre "
          "title=\"iommu_probe_device+0x10 &lt; probe_iommu_group\">iommu_probe_device+0x10\n"
          "probe_iommu_group",
          "no place to park is known", "a note"})
        EXPECT_THAT(predict_html(records, found), HasSubstr(part));
    const auto json = nlohmann::json::parse(predict_json(records, found));
    EXPECT_EQ(json["candidates"][0]["b"]["access"], "writes");
    EXPECT_EQ(json["candidates"][0]["a"]["locks"][0], "device pci/a");
}

TEST(ExplorePage, IsThereForPrograms) {
    ExploreOptions options;
    options.candidates.resize(2);
    options.candidates[1].rank = 2;
    options.candidates[1].word.name = "group.domain";
    options.candidates[1].a.chain = {{"f", 16}};
    const auto json = nlohmann::json::parse(explore_json(some(), options));
    EXPECT_EQ(json["predicted"][1]["where"], "group.domain of : f+0x10 against ");
    EXPECT_THAT(explore_page(some(), options), HasSubstr("2 places predicted, 1 of the two"));
    EXPECT_EQ(json["schema"], 1);
    EXPECT_EQ(json["findings"][0]["proof"]["failed"], 5);
    EXPECT_EQ(json["tried"].size(), 2U);
    EXPECT_EQ(json["left"], 4);
}

TEST(PredictPage, ShowsTheLineOfAnInstruction) {
    search::Candidate one;
    one.a.chain = {{"really_probe", 0x54, "drivers/base/dd.c:658"}, {"device_bind", 8, ""}};
    EXPECT_THAT(predict_page({}, {one}, false),
                HasSubstr("really_probe+0x54 (drivers/base/dd.c:658) < device_bind\n"));
    EXPECT_THAT(predict_json({}, {one}), HasSubstr("\"line\":\"drivers/base/dd.c:658\""));
}

// Lines of another build would be wrong, and look right.
TEST(PredictPage, TakesNoLinesOfAnotherKernel) {
    std::vector<search::Candidate> candidates(1);
    candidates[0].a.chain = {{"really_probe", 0x54, ""}};
    EXPECT_THAT(name_lines(candidates, "/proc/self/exe"), HasSubstr("of another build"));
    EXPECT_EQ(candidates[0].a.chain[0].line, "");
}

} // namespace
} // namespace dmarace::explore
