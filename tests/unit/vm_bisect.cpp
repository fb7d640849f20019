// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/process.hpp"
#include "base/text.hpp"
#include "fake_tree.hpp"
#include "results.hpp"
#include "vm/bisect/judge.hpp"
#include "vm/commands/commands.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>

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

BisectOptions parsed(const Arguments& words) { return got(parse_bisect(words)); }

TEST(VmBisectOptions, DefaultsAreThoseOfTheHelp) {
    const auto options = parsed({"--job", "late-probe"});
    EXPECT_EQ(options.board, "smmuv3-module");
    EXPECT_EQ(options.tree, ".");
    EXPECT_EQ(options.confidence, 0.99);
    EXPECT_EQ(options.failure_rate, 0);
    EXPECT_EQ(options.measure, 20U);
    EXPECT_EQ(options.max_trials, 1000U);
    // Words after the dashes are the run's.
    EXPECT_THAT(parsed({"--job", "j", "--", "--set", "client=x"}).words,
                ElementsAre("--set", "client=x"));
}

TEST(VmBisectOptions, WhatCannotBeIsRefused) {
    for (const char* words :
         {"", "--job j --confidence 1", "--job j --confidence nan", "--job j --failure-rate 2",
          "--job j --measure 0", "--job j --unknown"})
        EXPECT_TRUE(refused(parse_bisect(words_in(words)), Fault::usage)) << words;
    EXPECT_TRUE(parse_bisect({"--report"}));
}

TEST(VmBisectOptions, AnythingThatChangesTheAnswerChangesTheQuestion) {
    const auto question = question_of(parsed({"--job", "j"}));
    EXPECT_EQ(question, question_of(parsed({"--job", "j", "--confidence", "0.5", "--steps"})));
    for (const std::string more :
         {"--board io", "--variant kasan", "--append iommu.strict=0", "-- --set client=x"})
        EXPECT_NE(question, question_of(parsed(words_in("--job j " + more)))) << more;
    test::FakeTree tree;
    const Arguments of_file{"--job", tree.root() / "j.toml"};
    tree.file("j.toml", "one");
    const auto before = question_of(parsed(of_file));
    tree.file("j.toml", "two");
    EXPECT_NE(before, question_of(parsed(of_file)));
}

// git takes every code from 1 to 127 but 125 for a bad kernel.
TEST(VmBisectOptions, NoMistakeHereIsABadKernel) {
    test::FakeTree tree;
    EXPECT_GE(run_subcommand(kBisect, {"--unknown"}), 128);
    EXPECT_GE(run_subcommand(kBisect, {"--job", "j", "--tree", tree.root()}), 128);
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

TEST(VmBisectState, AMissingFileIsANewBisectionAndAWrittenOneIsReadBack) {
    test::FakeTree tree;
    const auto none = got(load_state(tree.root() / "state"));
    EXPECT_TRUE(none.steps.empty());
    EXPECT_FALSE(none.rate);
    ASSERT_TRUE(save_state(tree.root() / "state", sample()));
    const auto back = got(load_state(tree.root() / "state"));
    EXPECT_EQ(to_json(back), to_json(sample()));
    EXPECT_EQ(back.rate->failures, 19U);
    EXPECT_EQ(back.steps.at(0).subject, "iommu: does not \"build\"");
    EXPECT_FALSE(std::filesystem::exists(tree.root() / "state.new"));
}

TEST(VmBisectState, AnythingElseIsAnErrorThatNamesTheFileAndLeavesIt) {
    test::FakeTree tree;
    for (
        const char* text :
        {"", "[]", "{}", "{\"schema\": 2}", "not json",
         R"({"schema":1,"question":"","rate":null,"kinds":[],"rate_commit":"","return_to":"","steps":[{}]})",
         R"({"schema":1,"question":7,"rate":null,"kinds":[],"rate_commit":"","return_to":"","steps":[]})"}) {
        tree.file("state", text);
        const auto file = tree.root() / "state";
        EXPECT_TRUE(refused(load_state(file), file.string())) << text;
        EXPECT_TRUE(std::filesystem::exists(file));
        EXPECT_EQ(tree.text("state"), text);
    }
}

TEST(VmBisectState, TheLastAnswerCounts) {
    BisectState state = sample();
    EXPECT_EQ(state.find("1111111111111111")->answer, Answer::skip);
    EXPECT_EQ(state.find("3333333333333333"), nullptr);
    state.steps.push_back(state.steps[0]);
    state.steps.back().answer = Answer::good;
    EXPECT_EQ(state.find("1111111111111111")->answer, Answer::good);
}

TEST(VmBisectState, AnswersAreGitsExitCodesAndAnUnknownOneIsNone) {
    EXPECT_EQ(exit_code(Answer::good), 0);
    EXPECT_EQ(exit_code(Answer::bad), 1);
    EXPECT_EQ(exit_code(Answer::skip), 125);
    std::string json = to_json(sample());
    json.replace(json.find("\"bad\""), 5, "\"odd\"");
    EXPECT_FALSE(read_state(json));
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
        for (const char* program :
             {"git", "make", "flex", "bison", "bc", "pahole", "aarch64-linux-gnu-gcc"})
            if (find_program(program).empty())
                GTEST_SKIP() << program << " is not installed";
        for (const char* file : {"Kbuild", "Kconfig", "arch/arm64/Kconfig", "include/linux/x.h"})
            tree_.file(file, "");
        git({"init", "-q"});
    }

    // A commit whose configuration works and whose build does this. Its id.
    std::string commit(const std::string& recipe) {
        tree_.file("Makefile", std::string(kVersion) + "allnoconfig:\n\ttouch $(O)/.config\n" +
                                   "Image: modules\n\nmodules:\n\techo built >> $(O)/builds\n\t" +
                                   recipe + "\n");
        git({"add", "-A"});
        git({"-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "-m", "a subject"});
        std::string id = git({"rev-parse", "HEAD"});
        id.pop_back();
        return id;
    }

    std::string git(const std::vector<std::string>& words) {
        Command command{.argv = {"git", "-C", tree_.root()}};
        command.argv.insert(command.argv.end(), words.begin(), words.end());
        const auto output = run_checked(command, "git");
        EXPECT_TRUE(output) << output.error().message;
        return output.value_or("");
    }

    int bisect(const std::string& more = "--failure-rate 0.5") {
        return run_subcommand(kBisect, words_in("--job late-probe --board virtio-iommu --tree " +
                                                tree_.root().string() + " --cache " +
                                                cache_.root().string() +
                                                " --source " DMARACE_SOURCE_DIR " " + more));
    }

    // As a call that was killed while it measured the known-bad kernel leaves it.
    void measurement_was_cut(const std::string& return_to) {
        BisectState cut;
        cut.return_to = return_to;
        ASSERT_TRUE(save_state(tree_.root() / ".git/dmarace-bisect.json", cut));
    }

    BisectState state() const { return *load_state(tree_.root() / ".git/dmarace-bisect.json"); }

    // How often make was asked for a kernel, in all build directories.
    std::size_t builds() const {
        std::string text;
        std::error_code error;
        for (const auto& entry :
             std::filesystem::directory_iterator(cache_.root() / "builds", error))
            text += read_text(entry.path() / "builds").value_or("");
        return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    }

    test::FakeTree tree_, cache_;
};

TEST_F(VmBisect, ATreeThatDoesNotBuildIsSkippedAndNotBuiltAgain) {
    const auto id = commit("@echo 'a.c:1:1: error: no'; exit 1");
    EXPECT_EQ(bisect(), 125);
    ASSERT_EQ(state().steps.size(), 1U);
    EXPECT_EQ(state().steps[0].commit, id);
    EXPECT_EQ(state().steps[0].subject, "a subject");
    EXPECT_EQ(state().steps[0].answer, Answer::skip);
    EXPECT_THAT(state().steps[0].why, HasSubstr("a.c:1:1: error: no"));
    EXPECT_EQ(builds(), 1U);
    EXPECT_EQ(bisect(), 125);
    EXPECT_EQ(builds(), 1U);
    EXPECT_EQ(bisect("--failure-rate 0.5 --again"), 125);
    EXPECT_EQ(builds(), 2U);
}

TEST_F(VmBisect, AFullDiskIsNoAnswer) {
    commit("@echo 'as: a.o: No space left on device'; exit 1");
    EXPECT_EQ(bisect(), 128);
    EXPECT_TRUE(state().steps.empty());
}

TEST_F(VmBisect, AKernelWithoutWhatTheBoardNeedsIsSkipped) {
    commit("@mkdir -p $(O)/arch/arm64/boot $(O)/include/config; cd $(O); touch "
           "arch/arm64/boot/Image Module.symvers modules.order; echo 6.12.1 > "
           "include/config/kernel.release");
    EXPECT_EQ(bisect(), 125);
    EXPECT_THAT(state().steps[0].why, HasSubstr("CONFIG_VIRTIO_IOMMU"));
}

TEST_F(VmBisect, ChangesAreJudgedButNotRemembered) {
    commit("@exit 1");
    tree_.file("Kconfig", "changed\n");
    EXPECT_EQ(bisect(), 125);
    EXPECT_TRUE(state().steps.empty());
}

TEST_F(VmBisect, WithoutARateOrABadEndItSaysWhatToDoAndAMeasurementComesBackToWhereItBegan) {
    const auto good = commit("@exit 1");
    EXPECT_EQ(bisect(""), 128);
    EXPECT_EQ(builds(), 0U);
    const auto bad = commit("@exit 2");
    git({"update-ref", "refs/bisect/bad", bad});
    git({"checkout", "-q", "--detach", good});
    EXPECT_EQ(bisect(""), 128); // the known-bad kernel does not build: no rate
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
    EXPECT_EQ(bisect(), 125);
    EXPECT_EQ(git({"rev-parse", "HEAD"}), good + "\n");
    EXPECT_EQ(state().steps.at(0).commit, good);
}

TEST_F(VmBisect, WhoeverHasMovedSinceIsLeftThere) {
    const auto good = commit("@exit 1");
    const auto other = commit("@exit 2");
    measurement_was_cut(good);
    EXPECT_EQ(bisect(), 125);
    EXPECT_EQ(git({"rev-parse", "HEAD"}), other + "\n");
    EXPECT_EQ(state().steps.at(0).commit, other);
}

TEST_F(VmBisect, AnotherQuestionIsRefusedAndTheStateLeft) {
    commit("@exit 1");
    EXPECT_EQ(bisect(), 125);
    const auto before = tree_.text(".git/dmarace-bisect.json");
    EXPECT_EQ(bisect("--failure-rate 0.5 --append iommu.strict=0"), 128);
    EXPECT_EQ(tree_.text(".git/dmarace-bisect.json"), before);
}

TEST(VmTrials, TheLowerBoundIsClopperAndPearsons) {
    // From their tables.
    EXPECT_NEAR(least_rate({20, 20}, 0.95), 0.8609, 1e-4);
    EXPECT_NEAR(least_rate({10, 20}, 0.95), 0.3020, 1e-4);
    EXPECT_NEAR(least_rate({1, 20}, 0.95), 0.00256, 1e-5);
    EXPECT_NEAR(least_rate({1, 1}, 0.95), 0.05, 1e-9);
    EXPECT_EQ(least_rate({0, 20}, 0.95), 0);
    EXPECT_EQ(least_rate({0, 0}, 0.95), 0);
}

TEST(VmTrials, TheBoundNeverExceedsWhatWasSeenAndGrowsWithTheTrials) {
    for (unsigned failures = 1; failures <= 40; ++failures) {
        const double few = least_rate({failures, 40}, 0.95);
        EXPECT_GT(few, 0);
        EXPECT_LT(few, failures / 40.0);
        EXPECT_LT(few, least_rate({10 * failures, 400}, 0.95));
        EXPECT_LT(least_rate({failures, 40}, 0.99), few);
    }
}

TEST(VmTrials, SoManyPassesMakeAGoodOne) {
    EXPECT_EQ(confidence_of(0, 0.9), 0);
    EXPECT_DOUBLE_EQ(confidence_of(1, 0.25), 0.25);
    EXPECT_DOUBLE_EQ(confidence_of(5, 1), 1);
    EXPECT_EQ(trials_for(0.99, 0.5), 7U); // 1 - 2^-7 = 0.992
    EXPECT_EQ(trials_for(0.99, 0.8609), 3U);
    EXPECT_EQ(trials_for(0.95, 0.05), 59U);
    EXPECT_EQ(trials_for(0.5, 0.99), 1U);
    EXPECT_EQ(trials_for(0.999999, 1), 1U);
    EXPECT_EQ(trials_for(0.99, 1e-300), std::numeric_limits<std::uint64_t>::max());
}

TEST(VmTrials, TheNumberIsEnoughAndOneLessIsNot) {
    for (const double rate : {0.9, 0.5, 0.1, 0.01, 0.001})
        for (const double confidence : {0.9, 0.99, 0.999}) {
            const auto trials = trials_for(confidence, rate);
            EXPECT_GE(confidence_of(trials, rate), confidence - 1e-12) << rate;
            if (trials > 1) {
                EXPECT_LT(confidence_of(trials - 1, rate), confidence) << rate;
            }
        }
}

// A kernel that shows the given tallies, boot by boot, and notes what it was
// asked for.
struct FakeKernel {
    std::vector<Result<Tally>> boots;
    std::vector<unsigned> asked{};
    Trials trials() {
        return [this](unsigned count) {
            asked.push_back(count);
            return asked.size() <= boots.size() ? boots[asked.size() - 1]
                                                : Result<Tally>(Tally{.passes = count});
        };
    }
    auto judged(const Demand& demand) { return got(judge(demand, trials())); }
};

TEST(VmJudge, TheDemandFollowsFromTheRate) {
    EXPECT_EQ(demand_for(0.99, 0.86, 1000)->trials, 3U);
    EXPECT_TRUE(refused(demand_for(0.99, 0.001, 1000), "--max-trials"));
}

TEST(VmJudge, EnoughPassesAreGood) {
    FakeKernel kernel;
    const auto step = kernel.judged({0.1, 45, {}});
    EXPECT_EQ(step.answer, Answer::good);
    EXPECT_EQ(step.passes, 45U);
    EXPECT_NEAR(step.confidence, 0.9913, 1e-4);
    EXPECT_THAT(kernel.asked, ElementsAre(20, 20, 5));
}

TEST(VmJudge, TheFirstFailureIsBadAndEndsIt) {
    FakeKernel kernel{
        {Tally{.passes = 20}, Tally{.passes = 18, .failures = 2, .note = "dma-direct"}}};
    const auto step = kernel.judged({0.1, 100, {}});
    EXPECT_EQ(step.answer, Answer::bad);
    EXPECT_EQ(step.failures, 2U);
    EXPECT_EQ(step.why, "dma-direct");
    EXPECT_EQ(kernel.asked.size(), 2U);
    // Whatever else the boot says.
    FakeKernel odd{{Tally{.failures = 1, .untestable = "odd"}}};
    EXPECT_EQ(odd.judged({1, 1, {}}).answer, Answer::bad);
}

TEST(VmJudge, AnotherKindOfFailureIsAnotherBug) {
    const Demand demand{0.5, 7, {"dma-direct", "no-group"}};
    FakeKernel other{{Tally{.failures = 1, .kinds = {"kernel-oops"}, .note = "an oops"}}};
    const auto step = other.judged(demand);
    EXPECT_EQ(step.answer, Answer::skip);
    EXPECT_THAT(step.why, HasSubstr("an oops"));
    EXPECT_THAT(step.why, HasSubstr("dma-direct, no-group"));
    FakeKernel same{{Tally{.failures = 1, .kinds = {"kernel-oops", "no-group"}}}};
    EXPECT_EQ(same.judged(demand).answer, Answer::bad);
}

TEST(VmJudge, TrialsThatSayNothingAreMadeAgainButNotForEver) {
    const Tally nothing{.inconclusive = 7, .note = "never hit"};
    FakeKernel some{{nothing, Tally{.passes = 3, .inconclusive = 4}}};
    EXPECT_EQ(some.judged({0.5, 7, {}}).answer, Answer::good);
    EXPECT_THAT(some.asked, ElementsAre(7, 7, 4));
    FakeKernel none{{nothing, nothing, nothing}};
    const auto step = none.judged({0.5, 7, {}});
    EXPECT_EQ(step.answer, Answer::skip);
    EXPECT_EQ(step.inconclusive, 21U);
    EXPECT_THAT(step.why, HasSubstr("never hit"));
    EXPECT_EQ(none.asked.size(), 3U);
}

TEST(VmJudge, WhatCannotBeTestedIsSkippedAndTheHarnesssErrorIsNobodysAnswer) {
    FakeKernel dead{{Tally{.untestable = "does not boot"}}};
    const auto step = dead.judged({0.5, 7, {}});
    EXPECT_EQ(step.answer, Answer::skip);
    EXPECT_EQ(step.why, "does not boot");
    FakeKernel none{{fail(Fault::environment, "no QEMU")}};
    EXPECT_TRUE(refused(judge({0.5, 7, {}}, none.trials()), "no QEMU"));
}

TEST(VmMeasure, CountsConclusiveTrialsAlone) {
    FakeKernel kernel{{Tally{.passes = 5, .failures = 5, .inconclusive = 10, .kinds = {"a"}},
                       Tally{.passes = 4, .failures = 6, .kinds = {"b"}}}};
    const auto rate = got(measure(20, kernel.trials()));
    EXPECT_EQ(rate.rate.failures, 11U);
    EXPECT_EQ(rate.rate.trials, 20U);
    EXPECT_THAT(rate.kinds, ElementsAre("a", "b"));
    EXPECT_THAT(kernel.asked, ElementsAre(20, 10));
}

TEST(VmMeasure, AKnownBadKernelThatNeverFailsIsAnError) {
    FakeKernel good;
    EXPECT_TRUE(refused(measure(20, good.trials()), "passed 20 trials"));
    FakeKernel dead{{Tally{.untestable = "does not boot"}}};
    EXPECT_TRUE(refused(measure(20, dead.trials()), "does not boot"));
}

constexpr const char* kCounts = R"("counts":{"pass":2,"fail":1,"crash":1,"hang":1,"inconclusive":4,
    "skip":0,"error":0})";

std::string result(const std::string& verdict, const std::string& counts,
                   const std::string& more = "") {
    return "{\"verdict\":\"" + verdict + "\",\"reason\":\"why\"," + counts + more + "}";
}

TEST(VmTally, CrashesAndHangsAreFailures) {
    const auto tally = got(read_tally(
        result("fail", kCounts,
               R"(,"failures":[{"kind":"a","allowed":true},{"kind":"dma-direct","device":"pci/x",
                  "driver":"nvme","allowed":false}])"),
        "", 1));
    EXPECT_EQ(tally.passes, 2U);
    EXPECT_EQ(tally.failures, 3U);
    EXPECT_EQ(tally.inconclusive, 4U);
    EXPECT_EQ(tally.note, "dma-direct of pci/x (nvme)");
    EXPECT_THAT(tally.kinds, ElementsAre("dma-direct"));
    EXPECT_FALSE(tally.untestable);
}

TEST(VmTally, ASkipIsUntestableAndAnErrorIsTheHarnesss) {
    const std::string none = R"("counts":{"pass":0})";
    EXPECT_EQ(read_tally(result("skip", none), "", 4)->untestable, "nothing to test: why");
    EXPECT_FALSE(read_tally(result("error", none), "", 3));
}

TEST(VmTally, AGuestThatDiesBeforeTheJobDoesNotBoot) {
    const auto tally_of = [](const std::string& end) {
        return read_tally("", R"({"boots":[{"outcome":")" + end + R"(","detail":"no init"}]})", 3);
    };
    for (const char* end : {"panic", "died", "hang"})
        EXPECT_THAT(got(tally_of(end)).untestable, testing::Optional(HasSubstr("no init"))) << end;
    for (const char* end : {"no-qemu", "qemu-failed", "no-start", "timeout"})
        EXPECT_FALSE(tally_of(end)) << end;
    EXPECT_FALSE(read_tally("", "", 3));
}

TEST(VmTally, CtrlCIsNeitherGoodNorBad) {
    EXPECT_TRUE(refused(read_tally(result("fail", kCounts), "", 130), EINTR));
}

TEST(VmTally, OfAScriptIsItsResultAndNoMistakeOfItsIsAnAnswer) {
    const std::string result = R"({"verdict":"fail","counts":{"pass":3,"fail":1}})";
    const auto tally = got(tally_of_script(1, result, "/out"));
    EXPECT_EQ(tally.passes, 3U);
    EXPECT_EQ(tally.failures, 1U);
    EXPECT_TRUE(got(tally_of_script(125, "", "/out")).untestable);
    EXPECT_TRUE(refused(tally_of_script(0, "", "/out"), Fault::environment, "no result.json"));
    EXPECT_TRUE(refused(tally_of_script(127, result, "/out"), Fault::environment, "127"));
    EXPECT_TRUE(refused(tally_of_script(130, result, "/out"), EINTR));
}

} // namespace
