// SPDX-License-Identifier: GPL-2.0-or-later
// `dmarace-vm bisect`, its state file, and runs on git trees that look like kernels as far
// as the build goes.
#include "base/process.hpp"
#include "vm/bisect/judge.hpp"
#include "vm/commands/commands.hpp"
#include "vm_temporary.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace {

using namespace dmarace::vm;
using namespace dmarace;
using testing::ElementsAre;
using testing::HasSubstr;

Result<BisectOptions> parse_bisect(const Arguments& words) {
    const auto line = parse_line(kBisect, words);
    if (!line)
        return std::unexpected(line.error());
    return read_bisect(**line);
}

BisectOptions parsed(const Arguments& words) {
    const auto options = parse_bisect(words);
    EXPECT_TRUE(options) << options.error().message;
    return options.value_or(BisectOptions{});
}

TEST(VmBisectOptions, DefaultsAreThoseOfTheHelp) {
    const auto options = parsed({"--job", "late-probe"});
    EXPECT_EQ(options.board, "smmuv3-module");
    EXPECT_EQ(options.tree, ".");
    EXPECT_EQ(options.confidence, 0.99);
    EXPECT_EQ(options.failure_rate, 0);
    EXPECT_EQ(options.measure, 20U);
    EXPECT_EQ(options.max_trials, 1000U);
}

TEST(VmBisectOptions, WordsAfterTheDashesAreTheRuns) {
    EXPECT_THAT(parsed({"--job", "j", "--", "--set", "client=x"}).words,
                ElementsAre("--set", "client=x"));
}

TEST(VmBisectOptions, WhatCannotBeIsRefused) {
    for (const Arguments& words :
         {Arguments{}, Arguments{"--job", "j", "--confidence", "1"},
          Arguments{"--job", "j", "--confidence", "nan"},
          Arguments{"--job", "j", "--failure-rate", "2"}, Arguments{"--job", "j", "--measure", "0"},
          Arguments{"--job", "j", "--unknown"}}) {
        const auto options = parse_bisect(words);
        ASSERT_FALSE(options);
        EXPECT_EQ(options.error().fault, Fault::usage);
    }
    EXPECT_TRUE(parse_bisect({"--report"}));
}

TEST(VmBisectOptions, AnythingThatChangesTheAnswerChangesTheQuestion) {
    const auto question = question_of(parsed({"--job", "j"}));
    EXPECT_EQ(question, question_of(parsed({"--job", "j", "--confidence", "0.5", "--steps"})));
    for (const Arguments& more :
         {Arguments{"--board", "io"}, Arguments{"--variant", "kasan"},
          Arguments{"--append", "iommu.strict=0"}, Arguments{"--", "--set", "client=x"}}) {
        Arguments words{"--job", "j"};
        words.insert(words.end(), more.begin(), more.end());
        EXPECT_NE(question, question_of(parsed(words)));
    }
    const TemporaryTree tree;
    tree.write("j.toml", "one");
    const auto before = question_of(parsed({"--job", (tree / "j.toml").string()}));
    tree.write("j.toml", "two");
    EXPECT_NE(before, question_of(parsed({"--job", (tree / "j.toml").string()})));
}

// git takes every code from 1 to 127 but 125 for a bad kernel.
TEST(VmBisectOptions, NoMistakeHereIsABadKernel) {
    const TemporaryTree tree;
    EXPECT_GE(run_subcommand(kBisect, {"--unknown"}), 128);
    EXPECT_GE(run_subcommand(kBisect, {"--job", "j", "--tree", tree.path()}), 128);
}

BisectState sample() {
    BisectState state;
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
    BisectState state = sample();
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
    BisectState none = sample();
    none.steps.erase(none.steps.begin());
    EXPECT_THAT(report_steps(none), HasSubstr("no commit was skipped"));
}

constexpr const char* kVersion = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\nEXTRAVERSION =\n";

class VmBisect : public ::testing::Test {
protected:
    void SetUp() override {
        for (const char* program : {"git", "make", "flex", "bison", "bc", "aarch64-linux-gnu-gcc"})
            if (find_program(program).empty())
                GTEST_SKIP() << program << " is not installed";
        for (const char* file : {"Kbuild", "Kconfig", "arch/arm64/Kconfig", "include/linux/x.h"})
            tree_.write(file, "");
        git({"init", "-q"});
    }

    // A commit whose configuration works and whose build does this. Its id.
    std::string commit(const std::string& recipe) {
        tree_.write("Makefile", std::string(kVersion) + "allnoconfig:\n\ttouch $(O)/.config\n" +
                                    "Image: modules\n\nmodules:\n\techo built >> $(O)/builds\n\t" +
                                    recipe + "\n");
        git({"add", "-A"});
        git({"-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "-m", "a subject"});
        std::string id = git({"rev-parse", "HEAD"});
        id.pop_back();
        return id;
    }

    std::string git(const std::vector<std::string>& words) {
        Command command{.argv = {"git", "-C", tree_.path()}};
        command.argv.insert(command.argv.end(), words.begin(), words.end());
        const auto output = run_checked(command, "git");
        EXPECT_TRUE(output) << output.error().message;
        return output.value_or("");
    }

    int bisect(const Arguments& more = {}) {
        Arguments words{"--job",    "late-probe",      "--board", "virtio-iommu",
                        "--tree",   tree_.path(),      "--cache", cache_.path(),
                        "--source", DMARACE_SOURCE_DIR};
        words.insert(words.end(), more.begin(), more.end());
        return run_subcommand(kBisect, words);
    }

    // As a call that was killed while it measured the known-bad kernel leaves it.
    void measurement_was_cut(const std::string& return_to) {
        BisectState cut;
        cut.return_to = return_to;
        ASSERT_TRUE(save_state(tree_ / ".git/dmarace-bisect.json", cut));
    }

    BisectState state() const { return *load_state(tree_ / ".git/dmarace-bisect.json"); }

    // How often make was asked for a kernel, in all build directories.
    std::size_t builds() const {
        std::string text;
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator(cache_ / "builds", error))
            text += read_text(entry.path() / "builds").value_or("");
        return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    }

    TemporaryTree tree_, cache_;
};

TEST_F(VmBisect, ATreeThatDoesNotBuildIsSkippedAndNotBuiltAgain) {
    const auto id = commit("@echo 'a.c:1:1: error: no'; exit 1");
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 125);
    ASSERT_EQ(state().steps.size(), 1U);
    EXPECT_EQ(state().steps[0].commit, id);
    EXPECT_EQ(state().steps[0].subject, "a subject");
    EXPECT_EQ(state().steps[0].answer, Answer::skip);
    EXPECT_THAT(state().steps[0].why, HasSubstr("a.c:1:1: error: no"));
    EXPECT_EQ(builds(), 1U);
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 125);
    EXPECT_EQ(builds(), 1U);
    EXPECT_EQ(bisect({"--failure-rate", "0.5", "--again"}), 125);
    EXPECT_EQ(builds(), 2U);
}

TEST_F(VmBisect, AFullDiskIsNoAnswer) {
    commit("@echo 'as: a.o: No space left on device'; exit 1");
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 128);
    EXPECT_TRUE(state().steps.empty());
}

TEST_F(VmBisect, AKernelWithoutWhatTheBoardNeedsIsSkipped) {
    commit("@mkdir -p $(O)/arch/arm64/boot $(O)/include/config; cd $(O); touch "
           "arch/arm64/boot/Image Module.symvers modules.order; echo 6.12.1 > "
           "include/config/kernel.release");
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 125);
    EXPECT_THAT(state().steps[0].why, HasSubstr("CONFIG_VIRTIO_IOMMU"));
}

TEST_F(VmBisect, ChangesAreJudgedButNotRemembered) {
    commit("@exit 1");
    tree_.write("Kconfig", "changed\n");
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 125);
    EXPECT_TRUE(state().steps.empty());
}

TEST_F(VmBisect, WithoutARateOrABadEndItSaysWhatToDo) {
    commit("@exit 1");
    EXPECT_EQ(bisect(), 128);
    EXPECT_EQ(builds(), 0U);
}

TEST_F(VmBisect, AMeasurementComesBackToTheCommitItLeft) {
    const auto good = commit("@exit 1");
    const auto bad = commit("@exit 2");
    git({"update-ref", "refs/bisect/bad", bad});
    git({"checkout", "-q", "--detach", good});
    EXPECT_EQ(bisect(), 128); // the known-bad kernel does not build: no rate
    EXPECT_EQ(builds(), 1U);
    EXPECT_EQ(git({"rev-parse", "HEAD"}), good + "\n");
    EXPECT_EQ(state().return_to, "");
}

TEST_F(VmBisect, AMeasurementThatWasKilledIsUndoneByTheNextCall) {
    const auto good = commit("@exit 1");
    const auto bad = commit("@exit 2");
    measurement_was_cut(good);
    EXPECT_EQ(git({"rev-parse", "HEAD"}), bad + "\n");
    git({"update-ref", "refs/bisect/bad", bad});
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 125);
    EXPECT_EQ(git({"rev-parse", "HEAD"}), good + "\n");
    EXPECT_EQ(state().steps.at(0).commit, good);
}

TEST_F(VmBisect, WhoeverHasMovedSinceIsLeftThere) {
    const auto good = commit("@exit 1");
    const auto other = commit("@exit 2");
    measurement_was_cut(good);
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 125);
    EXPECT_EQ(git({"rev-parse", "HEAD"}), other + "\n");
    EXPECT_EQ(state().steps.at(0).commit, other);
}

TEST_F(VmBisect, AnotherQuestionIsRefusedAndTheStateLeft) {
    commit("@exit 1");
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 125);
    const auto before = tree_.read(".git/dmarace-bisect.json");
    EXPECT_EQ(bisect({"--failure-rate", "0.5", "--append", "iommu.strict=0"}), 128);
    EXPECT_EQ(tree_.read(".git/dmarace-bisect.json"), before);
}

} // namespace
