// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/report.hpp"
#include "vm/watch/resume.hpp"
#include "vm_temporary.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
using ::testing::HasSubstr;
using verdict::Verdict;

run::RunHead head() {
    run::RunHead made;
    made.job = "late-probe";
    made.run_id = "r";
    made.planned = 3;
    return made;
}

run::IterationBegin begin(unsigned iteration) {
    run::IterationBegin made;
    made.iteration = iteration;
    return made;
}

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

const Outcome kPanic{End::panic, 0, "Kernel panic - not syncing: x", {"line"}};

TEST(VmResume, FindsTheIterationThatTookTheGuest) {
    const TemporaryTree out;
    out.write("journal.jsonl", journal(head(), begin(1), pass(1), begin(2)));
    const auto progress = survey(out.path());
    ASSERT_TRUE(progress) << progress.error().message;
    EXPECT_EQ(progress->ended, 1U);
    ASSERT_TRUE(progress->journal);
    EXPECT_EQ(progress->iteration, 2U);
}

TEST(VmResume, AnotherBootIsAskedForOnce) {
    const TemporaryTree out;
    EXPECT_EQ(take_boot_again(out.path()), std::nullopt);
    out.write("boot-again", "oops: x\n");
    EXPECT_EQ(take_boot_again(out.path()), "oops: x");
    EXPECT_EQ(take_boot_again(out.path()), std::nullopt);
}

TEST(VmResume, TotalsHaveTheIterationsOfEveryBoot) {
    const TemporaryTree out;
    const auto text =
        journal(head(), begin(1), pass(1), run::RunEnd{"fresh: x"}, begin(2), pass(2), begin(3));
    out.write("journal.jsonl", text);
    ASSERT_TRUE(record_death(out / "journal.jsonl", judge_death(3, kPanic)));
    const auto shown = totals(out.path(), report::result_line);
    ASSERT_TRUE(shown) << shown.error().message;
    EXPECT_THAT(*shown, HasSubstr("\"iterations\":3"));
    EXPECT_THAT(*shown, HasSubstr("\"crash\":1"));
    EXPECT_TRUE(shown->ends_with("}\n"));
}

TEST(VmResume, BetweenIterationsNoneIsToBlame) {
    const TemporaryTree out;
    out.write("journal.jsonl", journal(head(), begin(1), pass(1)));
    EXPECT_FALSE(survey(out.path())->journal);
    EXPECT_FALSE(survey(TemporaryTree().path())->journal);
}

TEST(VmResume, SeveralJobsHaveAJournalEach) {
    const TemporaryTree out;
    out.write("a/journal.jsonl", journal(head(), begin(1), pass(1)));
    out.write("b/journal.jsonl", journal(head(), begin(1)));
    const auto progress = survey(out.path());
    ASSERT_TRUE(progress && progress->journal);
    EXPECT_EQ(*progress->journal, out / "b/journal.jsonl");
    EXPECT_EQ(progress->ended, 1U);
}

TEST(VmResume, ADeathIsRecordedWhereTheTornLineWas) {
    const TemporaryTree out;
    out.write("journal.jsonl", journal(head(), begin(1)) + "{\"t\":\"st");
    ASSERT_TRUE(record_death(out / "journal.jsonl", judge_death(1, kPanic)));
    const auto run = run::read_journal(out.read("journal.jsonl"));
    ASSERT_TRUE(run) << run.error().message;
    ASSERT_EQ(run->ended.size(), 1U);
    EXPECT_EQ(run->ended[0].judgement.verdict, Verdict::crash);
    ASSERT_EQ(run->ended[0].judgement.failures.size(), 1U);
    EXPECT_EQ(run->ended[0].judgement.failures[0].kind, verdict::FailureKind::crash);
    EXPECT_THAT(run->ended[0].judgement.failures[0].evidence, testing::ElementsAre("line"));
    EXPECT_FALSE(run->interrupted());
}

TEST(VmResume, ARecordWithoutItsNewlineIsKept) {
    const TemporaryTree out;
    std::string text = journal(head(), begin(1));
    text.pop_back();
    out.write("journal.jsonl", text);
    ASSERT_TRUE(record_death(out / "journal.jsonl", judge_death(1, kPanic)));
    const auto run = run::read_journal(out.read("journal.jsonl"));
    ASSERT_TRUE(run) << run.error().message;
    EXPECT_EQ(run->begun.size(), 1U);
    EXPECT_EQ(run->ended.size(), 1U);
}

TEST(VmResume, EveryEndOfAGuestHasItsVerdict) {
    const auto verdict_of = [](End end) {
        return judge_death(1, {end, 0, "d", {}}).judgement.verdict;
    };
    EXPECT_EQ(verdict_of(End::panic), Verdict::crash);
    EXPECT_EQ(verdict_of(End::died), Verdict::crash);
    EXPECT_EQ(verdict_of(End::hang), Verdict::hang);
    EXPECT_EQ(verdict_of(End::qemu_failed), Verdict::error);
    EXPECT_EQ(verdict_of(End::timeout), Verdict::error);
    EXPECT_EQ(verdict_of(End::interrupted), Verdict::error);
}

TEST(VmResume, ResultsAreWrittenForAGuestThatCouldNot) {
    const TemporaryTree out;
    out.write("journal.jsonl",
              journal(head(), begin(1), pass(1), begin(2), judge_death(2, kPanic)));
    ASSERT_TRUE(write_results(out.path()));
    EXPECT_THAT(out.read("result.json"), HasSubstr("Kernel panic"));
    EXPECT_EQ(overall(out.path()).value(), Verdict::crash);
}

TEST(VmResume, ANewerResultOfTheGuestIsLeftAlone) {
    const TemporaryTree out;
    out.write("journal.jsonl", journal(head(), begin(1), pass(1)));
    out.write("result.json", "mine");
    ASSERT_TRUE(write_results(out.path()));
    EXPECT_EQ(out.read("result.json"), "mine");
}

} // namespace
