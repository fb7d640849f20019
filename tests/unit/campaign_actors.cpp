// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/devices.hpp"
#include "campaign/actors.hpp"
#include "campaign/steps.hpp"
#include "catalogue/verbs.hpp"
#include "fake_machine.hpp"
#include "fake_tree.hpp"
#include "run/recording.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>

namespace dmarace::campaign {
namespace {

using test::FakeTree;
using testing::Contains;
using testing::HasSubstr;
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

class ActorRunnerTest : public testing::Test, protected test::FakeMachine {
protected:
    Machine machine_ = machine();
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
    EXPECT_THAT(control_.verbs(), Contains("actor")) << "they are introduced with their processes";
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
    const auto line = parse_line(to_text(run::to_line(wire::kDone, step)));
    ASSERT_TRUE(line);
    const auto back = run::step_from(*line);
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
    const auto back = run::step_from(run::to_line(wire::kDone, step));
    EXPECT_FALSE(back.type);
}

TEST(Wire, a_group_keeps_its_members) {
    const types::TypeGroup group{7, "identity", {"pci/a", "pci/b"}};
    const auto back = run::group_from(run::to_line(wire::kGroup, group));
    EXPECT_EQ(back.number, 7);
    EXPECT_EQ(back.type, "identity");
    EXPECT_EQ(back.devices, group.devices);
}

constexpr auto kNic = "sys/devices/pci0000:00/0000:00:02.0";
constexpr auto kGroup = "sys/kernel/iommu_groups/3";

StepContext context_of(const FakeTree& tree) {
    return {board::Devices(tree.files()), board::Modules(), {}};
}

TEST(Steps, bind_uses_the_driver_the_device_had) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic).file("sys/bus/pci/drivers/e1000e/bind");
    auto context = context_of(tree);
    context.drivers["pci/0000:00:02.0"] = "e1000e";
    const auto result = perform(context, step(job::Verb::bind, {"pci/0000:00:02.0"}));
    EXPECT_EQ(result.os_error, 0) << result.detail;
    EXPECT_EQ(result.device, "pci/0000:00:02.0");
    EXPECT_EQ(tree.text("sys/bus/pci/drivers/e1000e/bind"), "0000:00:02.0");
}

TEST(Steps, bind_without_a_known_driver_says_so) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic);
    auto context = context_of(tree);
    const auto result = perform(context, step(job::Verb::bind, {"pci/0000:00:02.0"}));
    EXPECT_EQ(result.os_error, ENODEV);
    EXPECT_THAT(result.detail, HasSubstr("no driver is known"));
}

TEST(Steps, expect_tells_bound_from_unbound) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic, "e1000e");
    auto context = context_of(tree);
    EXPECT_EQ(perform(context, step(job::Verb::expect, {"bound", "0000:00:02.0"})).os_error, 0);
    const auto wrong = perform(context, step(job::Verb::expect, {"unbound", "0000:00:02.0"}));
    EXPECT_EQ(wrong.os_error, EPROTO);
    EXPECT_THAT(wrong.detail, HasSubstr("bound to e1000e"));
}

TEST(Steps, type_writes_and_reads_back) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic, "e1000e", "3")
        .link(std::string(kGroup) + "/devices/0000:00:02.0", kNic)
        .link(std::string(kNic) + "/subsystem", "sys/bus/pci")
        .file(std::string(kGroup) + "/type", "DMA\n");
    auto context = context_of(tree);
    const auto result = perform(context, step(job::Verb::type, {"3", "identity"}));
    EXPECT_EQ(result.os_error, 0) << result.detail;
    ASSERT_TRUE(result.type);
    EXPECT_EQ(result.type->group, 3);
    EXPECT_EQ(result.type->devices, 1U);
    EXPECT_EQ(result.type->word, "identity");
    EXPECT_EQ(result.type->act.before, types::TypeWord::dma);
    EXPECT_EQ(result.type->act.asked, types::TypeWord::identity);
    EXPECT_EQ(result.type->act.after, types::TypeWord::identity);
    EXPECT_EQ(result.type->act.bound, types::BoundSeen::yes);
}

// The history of a group is its members' history, when it is gone as well.
TEST(Steps, type_of_a_group_that_is_gone_names_its_member) {
    FakeTree tree;
    tree.file("sys/kernel/iommu_groups/4/type", "DMA\n");
    auto context = context_of(tree);
    context.known.of_devices = {{"pci/0000:00:02.0", 3}};
    for (const auto* word : {"3", "pci/0000:00:02.0"}) {
        const auto result = perform(context, step(job::Verb::type, {word, "identity"}));
        EXPECT_EQ(result.os_error, ENOENT) << result.detail;
        EXPECT_EQ(result.device, "pci/0000:00:02.0");
        ASSERT_TRUE(result.type);
        EXPECT_EQ(result.type->group, 3);
        EXPECT_EQ(result.type->act.bound, types::BoundSeen::no);
    }
}

TEST(Steps, wait_gives_up_at_its_limit_and_returns_at_once_without_holds) {
    FakeTree tree;
    auto context = context_of(tree);
    board::Channel channel;
    context.channel = &channel;
    EXPECT_EQ(perform(context, step(job::Verb::wait, {"never", "10ms"})).os_error, ETIMEDOUT);
    context.holds = false;
    EXPECT_EQ(perform(context, step(job::Verb::wait, {"never", "10ms"})).os_error, 0);
}

TEST(Steps, wait_takes_a_signal_that_came_before) {
    FakeTree tree;
    auto context = context_of(tree);
    board::Channel channel;
    context.channel = &channel;
    context.signals = {"here"};
    EXPECT_EQ(perform(context, step(job::Verb::wait, {"here", "10ms"})).os_error, 0);
}

// What lint knows of locks, an actor that sleeps there is known by.
TEST(Steps, who_sleeps_where_a_verb_takes_its_lock_is_on_a_lock) {
    for (const auto& row : catalogue::verb_rows())
        for (const auto& form : row.forms())
            for (const auto& lock : form.locks()) {
                const board::TaskState state{'D', 1, std::string(lock.function) + "+0x20/0x80\n"};
                EXPECT_TRUE(state.on_lock()) << row.name << ": " << lock.function;
            }
    EXPECT_FALSE((board::TaskState{'D', 1, "msleep+0x20/0x80\n"}.on_lock()));
}

TEST(Steps, repeat_performs_its_body_so_often) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic, "e1000e").file("sys/bus/pci/drivers_probe");
    auto context = context_of(tree);
    auto repeat = step(job::Verb::repeat, {"3"});
    repeat.body = {step(job::Verb::expect, {"bound", "0000:00:02.0"})};
    EXPECT_EQ(perform(context, repeat).os_error, 0);
    repeat.body = {step(job::Verb::expect, {"unbound", "0000:00:02.0"})};
    EXPECT_EQ(perform(context, repeat).os_error, EPROTO);
}

TEST(Steps, a_simulated_client_is_removed_and_found_by_its_iommu) {
    FakeTree tree;
    const std::string iommu = "sys/devices/platform/dmarace-sim/";
    tree.device("platform", "dmarace-sim-client.1", "sys/devices/platform/dmarace-sim-client.1")
        .file(iommu + "remove")
        .file(iommu + "rescan");
    auto context = context_of(tree);
    const std::string client = "platform/dmarace-sim-client.1";
    EXPECT_EQ(perform(context, step(job::Verb::remove, {client})).os_error, 0);
    EXPECT_EQ(tree.text(iommu + "remove"), "dmarace-sim-client.1");
    EXPECT_EQ(perform(context, step(job::Verb::rescan, {client})).os_error, 0);
    EXPECT_EQ(tree.text(iommu + "rescan"), "1");
}

TEST(Steps, a_simulated_client_has_its_driver) {
    FakeTree tree;
    tree.device("platform", "dmarace-sim-client.1", "sys/devices/platform/dmarace-sim-client.1")
        .file("sys/bus/platform/drivers/dmarace-sim-client/bind");
    auto context = context_of(tree);
    const auto result = perform(context, step(job::Verb::bind, {"platform/dmarace-sim-client.1"}));
    EXPECT_EQ(result.os_error, 0) << result.detail;
    EXPECT_EQ(tree.text("sys/bus/platform/drivers/dmarace-sim-client/bind"),
              "dmarace-sim-client.1");
}

TEST(Steps, a_device_with_a_group_is_beyond_a_walk) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic, "", "3")
        .device("pci", "0000:00:03.0", "sys/devices/x");
    auto context = context_of(tree);
    const auto grouped = perform(context, step(job::Verb::expect, {"ungrouped", "0000:00:02.0"}));
    EXPECT_EQ(grouped.os_error, EOPNOTSUPP);
    EXPECT_THAT(grouped.detail, HasSubstr("a later walk finds nothing to do"));
    EXPECT_EQ(perform(context, step(job::Verb::expect, {"ungrouped", "0000:00:03.0"})).os_error, 0);
}

TEST(Simulated, says_how_a_walk_is_done_and_passes_on_what_the_kernel_answers) {
    FakeTree tree;
    const auto files = tree.files();
    const board::Simulated simulated(files);
    EXPECT_FALSE(simulated.means());
    EXPECT_FALSE(simulated.walk());
    tree.file("sys/devices/platform/dmarace-sim/walk", "bus-ops\n");
    EXPECT_THAT(simulated.means().value(), HasSubstr("operations of the IOMMU driver"));
    tree.file("sys/devices/platform/dmarace-sim/walk", "own-ops\n");
    EXPECT_THAT(simulated.means().value(), HasSubstr("operations of dmarace_sim"));
    EXPECT_TRUE(simulated.walk());
}

} // namespace
} // namespace dmarace::campaign
