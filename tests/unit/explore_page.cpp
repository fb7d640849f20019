// SPDX-License-Identifier: GPL-2.0-or-later
// The page of a search, and its JSON.
#include "explore/explore.hpp"

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

TEST(ExplorePage, IsThereForPrograms) {
    const auto json = nlohmann::json::parse(explore_json(some(), {}));
    EXPECT_EQ(json["schema"], 1);
    EXPECT_EQ(json["findings"][0]["proof"]["failed"], 5);
    EXPECT_EQ(json["tried"].size(), 2U);
    EXPECT_EQ(json["left"], 4);
}

} // namespace
} // namespace dmarace::explore
