// SPDX-License-Identifier: GPL-2.0-or-later
// A board that nobody has touched, with the log of its boot.
#include "verdict/standing.hpp"
#include "verdict_support.hpp"

#include <gmock/gmock.h>

namespace dmarace::verdict {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace verdict::testing;

const std::string kFailed = "virtio_iommu virtio0: probe with driver virtio_iommu failed with "
                            "error -2";

struct Board {
    Observed seen;

    Board() {
        seen.outside = seen.compared = true;
        auto found = std::make_shared<FoundBoard>();
        found->devices[kClient] = {.device = kClient, .driver = "e1000e"};
        seen.found = std::move(found);
    }
    Board& shows(const std::string& device, const std::string& words) {
        seen.settled.push_back(audited(device, words));
        return *this;
    }
    Board& logged(const std::string& text, int level = 6, const std::string& device = "") {
        seen.log.push_back({.ts = 1, .level = level, .text = text, .device = device});
        return *this;
    }
    Board& serves(const std::string& device) {
        seen.iommus.push_back({.instance = "iommu0", .device = device});
        return *this;
    }
    Judgement judged() const { return judge_standing(seen); }
    std::vector<FailureKind> kinds() const {
        std::vector<FailureKind> out;
        for (const auto& failure : judged().failures)
            out.push_back(failure.kind);
        return out;
    }
};

TEST(VerdictStanding, AnIommuWhoseProbeFailedIsFoundAndWhatBecameOfItsClients) {
    Board board;
    board.shows(kClient, changed(kDirect, "bound=0")).logged(kFailed);
    EXPECT_THAT(board.kinds(), ElementsAre(FailureKind::iommu_unbound));
    EXPECT_THAT(board.judged().reason, HasSubstr("its probe failed with error -2"));
    EXPECT_THAT(board.judged().reason, HasSubstr(kClient + " is not bound"));
}

TEST(VerdictStanding, OneThatServesNowFailedBefore) {
    Board board;
    board.shows(kClient, kGood).logged(kFailed).serves("virtio0");
    EXPECT_THAT(board.kinds(), IsEmpty());
    EXPECT_EQ(board.judged().verdict, Verdict::pass);
}

TEST(VerdictStanding, WhatEarlierRunsMadeTheKernelSayIsNoFinding) {
    Board board;
    board.shows(kClient, kGood)
        .logged("WARNING: CPU: 0 PID: 7 at drivers/iommu/iommu.c:654 x+0x1/0x2", 4)
        .logged("Failed to add to iommu group 1: -22", 3, kClient);
    EXPECT_THAT(board.kinds(), IsEmpty());
}

TEST(VerdictStanding, DirectDmaComesWithTheKernelsOwnWordsAsItsCause) {
    Board board;
    board.shows(kClient, changed(kDirect, "fwspec=1"))
        .shows(kOther, kGood)
        .logged("Aliasing StreamID 0x108 unsupported, expect DMA to be broken", 4, kClient)
        .logged("link is up", 6, kClient);
    EXPECT_THAT(board.kinds(), ElementsAre(FailureKind::dma_direct, FailureKind::no_group));
    for (const auto& failure : board.judged().failures) {
        EXPECT_THAT(failure.evidence.back(), HasSubstr("Aliasing StreamID")) << failure.detail;
    }
}

TEST(VerdictStanding, AClientThatGaveUpWaitingIsADoubt) {
    Board board;
    board.shows(kClient, kDirect)
        .logged("e1000e 0000:00:02.0: deferred probe timeout, ignoring dependency", 4, kClient);
    EXPECT_EQ(board.judged().verdict, Verdict::inconclusive);
    EXPECT_THAT(board.judged().reason, HasSubstr("deferred_probe_timeout=-1"));
}

} // namespace
} // namespace dmarace::verdict
