// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/stage.hpp"
#include "fake_control.hpp"
#include "fake_tree.hpp"
#include "onlookers.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>

namespace dmarace::campaign {
namespace {

using test::NoInterrupts;
using test::Quiet;
using testing::Contains;
using testing::IsEmpty;

struct OneInterrupt final : Interrupts {
    int descriptor() const override { return -1; }
    unsigned count() override { return 1; }
};

job::Step step(job::Verb verb, std::vector<std::string> args) {
    job::Step out;
    out.verb = verb;
    out.text = verb == job::Verb::wait ? "wait" : "step";
    for (const auto& arg : args)
        out.text += " " + arg;
    out.args = std::move(args);
    return out;
}

class StageTest : public testing::Test {
protected:
    test::FakeTree tree_;
    test::FakeControl control_;
    board::KernelLog log_ = board::KernelLog::none();
    Machine machine_{board::Devices(tree_.files()), board::Modules(), log_, control_, {}};
    Quiet progress_;
    NoInterrupts quiet_;
    Interrupts* interrupts_ = &quiet_;
    verdict::Observed observed_;

    void play(const std::vector<job::Actor>& actors, StageLimits limits = {}) {
        Stage stage(machine_, progress_, *interrupts_, limits);
        ASSERT_TRUE(stage.prepare(actors, true));
        ASSERT_TRUE(stage.introduce());
        ASSERT_TRUE(stage.play(observed_, true));
    }
};

TEST_F(StageTest, an_actor_that_returns_raises_its_steps_and_done) {
    play({{"a", {step(job::Verb::sleep, {"1ms"}), step(job::Verb::sleep, {"1ms"})}, {}}});
    EXPECT_THAT(control_.raised(), testing::ElementsAre("step:a:1", "step:a:2", "done:a"));
    ASSERT_EQ(observed_.actors.size(), 1U);
    EXPECT_EQ(observed_.actors[0].how, verdict::ActorEnd::How::returned);
    EXPECT_EQ(observed_.steps.size(), 2U);
}

TEST_F(StageTest, a_signal_of_the_module_reaches_a_waiting_actor) {
    control_.echo_signal("done:b", "window");
    play({{"a", {step(job::Verb::wait, {"window", "5s"})}, {}},
          {"b", {step(job::Verb::sleep, {"1ms"})}, {}}});
    ASSERT_EQ(observed_.steps.size(), 2U);
    for (const auto& result : observed_.steps)
        EXPECT_EQ(result.os_error, 0) << result.detail;
}

// As in a storm over many groups: the module tells more than the socket of an actor
// in a long step takes.
TEST_F(StageTest, an_actor_that_reads_nothing_stops_nobody_and_misses_nothing) {
    for (int i = 0; i < 5000; ++i)
        control_.told(Line{"signal", {{"name", "bound:platform/client." + std::to_string(i)}}});
    control_.told(Line{"signal", {{"name", "last"}}});
    play({{"a", {step(job::Verb::sleep, {"1s"}), step(job::Verb::wait, {"last", "5s"})}, {}},
          {"b", {step(job::Verb::sleep, {"1ms"})}, {}}});
    const auto& raised = control_.raised();
    EXPECT_LT(std::ranges::find(raised, "done:b"), std::ranges::find(raised, "step:a:1"));
    for (const auto& result : observed_.steps)
        EXPECT_EQ(result.os_error, 0) << result.detail;
}

TEST_F(StageTest, a_wait_ends_when_nobody_is_left_to_signal) {
    const auto began = std::chrono::steady_clock::now();
    play({{"a", {step(job::Verb::wait, {"never", "1h"})}, {}},
          {"b", {step(job::Verb::sleep, {"1ms"})}, {}}});
    for (const auto& result : observed_.steps)
        EXPECT_EQ(result.os_error, result.verb == job::Verb::wait ? ETIMEDOUT : 0) << result.detail;
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::minutes(1));
}

TEST_F(StageTest, a_signal_step_reaches_the_module) {
    play({{"a", {step(job::Verb::signal, {"mine"})}, {}}});
    EXPECT_THAT(control_.raised(), Contains("mine"));
}

TEST_F(StageTest, a_step_beyond_its_limit_disarms_and_is_stuck) {
    StageLimits limits;
    limits.step = std::chrono::milliseconds(200);
    limits.grace = std::chrono::milliseconds(200);
    play({{"a", {step(job::Verb::sleep, {"1h"})}, {}}}, limits);
    EXPECT_THAT(control_.verbs(), Contains("disarm"));
    ASSERT_EQ(observed_.actors.size(), 1U);
    EXPECT_EQ(observed_.actors[0].how, verdict::ActorEnd::How::stuck);
    EXPECT_THAT(observed_.steps, IsEmpty());
}

TEST_F(StageTest, after_an_oops_the_others_are_not_waited_for_long) {
    StageLimits limits;
    limits.step_after_oops = std::chrono::milliseconds(200);
    Stage stage(machine_, progress_, *interrupts_, limits);
    ASSERT_TRUE(stage.prepare({{"dies", {step(job::Verb::sleep, {"1h"})}, {}},
                               {"waits", {step(job::Verb::sleep, {"1h"})}, {}}},
                              true));
    ASSERT_TRUE(stage.introduce());
    const auto pid = control_.pid_of("dies");
    ASSERT_GT(pid, 0);
    ::kill(pid, SIGKILL);
    const auto began = std::chrono::steady_clock::now();
    ASSERT_TRUE(stage.play(observed_, true));
    EXPECT_LT(std::chrono::steady_clock::now() - began, limits.step);
    ASSERT_EQ(observed_.actors.size(), 2U);
    EXPECT_EQ(observed_.actors[0].how, verdict::ActorEnd::How::killed_by_oops);
    EXPECT_EQ(observed_.actors[1].how, verdict::ActorEnd::How::stuck);
}

TEST_F(StageTest, an_interrupt_ends_an_iteration_but_not_the_putting_back) {
    OneInterrupt interrupt;
    interrupts_ = &interrupt;
    StageLimits limits;
    limits.grace = std::chrono::milliseconds(100);
    play({{"a", {step(job::Verb::sleep, {"1h"})}, {}}}, limits);
    ASSERT_EQ(observed_.actors.size(), 1U);
    EXPECT_EQ(observed_.actors[0].how, verdict::ActorEnd::How::stuck);
    observed_ = {};
    limits.heeds_interrupts = false;
    play({{"a", {step(job::Verb::sleep, {"500ms"})}, {}}}, limits);
    ASSERT_EQ(observed_.actors.size(), 1U);
    EXPECT_EQ(observed_.actors[0].how, verdict::ActorEnd::How::returned);
}

TEST_F(StageTest, actors_are_introduced_with_their_processes) {
    play({{"a", {step(job::Verb::sleep, {"1ms"})}, {}}});
    EXPECT_THAT(control_.verbs(), Contains("actor"));
}

} // namespace
} // namespace dmarace::campaign
