// SPDX-License-Identifier: GPL-2.0-or-later
// Results of the writes of a [type] table, whose actors write at the same time.
#include "verdict_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarace::verdict::testing {

namespace {

using types::TypeAct;
using types::TypeWord;

constexpr const char* kMember = "pci/0000:00:06.0";

// What the actors of a [type] table did to one group, without a driver.
struct Storm {
    Scene scene;

    // As the first look found the group.
    explicit Storm(TypeWord type = TypeWord::dma, bool bound = false) {
        scene.observed.types.groups = {{3, "DMA", {kMember}}};
        scene.observed.types.actors = {{"writer", true, {}}, {"writer2", true, {}}};
        auto& acts = scene.observed.types.actors[0].acts;
        acts = {act(TypeAct::What::look, 10, 11), act(TypeAct::What::look, 12, 13)};
        acts[0].device = 0;
        acts[0].bound = bound ? types::BoundSeen::yes : types::BoundSeen::no;
        acts[1].after = type;
    }
    static TypeAct act(TypeAct::What what, std::uint64_t began, std::uint64_t ended) {
        TypeAct out;
        out.what = what;
        out.began = began;
        out.ended = ended;
        out.device = TypeAct::kNoDevice;
        return out;
    }
    Storm& write(std::size_t writer, std::uint64_t began, TypeWord asked, TypeWord after,
                 int os_error = 0, std::uint64_t took = 10) {
        auto out = act(TypeAct::What::write, began, began + took);
        out.read = began + took + 5;
        out.asked = asked;
        out.after = after;
        out.os_error = os_error;
        scene.observed.types.actors[writer].acts.push_back(out);
        return *this;
    }
    Storm& other(TypeAct::What what, std::uint64_t began, std::uint64_t ended) {
        auto out = act(what, began, ended);
        out.device = 0;
        scene.observed.types.actors.push_back({"binder", false, {out}});
        return *this;
    }
    std::uint64_t unexplained() const { return scene.judged().types.unexplained(); }
};

constexpr auto kDma = TypeWord::dma, kFq = TypeWord::dma_fq, kIdentity = TypeWord::identity,
               kAuto = TypeWord::automatic;

TEST(VerdictStorm, OneWriterReadsWhatItWrote) {
    EXPECT_EQ(Storm().write(0, 100, kIdentity, kIdentity).unexplained(), 0U);
    EXPECT_EQ(Storm().write(0, 100, kIdentity, kDma).unexplained(), 1U);
    EXPECT_EQ(
        Storm().write(0, 100, kIdentity, kIdentity).write(0, 200, kDma, kIdentity).unexplained(),
        1U);
}

TEST(VerdictStorm, TwoWritersExplainEachOtherWhereTheyOverlap) {
    EXPECT_EQ(Storm().write(0, 100, kIdentity, kFq).write(1, 105, kFq, kFq).unexplained(), 0U);
    EXPECT_EQ(Storm().write(0, 100, kIdentity, kFq).write(1, 150, kFq, kFq).unexplained(), 1U)
        << "the other came after the read-back";
    EXPECT_EQ(Storm().write(1, 50, kFq, kFq).write(0, 100, kIdentity, kFq).unexplained(), 1U)
        << "the other was over before";
    EXPECT_EQ(Storm().write(1, 50, kFq, kFq, 0, 100).write(0, 100, kIdentity, kFq).unexplained(),
              0U)
        << "a long write may end at any time";
}

TEST(VerdictStorm, ARefusalNeedsADriverAtThatTime) {
    const auto refused = [] { return Storm().write(0, 100, kIdentity, kDma, EPERM); };
    EXPECT_EQ(refused().unexplained(), 1U);
    EXPECT_EQ(refused().other(TypeAct::What::bind, 105, 120).unexplained(), 0U);
    EXPECT_EQ(refused().other(TypeAct::What::bind, 120, 130).unexplained(), 1U);
    auto bound = Storm(kDma, true).write(0, 100, kIdentity, kDma, EPERM);
    EXPECT_EQ(bound.unexplained(), 0U);
    EXPECT_EQ(bound.other(TypeAct::What::unbind, 50, 60).unexplained(), 1U);
}

TEST(VerdictStorm, OnlyTheFlushQueueComesUpUnderADriver) {
    const auto bound = [](TypeWord asked, TypeWord after) {
        return Storm(kDma, true).write(0, 100, asked, after).unexplained();
    };
    EXPECT_EQ(bound(kFq, kFq), 0U);
    EXPECT_EQ(bound(kFq, kDma), 1U) << "the live path has no silent fallback";
    EXPECT_EQ(bound(kIdentity, kIdentity), 1U);
}

TEST(VerdictStorm, AGroupThatIsNotThereYet) {
    const auto written = [](TypeWord found, int os_error) {
        return Storm(found).write(0, 100, kAuto, TypeWord::none, os_error);
    };
    EXPECT_EQ(written(TypeWord::none, ENOENT).unexplained(), 0U);
    EXPECT_EQ(written(TypeWord::none, EPERM).unexplained(), 1U);
    EXPECT_EQ(written(kDma, ENOENT).unexplained(), 1U) << "it was there";
    EXPECT_EQ(Storm(TypeWord::none).write(0, 100, kDma, TypeWord::other, EINVAL).unexplained(), 0U)
        << "it has no default domain yet";
    auto came = written(TypeWord::none, ENOENT);
    EXPECT_EQ(came.write(0, 200, kIdentity, kIdentity).unexplained(), 0U);
    EXPECT_EQ(came.write(0, 300, kDma, TypeWord::none, ENOENT).unexplained(), 1U) << "it had come";
}

TEST(VerdictStorm, AutoIsWhatItWasWhereNobodyDisturbedIt) {
    Storm storm;
    storm.write(0, 100, kAuto, kDma).write(0, 200, kIdentity, kIdentity);
    EXPECT_EQ(storm.unexplained(), 0U);
    // Later, disturbed by a refused write only, it makes something else.
    storm.write(0, 300, kAuto, kFq).write(1, 300, kAuto, kFq);
    EXPECT_EQ(storm.unexplained(), 2U);
}

TEST(VerdictStorm, WritesAreTimedAndCounted) {
    Storm storm;
    storm.write(0, 1'000'000'000, kIdentity, kIdentity).write(0, 1'999'999'985, kDma, kDma);
    const auto types = storm.scene.judged().types;
    EXPECT_EQ(types.writes, 2U);
    EXPECT_DOUBLE_EQ(types.seconds, 1.0);
    EXPECT_EQ(types.explained(), 2U);
    EXPECT_EQ(types.cells.front().why, "no driver is bound");
    EXPECT_EQ(types.cells.front().reads, "the type asked for");
}

TEST(VerdictStorm, TheReadBackHasAReasonOfItsOwn) {
    const auto types =
        Storm().write(0, 100, kIdentity, kFq).write(1, 105, kFq, kFq).scene.judged().types;
    ASSERT_EQ(types.cells.size(), 2U);
    for (const auto& cell : types.cells)
        EXPECT_EQ(cell.reads,
                  cell.asked == cell.after ? "the type asked for" : "another write's type");
    const auto lost = Storm().write(0, 100, kIdentity, kDma).scene.judged().types;
    EXPECT_EQ(lost.cells.front().why, "no driver is bound");
    EXPECT_TRUE(lost.cells.front().read_lost);
}

TEST(VerdictStorm, WhatCouldHaveGoneEitherWayIsCounted) {
    const auto either = [](TypeWord asked, TypeWord after, int os_error) {
        return Storm()
            .write(0, 100, asked, after, os_error)
            .other(TypeAct::What::bind, 105, 120)
            .scene.judged()
            .types.either();
    };
    EXPECT_EQ(either(kDma, kDma, EPERM), 1U) << "it was DMA before";
    EXPECT_EQ(either(kIdentity, kIdentity, 0), 0U) << "the read-back tells";
    EXPECT_EQ(either(kIdentity, kDma, EPERM), 0U);
}

// The kernel's sentence tells the refusal of the one write that can have been told it.
TEST(VerdictStorm, WhatOneWriteAloneCanHaveBeenToldLeavesNoOtherWay) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    auto storm = Storm().write(0, kSecond, kDma, kDma, EBUSY);
    storm.other(TypeAct::What::bind, kSecond + 5, kSecond + 20);
    storm.scene.observed.log = {{3'000'000, 4, "Device is still bound to driver", ""}};
    storm.write(0, 3 * kSecond, kIdentity, kDma, EBUSY);
    EXPECT_EQ(storm.scene.judged().types.either(), 1U) << "that was told another one";
    storm.scene.observed.log.push_back({1'000'000, 4, "Device is still bound to driver", ""});
    EXPECT_EQ(storm.scene.judged().types.either(), 0U);
    storm.write(1, kSecond + 1, kDma, kDma, EBUSY);
    EXPECT_EQ(storm.scene.judged().types.either(), 2U) << "it may have been told either";
}

TEST(VerdictStorm, WhatWentOnMeanwhileIsActsAndNotTheActorsThemselves) {
    auto storm = Storm().write(0, 100, kDma, kDma, ENOMEM).write(1, 105, kDma, kDma);
    verdict::StepResult actor;
    actor.actor = "writer2";
    actor.verb = catalogue::Verb::type;
    actor.began = 1;
    actor.ended = 1000;
    storm.scene.observed.steps = {actor};
    const auto failures = storm.scene.judged().failures;
    ASSERT_EQ(failures.size(), 1U);
    ASSERT_EQ(failures[0].evidence.size(), 2U);
    EXPECT_THAT(failures[0].evidence[1], ::testing::HasSubstr("meanwhile writer2: write 'DMA'"));
}

TEST(VerdictStorm, AWriteThatNeverReturnedIsNotJudged) {
    Storm storm;
    auto& acts = storm.scene.observed.types.actors[0].acts;
    acts.push_back(Storm::act(TypeAct::What::write, 100, 0));
    acts.back().asked = kIdentity;
    EXPECT_EQ(storm.unexplained(), 0U);
    EXPECT_EQ(storm.write(1, 200, kDma, kIdentity).unexplained(), 0U) << "it may still take effect";
}

} // namespace

} // namespace dmarace::verdict::testing
