// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/bisect/state.hpp"
#include "vm_temporary.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
using ::testing::HasSubstr;

State sample() {
    State state;
    state.question = "job late-probe, board virtio-iommu";
    state.rate = Rate{19, 20};
    state.kinds = {"dma-direct"};
    state.rate_commit = "badbadbadbadbad";
    state.return_to = "aaaaaaaaaaaaaaaa";
    state.steps = {{.commit = "1111111111111111",
                    .subject = "iommu: does not \"build\"",
                    .answer = Answer::skip,
                    .why = "does not build"},
                   {.commit = "2222222222222222",
                    .subject = "second",
                    .answer = Answer::bad,
                    .failures = 3,
                    .confidence = 1}};
    return state;
}

TEST(VmBisectState, IsReadBackAsItWasWritten) {
    const TemporaryTree tree;
    ASSERT_TRUE(save_state(tree / "state", sample()));
    const auto back = load_state(tree / "state");
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(to_json(*back), to_json(sample()));
    EXPECT_EQ(back->rate->failures, 19U);
    EXPECT_EQ(back->steps.at(0).subject, "iommu: does not \"build\"");
    EXPECT_FALSE(std::filesystem::exists(tree / "state.new"));
}

TEST(VmBisectState, AMissingFileIsANewBisection) {
    const TemporaryTree tree;
    const auto state = load_state(tree / "state");
    ASSERT_TRUE(state);
    EXPECT_TRUE(state->steps.empty());
    EXPECT_FALSE(state->rate);
}

TEST(VmBisectState, AnythingElseIsAnErrorThatNamesTheFileAndLeavesIt) {
    const TemporaryTree tree;
    for (
        const char* text :
        {"", "[]", "{}", "{\"schema\": 2}", "not json",
         R"({"schema":1,"question":"","rate":null,"kinds":[],"rate_commit":"","return_to":"","steps":[{}]})",
         R"({"schema":1,"question":7,"rate":null,"kinds":[],"rate_commit":"","return_to":"","steps":[]})"}) {
        tree.write("state", text);
        const auto state = load_state(tree / "state");
        ASSERT_FALSE(state) << text;
        EXPECT_THAT(state.error().message, HasSubstr((tree / "state").string()));
        EXPECT_EQ(tree.read("state"), text);
    }
}

TEST(VmBisectState, AnUnknownAnswerIsNoAnswer) {
    std::string json = to_json(sample());
    json.replace(json.find("\"bad\""), 5, "\"odd\"");
    EXPECT_FALSE(read_state(json));
}

TEST(VmBisectState, TheLastAnswerCounts) {
    State state = sample();
    EXPECT_EQ(state.find("1111111111111111")->answer, Answer::skip);
    EXPECT_EQ(state.find("3333333333333333"), nullptr);
    state.steps.push_back(state.steps[0]);
    state.steps.back().answer = Answer::good;
    EXPECT_EQ(state.find("1111111111111111")->answer, Answer::good);
}

TEST(VmBisectState, AnswersAreGitsExitCodes) {
    EXPECT_EQ(exit_code(Answer::good), 0);
    EXPECT_EQ(exit_code(Answer::bad), 1);
    EXPECT_EQ(exit_code(Answer::skip), 125);
}

TEST(VmBisectState, TheReportNamesTheSkippedAndWhy) {
    const auto text = report_steps(sample());
    EXPECT_THAT(text, HasSubstr("19 of 20 trials fail on badbadbadbad (dma-direct)"));
    EXPECT_THAT(text,
                HasSubstr("skipped:\n  111111111111 iommu: does not \"build\": does not build"));
    State none = sample();
    none.steps.erase(none.steps.begin());
    EXPECT_THAT(report_steps(none), HasSubstr("no commit was skipped"));
}

} // namespace
