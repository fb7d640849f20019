// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "fake_tree.hpp"
#include "report/report.hpp"
#include "results.hpp"
#include "run/run_dir.hpp"
#include "vm/campaign/campaign.hpp"
#include "vm/campaign/run.hpp"
#include "vm/commands/commands.hpp"
#include "vm_script_board.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace::vm;
using namespace dmarace;
using testing::ElementsAre;
using testing::HasSubstr;
using verdict::Verdict;

run::RunHead head() {
    run::RunHead made;
    made.job = "late-probe";
    made.run_id = "r";
    made.planned = 3;
    return made;
}

run::IterationBegin begin(unsigned iteration) { return {iteration, "", {}}; }

run::IterationEnd pass(unsigned iteration) {
    run::IterationEnd made;
    made.iteration = iteration;
    made.judgement.verdict = Verdict::pass;
    return made;
}

template <class... Records>
std::string journal(const Records&... records) {
    std::string text;
    ((text += run::to_journal(records) + "\n"), ...);
    return text;
}

const BootOutcome kPanic{BootEnd::panic, 0, "Kernel panic - not syncing: x", {"line"}};

// What a run has left in its directory.
class VmResume : public testing::Test {
protected:
    void left(const std::string& journal) { out_.file("journal.jsonl", journal); }
    // Its journal after the guest died in that iteration.
    run::Run dies_in(unsigned iteration) {
        const auto recorded =
            record_death(out_.root() / "journal.jsonl", judge_death(iteration, kPanic));
        EXPECT_TRUE(recorded) << recorded.error().message;
        return got(run::read_journal(out_.text("journal.jsonl")));
    }

    test::FakeTree out_;
};

TEST_F(VmResume, FindsTheIterationThatTookTheGuest) {
    left(journal(head(), begin(1), pass(1), begin(2)));
    const auto progress = got(survey(out_.root()));
    EXPECT_EQ(progress.ended, 1U);
    EXPECT_TRUE(progress.journal);
    EXPECT_EQ(progress.iteration, 2U);
}

TEST_F(VmResume, AnotherBootIsAskedForOnce) {
    EXPECT_EQ(run::take_boot_again(out_.root()), std::nullopt);
    out_.file("boot-again", "oops: x\n");
    EXPECT_EQ(run::take_boot_again(out_.root()), "oops: x");
    EXPECT_EQ(run::take_boot_again(out_.root()), std::nullopt);
}

TEST_F(VmResume, TotalsHaveTheIterationsOfEveryBoot) {
    left(journal(head(), begin(1), pass(1), run::RunEnd{"fresh: x"}, begin(2), pass(2), begin(3)));
    dies_in(3);
    const auto shown = got(totals(
        out_.root(), [](const run::Run& run, const auto&) { return report::result_line(run); }));
    EXPECT_THAT(shown, HasSubstr("\"iterations\":3"));
    EXPECT_THAT(shown, HasSubstr("\"crash\":1"));
    EXPECT_TRUE(shown.ends_with("}\n"));
}

TEST_F(VmResume, BetweenIterationsNoneIsToBlame) {
    EXPECT_FALSE(survey(out_.root())->journal);
    left(journal(head(), begin(1), pass(1)));
    EXPECT_FALSE(survey(out_.root())->journal);
}

TEST_F(VmResume, SeveralJobsHaveAJournalEach) {
    out_.file("a/journal.jsonl", journal(head(), begin(1), pass(1)));
    out_.file("b/journal.jsonl", journal(head(), begin(1)));
    auto progress = got(survey(out_.root()));
    EXPECT_EQ(progress.journal, out_.root() / "b/journal.jsonl");
    EXPECT_EQ(progress.ended, 1U);
    // .. of a sweep's searches, and of the acts that it watches.
    out_.file("b/journal.jsonl", journal(head(), begin(1), pass(1)));
    out_.file("pair/s0001/journal.jsonl", journal(head(), begin(1), pass(1)));
    out_.file("watched/act/0-after-0/journal.jsonl", journal(head(), begin(1), pass(1), begin(2)));
    progress = got(survey(out_.root()));
    EXPECT_EQ(progress.journal, out_.root() / "watched/act/0-after-0/journal.jsonl");
    EXPECT_EQ(progress.ended, 4U);
}

TEST_F(VmResume, ADeathIsRecordedWhereTheTornLineWas) {
    left(journal(head(), begin(1)) + "{\"t\":\"st");
    const auto run = dies_in(1);
    ASSERT_EQ(run.ended.size(), 1U);
    EXPECT_EQ(run.ended[0].judgement.verdict, Verdict::crash);
    ASSERT_EQ(run.ended[0].judgement.failures.size(), 1U);
    EXPECT_EQ(run.ended[0].judgement.failures[0].kind, verdict::FailureKind::crash);
    EXPECT_THAT(run.ended[0].judgement.failures[0].evidence, ElementsAre("line"));
    EXPECT_FALSE(run.interrupted());
}

TEST_F(VmResume, ARecordWithoutItsNewlineIsKept) {
    auto text = journal(head(), begin(1));
    text.pop_back();
    left(text);
    const auto run = dies_in(1);
    EXPECT_EQ(run.begun.size(), 1U);
    EXPECT_EQ(run.ended.size(), 1U);
}

TEST_F(VmResume, EveryEndOfAGuestHasItsVerdict) {
    using enum BootEnd;
    for (const auto& [end, verdict] : {std::pair{panic, Verdict::crash},
                                       {died, Verdict::crash},
                                       {hang, Verdict::hang},
                                       {qemu_failed, Verdict::error},
                                       {timeout, Verdict::error},
                                       {interrupted, Verdict::error}})
        EXPECT_EQ(judge_death(1, {end, 0, "d", {}}).judgement.verdict, verdict) << to_text(end);
}

TEST_F(VmResume, ResultsAreWrittenForAGuestThatCouldNot) {
    left(journal(head(), begin(1), pass(1), begin(2), judge_death(2, kPanic)));
    ASSERT_TRUE(write_results(out_.root()));
    EXPECT_THAT(out_.text("result.json"), HasSubstr("Kernel panic"));
    EXPECT_THAT(out_.text("result.ktap"), HasSubstr("not ok"));
    EXPECT_EQ(overall(out_.root()).value(), Verdict::crash);
}

TEST_F(VmResume, ANewerResultOfTheGuestIsLeftAlone) {
    left(journal(head(), begin(1), pass(1)));
    out_.file("result.json", "mine");
    ASSERT_TRUE(write_results(out_.root()));
    EXPECT_EQ(out_.text("result.json"), "mine");
}

Result<BoardRunOptions> parse_run(const Arguments& arguments) {
    const auto line = parse_line(kRun, arguments);
    if (!line)
        return std::unexpected(line.error());
    return read_run(**line);
}

TEST(VmRunOptions, WhatFollowsTheDashesIsDmaraces) {
    const auto options = got(parse_run({"--board", "virtio-iommu", "--timeout", "90s", "--also",
                                        "a", "--also", "b", "--", "run", "x", "--board", "y"}));
    EXPECT_EQ(options.board, "virtio-iommu");
    EXPECT_EQ(options.timeout, std::chrono::seconds(90));
    EXPECT_THAT(options.also, ElementsAre("a", "b")); // programs that stand beside the program
    EXPECT_THAT(options.command, ElementsAre("run", "x", "--board", "y"));
}

TEST(VmRunOptions, MistakesAreExplained) {
    for (const auto& [words, said] : {std::pair{"", "after \"--\""},
                                      {"--bord x -- audit", "--board"},
                                      {"--kern x -- audit", "--kern"},
                                      {"run x", "\"--\""},
                                      {"-- run x --out d", "before"},
                                      {"-- run x --out=d", "before"},
                                      {"--timeout 90 -- audit", "--timeout"}})
        EXPECT_TRUE(refused(parse_run(words_in(words)), Fault::usage, said)) << words;
}

TEST(VmRunOptions, TheNumberOfBootsCanBeBoundedAndFreshIsForEveryJob) {
    EXPECT_EQ(parse_run({"--", "run", "x"})->boots, 0U);
    EXPECT_EQ(parse_run({"--boots", "1", "--", "run", "x"})->boots, 1U);
    EXPECT_FALSE(parse_run({"--", "run", "x"})->fresh);
    EXPECT_TRUE(parse_run({"--fresh", "--", "run", "x"})->fresh);
    EXPECT_FALSE(parse_run({"--", "run", "x"})->no_snapshot);
    EXPECT_TRUE(parse_run({"--no-snapshot", "--", "run", "x"})->no_snapshot);
}

struct GuestCommand {
    const char* command;
    const char* out;
    bool resume, fresh;
    const char* given; // to the guest
};

TEST(VmRunOptions, TheGuestsCommand) {
    for (const GuestCommand& row : {
             // Only run and check get the shared directory.
             GuestCommand{"audit", "/run/out", false, true, "audit"},
             {"audit", "/run/out", true, false, "audit"},
             {"check --time 2m", "/run/out", false, true, "check --out /run/out --time 2m"},
             {"run x", "/run/out", false, false, "run --fresh=risky --out /run/out x"},
             {"explore iommu bind", "/run/out", true, false,
              "explore --resume --fresh=risky --out /run/out iommu bind"},
             // A run that goes on resumes once.
             {"run x", "/data/run", true, false, "run --resume --fresh=risky --out /data/run x"},
             {"run x", "/run/out", true, false, "run --resume --fresh=risky --out /run/out x"},
             {"run x --resume", "/run/out", true, false,
              "run --fresh=risky --out /run/out x --resume"},
             // Fresh is for every job unless the command says when.
             {"run x", "/run/out", false, true, "run --fresh=always --out /run/out x"},
             {"run x --fresh never", "/run/out", false, false,
              "run --out /run/out x --fresh never"},
         })
        EXPECT_EQ(guest_command(words_in(row.command), row.out, row.resume, row.fresh),
                  words_in(row.given));
}

TEST(Given, a_job_file_of_the_host_gets_a_place_inside) {
    test::FakeTree tree;
    tree.file("mine.toml");
    const auto given = got(find_given({"run", (tree.root() / "mine.toml").string(), "-n", "2"}));
    EXPECT_THAT(given.command, ElementsAre("run", "/job/mine.toml", "-n", "2"));
    EXPECT_EQ(given.files.at("/job/mine.toml"), tree.root() / "mine.toml");
}

TEST(Given, what_is_not_here_stays_as_it_is_and_two_files_of_one_name_are_refused) {
    const auto given = got(find_given({"run", "late-probe", "/usr/share/x.toml"}));
    EXPECT_THAT(given.command, ElementsAre("run", "late-probe", "/usr/share/x.toml"));
    EXPECT_TRUE(given.files.empty());
    test::FakeTree tree;
    tree.file("a/mine.toml").file("b/mine.toml");
    EXPECT_TRUE(refused(find_given({"lint", (tree.root() / "a/mine.toml").string(),
                                    (tree.root() / "b/mine.toml").string()}),
                        Fault::usage));
}

// A campaign on a machine whose boots are scripts; its disk has what it boots into.
class VmCampaign : public testing::Test {
protected:
    VmCampaign() {
        board_.root = "root0";
        kernel_.release = "6.12";
    }

    Result<BootedRun> boot(const std::vector<std::string>& scripts) {
        RunSetup setup;
        setup.contents.kernel = &kernel_;
        setup.contents.board = &board_;
        setup.board = &board_;
        setup.contents.program = "/usr/bin/dmarace";
        setup.command = command_;
        setup.request = run::read_request(setup.command);
        setup.out = out_.root();
        setup.scratch = out_.root();
        ScriptBoard machine(out_.root(), scripts);
        auto ran = run_campaign(setup, machine);
        boots_ = machine.boots();
        return ran;
    }

    test::FakeTree out_;
    Board board_;
    Kernel kernel_;
    std::vector<std::string> command_{"run", "late-probe"};
    std::size_t boots_ = 0;
};

constexpr const char* kPanics = "echo 1 > .vm/beat; cat begun >> journal.jsonl; "
                                "echo 'Kernel panic - not syncing: x' > console";

TEST_F(VmCampaign, APanicCostsItsIterationAndTheNextBootGoesOn) {
    out_.file("begun", journal(head(), begin(1)));
    out_.file("rest", journal(begin(2), pass(2)));
    const auto ran =
        boot({kPanics, "rm console; cat rest >> journal.jsonl; echo '0 1' > .vm/exit"});
    ASSERT_TRUE(ran) << ran.error().message;
    EXPECT_EQ(boots_, 2U);
    EXPECT_EQ(ran->exit, 1);
    ASSERT_EQ(ran->boots.size(), 2U);
    EXPECT_EQ(ran->boots[0].outcome.end, BootEnd::panic);
    EXPECT_EQ(ran->boots[0].lost_iteration, 1U);
    EXPECT_EQ(ran->boots[1].outcome.end, BootEnd::ended);
    const auto journal = got(run::read_journal(out_.text("journal.jsonl")));
    ASSERT_EQ(journal.ended.size(), 2U);
    EXPECT_EQ(journal.ended[0].judgement.verdict, Verdict::crash);
    EXPECT_THAT(out_.text("result.json"), HasSubstr("Kernel panic"));
}

// Its schedules are runs below the directory; what killed a guest is one of them, and the search
// that ends by itself has counted it.
TEST_F(VmCampaign, ASearchGoesOnAndKeepsItsOwnAnswer) {
    command_ = {"explore", "iommu", "bind"};
    out_.file("begun", journal(head(), begin(1)));
    const auto ran = boot({"echo 1 > .vm/beat; mkdir s0001; cat begun > s0001/journal.jsonl; "
                           "echo 'Kernel panic - not syncing: x' > console",
                           "rm console; echo '0 0' > .vm/exit"});
    ASSERT_TRUE(ran) << ran.error().message;
    EXPECT_EQ(boots_, 2U);
    EXPECT_EQ(ran->exit, 0);
    const auto journal = got(run::read_journal(out_.text("s0001/journal.jsonl")));
    EXPECT_EQ(journal.ended.at(0).judgement.verdict, Verdict::crash);
}

TEST_F(VmCampaign, ABoardThatDiesBeforeTheJobIsGivenUp) {
    const auto ran = got(boot({"echo 'Kernel panic - not syncing: x' > console"}));
    EXPECT_EQ(boots_, 1U);
    EXPECT_EQ(ran.exit, 3);
    EXPECT_THAT(ran.why, HasSubstr("panic"));
}

} // namespace
