// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "board/devices.hpp"
#include "campaign/actors.hpp"
#include "campaign/steps.hpp"
#include "catalogue/verbs.hpp"
#include "fake_machine.hpp"
#include "fake_tree.hpp"
#include "results.hpp"
#include "run/recording.hpp"

#include <gmock/gmock.h>

#include <sys/stat.h>

#include <algorithm>
#include <csignal>

namespace dmarace::campaign {
namespace {

using test::FakeTree;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using How = verdict::ActorEnd::How;

struct OneInterrupt final : RunInterrupts {
    int descriptor() const override { return -1; }
    unsigned count() override { return 1; }
};

job::Step step(const std::string& text) {
    job::Step out;
    out.text = text;
    out.args = words_in(text);
    out.verb = got(catalogue::verb_from(out.args.front()));
    out.args.erase(out.args.begin());
    return out;
}

job::Actor actor(const std::string& name, const std::vector<std::string>& steps) {
    job::Actor out{name, {}, {}};
    for (const auto& text : steps)
        out.steps.push_back(step(text));
    return out;
}

job::Step until(const std::string& limit) {
    job::Step end;
    end.verb = job::Verb::repeat;
    end.args = {"until", "go", limit};
    end.back = 1;
    return end;
}

class ActorRunnerTest : public testing::Test, protected test::FakeMachine {
protected:
    Machine machine_ = machine();
    RunInterrupts* interrupts_ = &quiet_;
    verdict::Observed observed_;
    ActorLimits limits_;
    std::vector<std::string> on_lock_; // actors that sleep on a lock, for who looks

    void put_on_lock(const std::string& pid) {
        tree_.file("proc/" + pid + "/stat", pid + " (x) D 1");
        tree_.file("proc/" + pid + "/stack", "[<0>] __mutex_lock+0x1\n");
    }

    void perform(const std::vector<job::Actor>& actors) {
        ActorRunner runner(machine_, progress_, *interrupts_, limits_);
        ASSERT_TRUE(runner.start(actors, true));
        ASSERT_TRUE(runner.introduce());
        for (const auto& name : on_lock_)
            put_on_lock(std::to_string(control_.pid_of(name)));
        ASSERT_TRUE(runner.run(observed_, true));
    }
    // What became of each actor, and the errno of each step that ended.
    std::vector<How> ends() const {
        std::vector<How> out;
        std::ranges::transform(observed_.actors, std::back_inserter(out), &verdict::ActorEnd::how);
        return out;
    }
    std::vector<int> errors() const {
        std::vector<int> out;
        std::ranges::transform(observed_.steps, std::back_inserter(out),
                               &verdict::StepResult::os_error);
        return out;
    }
};

TEST_F(ActorRunnerTest, an_actor_that_returns_raises_its_steps_and_done) {
    perform({actor("a", {"sleep 1ms", "sleep 1ms"})});
    EXPECT_THAT(control_.raised(), ElementsAre("step:a:1", "step:a:2", "done:a"));
    EXPECT_THAT(ends(), ElementsAre(How::returned));
    EXPECT_EQ(observed_.steps.size(), 2U);
    EXPECT_THAT(control_.verbs(), Contains("actor")) << "they are introduced with their processes";
}

TEST_F(ActorRunnerTest, a_signal_of_the_module_reaches_a_waiting_actor) {
    control_.echo_signal("done:b", "window");
    perform({actor("a", {"wait window 5s"}), actor("b", {"sleep 1ms"})});
    EXPECT_THAT(errors(), ElementsAre(0, 0));
}

TEST_F(ActorRunnerTest, who_is_on_a_lock_is_told_of_unless_the_module_did) {
    on_lock_ = {"a", "b"};
    control_.told(Line{"signal", {{"name", "blocked:b"}, {"by", "lock"}, {"actor", "b"}}});
    control_.told(Line{"signal", {{"name", "blocked:a"}, {"by", "owner"}, {"actor", "b"}}});
    perform({actor("a", {"sleep 700ms"}), actor("b", {"sleep 700ms"})});
    EXPECT_THAT(control_.raised(), Contains("blocked:a"));
    EXPECT_THAT(control_.raised(), Not(Contains("blocked:b")));
}

// Who watches an act has it held where it made something new, and lets it go on by a signal.
TEST_F(ActorRunnerTest, who_asked_is_told_of_each_hold) {
    control_.told(Line{"held", {{"rule", "aimed"}}});
    std::vector<std::string> held;
    limits_.held = [&](const Line& line) -> Status {
        held.push_back(line.get("rule"));
        return {};
    };
    perform({actor("a", {"sleep 50ms"})});
    EXPECT_THAT(held, ElementsAre("aimed"));
    EXPECT_EQ(std::ranges::count(observed_.events, DMARACE_E_HELD, &Line::verb), 1)
        << "it is told once more in the iteration's events";
}

// As in a storm over many groups: the module tells more than the socket of an actor
// in a long step takes.
TEST_F(ActorRunnerTest, an_actor_that_reads_nothing_stops_nobody_and_misses_nothing) {
    for (int i = 0; i < 5000; ++i)
        control_.told(Line{"signal", {{"name", "bound:platform/client." + std::to_string(i)}}});
    control_.told(Line{"signal", {{"name", "last"}}});
    perform({actor("a", {"sleep 1s", "wait last 5s"}), actor("b", {"sleep 1ms"})});
    const auto& raised = control_.raised();
    EXPECT_LT(std::ranges::find(raised, "done:b"), std::ranges::find(raised, "step:a:1"));
    EXPECT_THAT(errors(), Each(0));
}

TEST_F(ActorRunnerTest, a_wait_ends_when_nobody_is_left_to_signal) {
    const auto began = std::chrono::steady_clock::now();
    perform({actor("a", {"wait never 1h"}), actor("b", {"sleep 1ms"})});
    for (const auto& result : observed_.steps)
        EXPECT_EQ(result.os_error, result.verb == job::Verb::wait ? ETIMEDOUT : 0) << result.detail;
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::minutes(1));
}

TEST_F(ActorRunnerTest, a_signal_step_reaches_the_module) {
    perform({actor("a", {"signal mine"})});
    EXPECT_THAT(control_.raised(), Contains("mine"));
}

TEST_F(ActorRunnerTest, a_step_beyond_its_limit_disarms_and_is_stuck) {
    limits_.step = limits_.grace = std::chrono::milliseconds(200);
    perform({actor("a", {"sleep 1h"})});
    EXPECT_THAT(control_.verbs(), Contains("disarm"));
    EXPECT_THAT(ends(), ElementsAre(How::stuck));
    EXPECT_THAT(observed_.steps, IsEmpty());
}

// One is killed, the other one sleeps for so long.
class KilledActor : public ActorRunnerTest {
protected:
    std::string state_ = "S", stack_; // what /proc says of the one that is left

    void kill_one_of_two(const std::string& sleeps) {
        ActorRunner runner(machine_, progress_, *interrupts_, limits_);
        ASSERT_TRUE(runner.start({actor("dies", {"sleep 1h"}), actor("waits", {sleeps})}, true));
        ASSERT_TRUE(runner.introduce());
        const auto pid = control_.pid_of("dies");
        ASSERT_GT(pid, 0);
        const auto directory = "proc/" + std::to_string(control_.pid_of("waits"));
        tree_.file(directory + "/stat", "7 (dmarace-waits) " + state_ + " 1 2\n");
        tree_.file(directory + "/stack", stack_);
        ::kill(pid, SIGKILL);
        ASSERT_TRUE(runner.run(observed_, true));
        tree_.file(directory + "/stat");
    }
};

TEST_F(KilledActor, by_an_oops_and_the_others_are_not_waited_for_long) {
    tree_.file("proc/sys/kernel/tainted", "128\n");
    limits_.step_after_oops = std::chrono::milliseconds(200);
    kill_one_of_two("sleep 1h");
    EXPECT_THAT(ends(), ElementsAre(How::killed, How::stuck));
    EXPECT_EQ(observed_.actors.front().stack, "signal 9");
}

// What is known of those that are left ends the wait; where anything is at work it does not.
TEST_F(KilledActor, by_an_oops_and_who_waits_for_it_is_lost) {
    using std::chrono::milliseconds;
    struct Row {
        const char* state;
        const char* stack;
        const char* other; // the state of another task of the machine
        bool lost;
    };
    tree_.file("proc/sys/kernel/tainted", "128\n");
    limits_.lost = milliseconds(100);
    limits_.step_after_oops = milliseconds(600);
    for (const Row& row : {Row{"D", "[<0>] kernfs_drain+0x1b8/0x230\n", "S", true},
                           {"D", "[<0>] iommu_group_store_type+0x15c/0x220\n", "I", true},
                           {"D", "[<0>] msleep+0x30/0x40\n", "S", false},
                           {"D", "[<0>] dmarace_hold+0x1/0x2\n", "S", false},
                           {"S", "[<0>] kernfs_drain+0x1b8/0x230\n", "S", false},
                           {"D", "[<0>] kernfs_drain+0x1b8/0x230\n", "D", false},
                           {"D", "[<0>] kernfs_drain+0x1b8/0x230\n", "R", false}}) {
        tree_.file("proc/9/stat", std::string("9 (kworker/0:1) ") + row.other + " 2 0\n");
        state_ = row.state;
        stack_ = row.stack;
        observed_ = {};
        const auto began = std::chrono::steady_clock::now();
        kill_one_of_two("sleep 1h");
        EXPECT_THAT(ends(), ElementsAre(How::killed, How::stuck));
        EXPECT_EQ(std::chrono::steady_clock::now() - began < milliseconds(1000), row.lost)
            << row.state << row.stack << row.other;
    }
}

TEST_F(KilledActor, by_somebody_else_and_the_others_go_on) {
    tree_.file("proc/sys/kernel/tainted", "4096\n");
    kill_one_of_two("sleep 1s");
    EXPECT_THAT(ends(), ElementsAre(How::killed, How::returned));
}

TEST_F(ActorRunnerTest, an_interrupt_ends_an_iteration_but_not_the_putting_back) {
    OneInterrupt interrupt;
    interrupts_ = &interrupt;
    limits_.grace = std::chrono::milliseconds(100);
    perform({actor("a", {"sleep 1h"})});
    EXPECT_THAT(ends(), ElementsAre(How::stuck));
    observed_ = {};
    limits_.heeds_interrupts = false;
    perform({actor("a", {"sleep 500ms"})});
    EXPECT_THAT(ends(), ElementsAre(How::returned));
}

// They are in no kernel, and no signal comes any more.
TEST_F(ActorRunnerTest, an_interrupt_ends_what_waits_for_a_signal) {
    OneInterrupt interrupt;
    interrupts_ = &interrupt;
    limits_.grace = std::chrono::seconds(3);
    auto rounds = actor("rounds", {"sleep 1ms"});
    rounds.steps.push_back(until("1h"));
    perform({actor("waits", {"wait never 1h", "wait never 1h"}), rounds});
    EXPECT_THAT(ends(), Each(How::returned));
}

// The text has every field, and the text of what was read back is the same.
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
    act.began = 15;
    act.ended = 20;
    act.read = 25;
    const auto text = to_text(run::to_line(wire::kDone, step));
    EXPECT_EQ(text, R"(done actor=writer index=3 verb=type text="type 4 DMA-FQ")"
                    R"( device=pci/0000:00:02.0 errno=1 detail="said \"no\"" began=12 ended=34)"
                    " group=4 type_before=DMA type_asked=DMA-FQ type_after=DMA group_devices=2"
                    " group_bound=1 write_began=15 write_ended=20 read_ended=25");
    const auto back = run::step_from(got(parse_line(text)));
    EXPECT_EQ(got(back.type).word, "DMA-FQ");
    EXPECT_EQ(to_text(run::to_line(wire::kDone, back)), text);
}

TEST(Wire, a_plain_step_has_no_group) {
    verdict::StepResult step;
    step.verb = catalogue::Verb::bind;
    EXPECT_FALSE(run::step_from(run::to_line(wire::kDone, step)).type);
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

class Steps : public testing::Test {
protected:
    verdict::StepResult does(const std::string& text) { return perform(context_, step(text)); }
    FakeTree& nic(const std::string& driver = "", const std::string& group = "") {
        return tree_.device("pci", "0000:00:02.0", kNic, driver, group);
    }
    FakeTree& simulated_client() {
        return tree_.device("platform", "dmarace-sim-client.1",
                            "sys/devices/platform/dmarace-sim-client.1");
    }

    FakeTree tree_;
    StepContext context_{board::Devices(tree_.files()), board::Modules(), {}};
};

TEST_F(Steps, bind_uses_the_driver_the_device_had) {
    nic().file("sys/bus/pci/drivers/e1000e/bind");
    context_.drivers["pci/0000:00:02.0"] = "e1000e";
    const auto result = does("bind pci/0000:00:02.0");
    EXPECT_EQ(result.os_error, 0) << result.detail;
    EXPECT_EQ(result.device, "pci/0000:00:02.0");
    EXPECT_EQ(tree_.text("sys/bus/pci/drivers/e1000e/bind"), "0000:00:02.0");
}

TEST_F(Steps, bind_without_a_known_driver_says_so) {
    nic();
    const auto result = does("bind pci/0000:00:02.0");
    EXPECT_EQ(result.os_error, ENODEV);
    EXPECT_THAT(result.detail, HasSubstr("no driver is known"));
}

TEST_F(Steps, expect_tells_bound_from_unbound) {
    nic("e1000e");
    EXPECT_EQ(does("expect bound 0000:00:02.0").os_error, 0);
    const auto wrong = does("expect unbound 0000:00:02.0");
    EXPECT_EQ(wrong.os_error, EPROTO);
    EXPECT_THAT(wrong.detail, HasSubstr("bound to e1000e"));
}

TEST_F(Steps, expect_type_takes_a_device_for_its_group) {
    nic("e1000e", "3").file(std::string(kGroup) + "/type", "DMA\n");
    EXPECT_EQ(does("expect type 3 DMA").os_error, 0);
    EXPECT_EQ(does("expect type pci/0000:00:02.0 DMA").os_error, 0);
    const auto wrong = does("expect type 0000:00:02.0 identity");
    EXPECT_EQ(wrong.os_error, EPROTO);
    EXPECT_THAT(wrong.detail, HasSubstr("group 3 of pci/0000:00:02.0 has type DMA"));
    tree_.device("pci", "0000:00:03.0", "sys/devices/pci0000:00/0000:00:03.0");
    EXPECT_THAT(does("expect type 0000:00:03.0 DMA").detail, HasSubstr("in no group"));
}

TEST_F(Steps, read_tells_the_first_line_of_a_file_and_of_nothing_else) {
    tree_.file("sys/x", "one\ntwo\n").dir("sys/d");
    EXPECT_EQ(does("read /sys/x").detail, "one");
    EXPECT_EQ(does("read /sys/y").os_error, ENOENT);
    EXPECT_EQ(does("read /sys/d").os_error, EINVAL);
    ASSERT_EQ(::mkfifo((tree_.root() / "sys/fifo").c_str(), 0600), 0);
    EXPECT_EQ(does("read /sys/fifo").os_error, EINVAL);
}

TEST_F(Steps, type_writes_and_reads_back) {
    nic("e1000e", "3")
        .link(std::string(kGroup) + "/devices/0000:00:02.0", kNic)
        .link(std::string(kNic) + "/subsystem", "sys/bus/pci")
        .file(std::string(kGroup) + "/type", "DMA\n");
    const auto result = does("type 3 identity");
    EXPECT_EQ(result.os_error, 0) << result.detail;
    const auto type = got(result.type);
    EXPECT_EQ(type.group, 3);
    EXPECT_EQ(type.devices, 1U);
    EXPECT_EQ(type.word, "identity");
    EXPECT_EQ(type.act.before, types::TypeWord::dma);
    EXPECT_EQ(type.act.asked, types::TypeWord::identity);
    EXPECT_EQ(type.act.after, types::TypeWord::identity);
    EXPECT_EQ(type.act.bound, types::BoundSeen::yes);
}

// The history of a group is its members' history, when it is gone as well.
TEST_F(Steps, type_of_a_group_that_is_gone_names_its_member) {
    tree_.file("sys/kernel/iommu_groups/4/type", "DMA\n");
    context_.known.of_devices = {{"pci/0000:00:02.0", {3, 77}}};
    for (const auto* text : {"type 3 identity", "type pci/0000:00:02.0 identity"}) {
        const auto result = does(text);
        EXPECT_EQ(result.os_error, ENOENT) << result.detail;
        EXPECT_EQ(result.device, "pci/0000:00:02.0");
        EXPECT_EQ(got(result.type).group, 3);
        EXPECT_EQ(result.type->act.bound, types::BoundSeen::no);
    }
}

TEST_F(Steps, wait_gives_up_at_its_limit_but_takes_what_came_before_and_needs_holds) {
    board::Channel channel;
    context_.channel = &channel;
    EXPECT_EQ(does("wait never 10ms").os_error, ETIMEDOUT);
    context_.signals = {"here"};
    EXPECT_EQ(does("wait here 10ms").os_error, 0);
    context_.holds = false;
    EXPECT_EQ(does("wait never 10ms").os_error, 0);
}

// What lint knows of locks, an actor that sleeps there is known by.
TEST_F(Steps, who_sleeps_where_a_verb_takes_its_lock_is_on_a_lock) {
    for (const auto& row : catalogue::verb_rows())
        for (const auto& form : row.forms())
            for (const auto& lock : form.locks()) {
                const board::TaskState state{'D', 1, std::string(lock.function) + "+0x20/0x80\n"};
                EXPECT_TRUE(state.on_lock()) << row.name << ": " << lock.function;
            }
    EXPECT_FALSE((board::TaskState{'D', 1, "msleep+0x20/0x80\n"}.on_lock()));
}

// Numbers of groups are used again.
TEST_F(Steps, type_of_a_device_that_left_is_not_written_to_whoever_has_its_number_now) {
    tree_.file(std::string(kGroup) + "/type", "DMA\n");
    auto& known = context_.known;
    known.of_devices = {{"pci/0000:00:02.0", {3, 77}}};
    known.types = {{77, types::TypeWord::identity}};
    const auto refused = does("type pci/0000:00:02.0 identity");
    EXPECT_EQ(refused.os_error, ESTALE);
    EXPECT_THAT(refused.detail, testing::HasSubstr("number 3 is another group's now"));
    EXPECT_FALSE(refused.type) << "the kernel was not asked";
    EXPECT_EQ(tree_.text(std::string(kGroup) + "/type"), "DMA\n");
    EXPECT_EQ(got(does("type 3 auto").type).act.before, types::TypeWord::dma)
        << "not what the one before it had";
    known.of_devices["pci/0000:00:02.0"].identity = context_.devices.group_identity(3);
    EXPECT_EQ(does("type pci/0000:00:02.0 identity").os_error, 0);
}

TEST_F(Steps, a_repeat_goes_on_until_its_signal_has_come) {
    board::Channel channel;
    context_.channel = &channel;
    const auto end = until("10s");
    EXPECT_TRUE(another_round(context_, end));
    EXPECT_TRUE(another_round(context_, end));
    context_.signals = {"go"};
    EXPECT_FALSE(another_round(context_, end));
    const auto result = perform(context_, end);
    EXPECT_EQ(result.os_error, 0);
    EXPECT_EQ(result.detail, "3 rounds");
    EXPECT_FALSE(another_round(context_, end)) << "as the round of another repeat it begins anew";
    EXPECT_EQ(perform(context_, end).detail, "1 round");
}

TEST_F(Steps, a_repeat_whose_signal_never_comes_ends_with_its_time) {
    board::Channel channel;
    context_.channel = &channel;
    const auto end = until("0s");
    EXPECT_FALSE(another_round(context_, end));
    const auto result = perform(context_, end);
    EXPECT_EQ(result.os_error, ETIMEDOUT);
    EXPECT_EQ(result.detail, "signal go did not come in 1 round, 0s at most");
    context_.holds = false;
    EXPECT_FALSE(another_round(context_, until("10s"))) << "without holds one round is all";
    EXPECT_EQ(perform(context_, end).os_error, 0);
}

TEST_F(Steps, a_simulated_client_is_removed_and_found_by_its_iommu) {
    const std::string iommu = "sys/devices/platform/dmarace-sim/";
    simulated_client().file(iommu + "remove").file(iommu + "rescan");
    EXPECT_EQ(does("remove platform/dmarace-sim-client.1").os_error, 0);
    EXPECT_EQ(tree_.text(iommu + "remove"), "dmarace-sim-client.1");
    EXPECT_EQ(does("rescan platform/dmarace-sim-client.1").os_error, 0);
    EXPECT_EQ(tree_.text(iommu + "rescan"), "1");
}

TEST_F(Steps, a_simulated_client_has_its_driver) {
    const std::string bind = "sys/bus/platform/drivers/dmarace-sim-client/bind";
    simulated_client().file(bind);
    const auto result = does("bind platform/dmarace-sim-client.1");
    EXPECT_EQ(result.os_error, 0) << result.detail;
    EXPECT_EQ(tree_.text(bind), "dmarace-sim-client.1");
}

TEST_F(Steps, a_device_with_a_group_is_beyond_a_walk) {
    nic("", "3").device("pci", "0000:00:03.0", "sys/devices/x");
    const auto grouped = does("expect ungrouped 0000:00:02.0");
    EXPECT_EQ(grouped.os_error, EOPNOTSUPP);
    EXPECT_THAT(grouped.detail, HasSubstr("a later walk finds nothing to do"));
    EXPECT_EQ(does("expect ungrouped 0000:00:03.0").os_error, 0);
}

} // namespace
} // namespace dmarace::campaign
