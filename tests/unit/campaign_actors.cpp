// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/actors.hpp"
#include "campaign/wire.hpp"
#include "fake_control.hpp"
#include "fake_tree.hpp"
#include "onlookers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

namespace dmarace::campaign {
namespace {

using test::NoInterrupts;
using test::Quiet;
using testing::Contains;
using testing::IsEmpty;

struct OneInterrupt final : RunInterrupts {
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

class ActorRunnerTest : public testing::Test {
protected:
    test::FakeTree tree_;
    test::FakeControl control_;
    board::KernelLog log_ = board::KernelLog::none();
    Machine machine_{board::Devices(tree_.files()), board::Modules(), log_, control_, {}};
    Quiet progress_;
    NoInterrupts quiet_;
    RunInterrupts* interrupts_ = &quiet_;
    verdict::Observed observed_;

    void perform(const std::vector<job::Actor>& actors, ActorLimits limits = {}) {
        ActorRunner runner(machine_, progress_, *interrupts_, limits);
        ASSERT_TRUE(runner.start(actors, true));
        ASSERT_TRUE(runner.introduce());
        ASSERT_TRUE(runner.run(observed_, true));
    }
};

TEST_F(ActorRunnerTest, an_actor_that_returns_raises_its_steps_and_done) {
    perform({{"a", {step(job::Verb::sleep, {"1ms"}), step(job::Verb::sleep, {"1ms"})}, {}}});
    EXPECT_THAT(control_.raised(), testing::ElementsAre("step:a:1", "step:a:2", "done:a"));
    ASSERT_EQ(observed_.actors.size(), 1U);
    EXPECT_EQ(observed_.actors[0].how, verdict::ActorEnd::How::returned);
    EXPECT_EQ(observed_.steps.size(), 2U);
}

TEST_F(ActorRunnerTest, a_signal_of_the_module_reaches_a_waiting_actor) {
    control_.echo_signal("done:b", "window");
    perform({{"a", {step(job::Verb::wait, {"window", "5s"})}, {}},
             {"b", {step(job::Verb::sleep, {"1ms"})}, {}}});
    ASSERT_EQ(observed_.steps.size(), 2U);
    for (const auto& result : observed_.steps)
        EXPECT_EQ(result.os_error, 0) << result.detail;
}

// As in a storm over many groups: the module tells more than the socket of an actor
// in a long step takes.
TEST_F(ActorRunnerTest, an_actor_that_reads_nothing_stops_nobody_and_misses_nothing) {
    for (int i = 0; i < 5000; ++i)
        control_.told(Line{"signal", {{"name", "bound:platform/client." + std::to_string(i)}}});
    control_.told(Line{"signal", {{"name", "last"}}});
    perform({{"a", {step(job::Verb::sleep, {"1s"}), step(job::Verb::wait, {"last", "5s"})}, {}},
             {"b", {step(job::Verb::sleep, {"1ms"})}, {}}});
    const auto& raised = control_.raised();
    EXPECT_LT(std::ranges::find(raised, "done:b"), std::ranges::find(raised, "step:a:1"));
    for (const auto& result : observed_.steps)
        EXPECT_EQ(result.os_error, 0) << result.detail;
}

TEST_F(ActorRunnerTest, a_wait_ends_when_nobody_is_left_to_signal) {
    const auto began = std::chrono::steady_clock::now();
    perform({{"a", {step(job::Verb::wait, {"never", "1h"})}, {}},
             {"b", {step(job::Verb::sleep, {"1ms"})}, {}}});
    for (const auto& result : observed_.steps)
        EXPECT_EQ(result.os_error, result.verb == job::Verb::wait ? ETIMEDOUT : 0) << result.detail;
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::minutes(1));
}

TEST_F(ActorRunnerTest, a_signal_step_reaches_the_module) {
    perform({{"a", {step(job::Verb::signal, {"mine"})}, {}}});
    EXPECT_THAT(control_.raised(), Contains("mine"));
}

TEST_F(ActorRunnerTest, a_step_beyond_its_limit_disarms_and_is_stuck) {
    ActorLimits limits;
    limits.step = std::chrono::milliseconds(200);
    limits.grace = std::chrono::milliseconds(200);
    perform({{"a", {step(job::Verb::sleep, {"1h"})}, {}}}, limits);
    EXPECT_THAT(control_.verbs(), Contains("disarm"));
    ASSERT_EQ(observed_.actors.size(), 1U);
    EXPECT_EQ(observed_.actors[0].how, verdict::ActorEnd::How::stuck);
    EXPECT_THAT(observed_.steps, IsEmpty());
}

TEST_F(ActorRunnerTest, after_an_oops_the_others_are_not_waited_for_long) {
    ActorLimits limits;
    limits.step_after_oops = std::chrono::milliseconds(200);
    ActorRunner runner(machine_, progress_, *interrupts_, limits);
    ASSERT_TRUE(runner.start({{"dies", {step(job::Verb::sleep, {"1h"})}, {}},
                              {"waits", {step(job::Verb::sleep, {"1h"})}, {}}},
                             true));
    ASSERT_TRUE(runner.introduce());
    const auto pid = control_.pid_of("dies");
    ASSERT_GT(pid, 0);
    ::kill(pid, SIGKILL);
    const auto began = std::chrono::steady_clock::now();
    ASSERT_TRUE(runner.run(observed_, true));
    EXPECT_LT(std::chrono::steady_clock::now() - began, limits.step);
    ASSERT_EQ(observed_.actors.size(), 2U);
    EXPECT_EQ(observed_.actors[0].how, verdict::ActorEnd::How::killed_by_oops);
    EXPECT_EQ(observed_.actors[1].how, verdict::ActorEnd::How::stuck);
}

TEST_F(ActorRunnerTest, an_interrupt_ends_an_iteration_but_not_the_putting_back) {
    OneInterrupt interrupt;
    interrupts_ = &interrupt;
    ActorLimits limits;
    limits.grace = std::chrono::milliseconds(100);
    perform({{"a", {step(job::Verb::sleep, {"1h"})}, {}}}, limits);
    ASSERT_EQ(observed_.actors.size(), 1U);
    EXPECT_EQ(observed_.actors[0].how, verdict::ActorEnd::How::stuck);
    observed_ = {};
    limits.heeds_interrupts = false;
    perform({{"a", {step(job::Verb::sleep, {"500ms"})}, {}}}, limits);
    ASSERT_EQ(observed_.actors.size(), 1U);
    EXPECT_EQ(observed_.actors[0].how, verdict::ActorEnd::How::returned);
}

TEST_F(ActorRunnerTest, actors_are_introduced_with_their_processes) {
    perform({{"a", {step(job::Verb::sleep, {"1ms"})}, {}}});
    EXPECT_THAT(control_.verbs(), Contains("actor"));
}

TEST(Wire, a_type_step_comes_through_whole) {
    verdict::StepResult step;
    step.actor = "writer";
    step.index = 3;
    step.verb = catalogue::Verb::type;
    step.text = "type 4 DMA-FQ";
    step.device = "pci/0000:00:02.0";
    step.os_error = 1;
    step.detail = "said \"no\"";
    step.began = 12;
    step.ended = 34;
    step.type = types::TypeStep{.group = 4, .devices = 2, .word = "DMA-FQ"};
    auto& act = step.type->act;
    act.asked = types::TypeWord::dma_fq;
    act.before = act.after = types::TypeWord::dma;
    act.bound = types::BoundSeen::yes;
    const auto line = parse_line(to_text(wire::to_line(step)));
    ASSERT_TRUE(line);
    const auto back = wire::to_step(*line);
    EXPECT_EQ(back.actor, step.actor);
    EXPECT_EQ(back.index, step.index);
    EXPECT_EQ(back.text, step.text);
    EXPECT_EQ(back.device, step.device);
    EXPECT_EQ(back.os_error, step.os_error);
    EXPECT_EQ(back.detail, step.detail);
    EXPECT_EQ(back.began, step.began);
    EXPECT_EQ(back.ended, step.ended);
    ASSERT_TRUE(back.type);
    EXPECT_EQ(back.type->group, step.type->group);
    EXPECT_EQ(back.type->devices, step.type->devices);
    EXPECT_EQ(back.type->word, step.type->word);
    EXPECT_EQ(back.type->act.asked, act.asked);
    EXPECT_EQ(back.type->act.before, act.before);
    EXPECT_EQ(back.type->act.after, act.after);
    EXPECT_EQ(back.type->act.bound, act.bound);
}

TEST(Wire, a_plain_step_has_no_group) {
    verdict::StepResult step;
    step.verb = catalogue::Verb::bind;
    const auto back = wire::to_step(wire::to_line(step));
    EXPECT_FALSE(back.type);
}

TEST(Wire, a_group_keeps_its_members) {
    const types::TypeGroup group{7, "identity", {"pci/a", "pci/b"}};
    const auto back = wire::to_group(wire::to_line(group));
    EXPECT_EQ(back.number, 7);
    EXPECT_EQ(back.type, "identity");
    EXPECT_EQ(back.devices, group.devices);
}

} // namespace
} // namespace dmarace::campaign
