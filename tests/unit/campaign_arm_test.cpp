// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/iteration.hpp"
#include "fake_control.hpp"
#include "fake_tree.hpp"

#include <gmock/gmock.h>

namespace dmarace::campaign {
namespace {

using testing::ElementsAre;

struct Notes final : Progress {
    void iteration(unsigned, unsigned) override {}
    void doing(const std::string&) override {}
    void judged(unsigned, const std::string&, const std::string&) override {}
    void note(const std::string& text) override { texts.push_back(text); }
    std::vector<std::string> texts;
};

class ArmTest : public testing::Test {
protected:
    ArmTest() {
        job::Rule rule;
        rule.name = rule.point = "really_probe";
        plan_.rules.push_back(rule);
    }

    test::FakeTree tree_;
    test::FakeControl control_;
    board::KernelLog log_ = board::KernelLog::none();
    Machine machine_{board::Devices(tree_.files()), board::Modules(), log_, control_, {}};
    Notes notes_;
    job::Plan plan_;
};

TEST_F(ArmTest, opens_the_gate_with_one_request) {
    ASSERT_TRUE(arm(machine_, notes_, plan_, {}));
    EXPECT_THAT(control_.verbs(), ElementsAre("arm"));
    EXPECT_TRUE(notes_.texts.empty());
}

TEST_F(ArmTest, a_lost_lease_is_told_and_the_rules_are_added_again) {
    control_.refuse("arm", Error{Fault::environment, "the lease ran out", EPERM});
    ASSERT_TRUE(arm(machine_, notes_, plan_, {}));
    EXPECT_THAT(control_.verbs(), ElementsAre("arm", "clear", "rule", "arm"));
    EXPECT_THAT(notes_.texts, ElementsAre(testing::HasSubstr("the lease ran out")));
}

TEST_F(ArmTest, any_other_refusal_stays_an_error) {
    control_.refuse("arm", Error{Fault::environment, "owned by process 7", EBUSY});
    const auto armed = arm(machine_, notes_, plan_, {});
    ASSERT_FALSE(armed);
    EXPECT_EQ(armed.error().os_error, EBUSY);
    EXPECT_THAT(control_.verbs(), ElementsAre("arm"));
}

} // namespace
} // namespace dmarace::campaign
