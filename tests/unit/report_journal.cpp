// SPDX-License-Identifier: GPL-2.0-or-later
#include "report_support.hpp"
#include "results.hpp"

#include <gmock/gmock.h>

#include <cerrno>

namespace dmarace::report::testing {

// Short, so that it can be cut at every byte.
Run short_run() {
    auto run = run_of({Verdict::pass, Verdict::fail});
    run.head.params.clear();
    for (auto& end : run.ended) {
        end.judgement.rules.clear();
        for (auto& known : end.judgement.failures)
            known.evidence.clear();
    }
    return run;
}

const std::vector<Verdict> kMixed{Verdict::pass, Verdict::fail, Verdict::inconclusive};

TEST(ReportJournal, ComesBack) {
    auto run = run_of(kMixed);
    run.ended[1].judgement.types.add(type_write("DMA", "identity", "EPERM", "DMA"));
    run.ended[1].judgement.types.writes = 7;
    run.ended[1].judgement.types.seconds = 0.5;
    run.ended[1].phases = "guard=0.012 act=0.250";
    run.ended[1].judgement.notes = {"a note"};
    run.head.allow = {{verdict::FailureKind::hang, "pci/x", "words", "r"}};
    run.ended[1].judgement.failures[0].allowed = true;
    const auto text = journal_of(run);
    const auto back = got(read_journal(text));
    EXPECT_EQ(journal_of(back), text);
    EXPECT_FALSE(back.torn);
    EXPECT_EQ(back.head.seed, run.head.seed);
    EXPECT_EQ(back.head.params, run.head.params);
    EXPECT_EQ(back.head.allow.at(0).text, "words");
    EXPECT_EQ(back.head.allow[0].kind, verdict::FailureKind::hang);
    EXPECT_EQ(back.ended.size(), 3U);
    const auto& types = back.ended[1].judgement.types;
    EXPECT_EQ(types.cells.at(0).result, "EPERM");
    EXPECT_EQ(types.cells.at(0).why, "no driver is bound");
    EXPECT_EQ(types.cells.at(0).reads, "as before");
    EXPECT_EQ(types.writes, 7U);
    EXPECT_EQ(types.seconds, 0.5);
    EXPECT_EQ(back.ended[1].phases, "guard=0.012 act=0.250");
    EXPECT_EQ(back.ended[0].phases, "");
    EXPECT_TRUE(back.ended[1].judgement.failures[0].allowed);
    EXPECT_EQ(back.end->why, "done");
    EXPECT_EQ(back.end->how, RunEnding::done);
}

TEST(ReportJournal, TellsWhatIsNotPutBackYet) {
    const auto run = run_of({Verdict::pass});
    const auto head = to_journal(run.head) + "\n";
    const auto before = to_journal(Before{"boot-1", {"autoprobe pci on", "type pci/x DMA"}}) + "\n";
    const auto open = read_journal(head + before);
    ASSERT_TRUE(open && open->before);
    EXPECT_EQ(open->before->boot, "boot-1");
    EXPECT_EQ(open->before->state.at(1), "type pci/x DMA");
    const auto part = read_journal(head + before + restored_to_journal({"modprobe nvme"}) + "\n");
    EXPECT_TRUE(part && part->before);
    EXPECT_FALSE(got(read_journal(head + before + restored_to_journal({}) + "\n")).before);
}

TEST(ReportJournal, TellsWhatHappenedOutsideIterationsAndWhatTheRunLeft) {
    const auto run = run_of({Verdict::pass});
    Outside outside{"the restore", {}};
    outside.judgement.verdict = Verdict::fail;
    outside.judgement.reason = "kernel-warning: x";
    outside.judgement.failures = {failure()};
    const auto text = to_journal(run.head) + "\n" + to_journal(outside) + "\n" +
                      restored_to_journal({"modprobe nvme"}) + "\n" + to_journal(RunEnd{"done"}) +
                      "\n";
    const auto back = got(read_journal(text + restored_to_journal({}) + "\n"));
    ASSERT_EQ(back.outside.size(), 1U);
    EXPECT_EQ(to_journal(back.outside[0]), to_journal(outside));
    EXPECT_EQ(back.left, std::vector<std::string>{"modprobe nvme"}) << "restored by hand";
    EXPECT_FALSE(back.before);
}

TEST(ReportJournal, RecordsAreOneLineOfAscii) {
    auto run = run_of({Verdict::fail});
    run.ended[0].judgement.failures[0].evidence = {"\x1b[31mred\nnew \xff\xfe line\x7f \u202e"};
    for (const char c : to_journal(run.ended[0])) {
        EXPECT_GE(c, ' ');
        EXPECT_LT(static_cast<unsigned char>(c), 0x80U);
    }
    EXPECT_TRUE(read_journal(journal_of(run)));
}

// Whatever is cut off, nothing complete may be lost.
TEST(ReportJournal, TornAtEveryByte) {
    const auto text = journal_of(short_run());
    const auto head_end = text.find('\n');
    for (std::size_t size = 0; size <= text.size(); ++size) {
        const auto run = read_journal(text.substr(0, size));
        ASSERT_EQ(run.has_value(), size >= head_end) << size;
        if (!run)
            continue;
        std::size_t whole = 0;
        for (auto at = text.find("\"t\":\"verdict\""); at != std::string::npos;
             at = text.find("\"t\":\"verdict\"", at + 1))
            whole += text.find('\n', at) <= size ? 1U : 0U;
        EXPECT_EQ(run->ended.size(), whole) << size;
        const auto begin = text.rfind('\n', size == 0 ? 0 : size - 1);
        const bool cut = begin + 1 != size && text.find('\n', size == 0 ? 0 : size - 1) > size;
        EXPECT_EQ(run->torn, cut) << size;
        EXPECT_EQ(overall(*run) == Verdict::pass, false);
    }
}

// Any byte turned over: an answer or an error, never more.
TEST(ReportJournal, AnyByteMayBeWrong) {
    const auto text = journal_of(run_of({Verdict::fail}));
    const std::string wrong("\0\n\"{9\xff", 6);
    for (std::size_t at = 0; at < text.size(); at += 3) {
        auto changed = text;
        changed[at] = wrong[at % wrong.size()];
        const auto run = read_journal(changed);
        if (!run)
            EXPECT_FALSE(run.error().message.empty());
        else
            EXPECT_FALSE(result_json(*run).empty() || ktap(*run).empty() || summary(*run).empty());
    }
}

struct BadJournal {
    std::string name, text, message;
};

const std::string kHead = to_journal(run_of({}).head) + "\n";
const std::string kVerdict = R"({"t":"verdict","iteration":1,"verdict":"pass"})";

// A journal whose verdict is of this iteration, and why it is none.
std::string verdict_of(const std::string& iteration) {
    return kHead + R"({"t":"verdict","iteration":)" + iteration + R"(,"verdict":"pass"})" + "\n";
}
constexpr auto kNoWholeNumber = "line 2: 'iteration' is no whole number that fits";

const BadJournal kBad[] = {
    {"Empty", "", "no run record"},
    {"OnlyNewlines", "\n\n", "no run record"},
    {"TornHead", R"({"t":"run","schema":1,"jo)", "no run record"},
    {"NoHead", kVerdict + "\n", "line 1: the first record is the run's, not 'verdict'"},
    {"NotJsonInTheMiddle", kHead + "oops\n" + kVerdict + "\n", "line 2: is not JSON"},
    {"TornInTheMiddle", kHead + "{\"t\":\"begin\",\"it\n" + kVerdict + "\n", "line 2"},
    {"NoObject", kHead + "[1]\n", "line 2: a record is a JSON object"},
    {"WrongType", kHead + R"({"t":"verdict","iteration":"one","verdict":"pass"})" + "\n", "line 2"},
    {"NoWholeNumber", verdict_of("6e103"), kNoWholeNumber},
    {"BelowNought", verdict_of("-1"), kNoWholeNumber},
    {"TooLarge", verdict_of("4294967297"), kNoWholeNumber},
    {"SchemaIsNoWholeNumber", "{\"t\":\"run\",\"schema\":1e99,\"job\":\"x\"}\n",
     "line 1: 'schema' is no whole number that fits"},
    {"TypeIsNoText", kHead + R"({"t":5})" + "\n", "line 2: type must be string"},
    {"NoVerdict", kHead + R"({"t":"verdict","iteration":1,"verdict":"fine"})" + "\n",
     "line 2: 'fine' is no verdict"},
    {"NoVerdictWord", kHead + R"({"t":"verdict","iteration":1})" + "\n", "'' is no verdict"},
    {"Twice", kHead + kVerdict + "\n\n" + kVerdict + "\n",
     "line 4: iteration 1 has a verdict already"},
    {"AnotherRun", kHead + R"({"t":"run","schema":1,"job":"other","run_id":"late-probe-1"})" + "\n",
     "line 2: a second run begins here"},
    {"AnotherSchema", "{\"t\":\"run\",\"schema\":2,\"job\":\"x\"}\n", "line 1: schema 2"},
    {"EscapesAreShown", kHead + "{\"t\":\"verdict\",\"verdict\":\"\\u001b[2J\"}\n", "'\\x1b[2J'"},
};

TEST(ReportJournal, WhatIsNoneIsRefused) {
    for (const auto& [name, text, message] : kBad)
        EXPECT_TRUE(refused(read_journal(text), Fault::environment, message)) << name;
}

TEST(ReportJournal, NewRecordsAndKeysAreSkipped) {
    const auto run =
        got(read_journal(kHead + R"({"t":"weather","rain":true})" + "\n" +
                         R"({"t":"verdict","iteration":1,"verdict":"pass","new":[1]})" + "\n"));
    EXPECT_EQ(run.ended.size(), 1U);
}

TEST(ReportJournal, InterruptedIteration) {
    auto run = run_of(kMixed);
    EXPECT_FALSE(run.interrupted());
    run.ended.pop_back();
    run.end.reset();
    EXPECT_EQ(got(read_journal(journal_of(run))).interrupted(), 3U);
}

TEST(ReportJournal, AnEndIsAWordBesideItsSentence) {
    using enum RunEnding;
    const std::string head = to_journal(run_of({Verdict::pass}).head) + "\n";
    for (const auto how :
         {done, interrupted, skipped, RunEnding::error, stopped, boot_again, reboot})
        EXPECT_EQ(read_journal(head + to_journal(RunEnd(how, "x")))->end->how, how);
    const std::pair<const char*, RunEnding> sentences[]{
        {"done", done},
        {"interrupted", interrupted},
        {"skip: no point", skipped},
        {"error: no module", RunEnding::error},
        {"stopped: 3 crashes", stopped},
        {"oops: x", boot_again},
        {"hang: x", boot_again},
        {"fresh: x", boot_again},
        {"reboot: iteration 2 is the next boot", reboot}};
    for (const auto& [why, how] : sentences) {
        const auto back = read_journal(head + "{\"t\":\"end\",\"why\":\"" + why + "\"}");
        EXPECT_EQ(back->end->how, how) << why;
        EXPECT_EQ(back->end->why, why);
    }
}

TEST(ReportJournal, ARunTakenUpAgain) {
    auto run = run_of({Verdict::pass});
    auto text = journal_of(run);
    text += to_journal(run.head) + "\n";
    EXPECT_EQ(read_journal(text)->end->why, "done");
    text += to_journal(IterationBegin{2, "", {}}) + "\n";
    const auto back = got(read_journal(text));
    EXPECT_FALSE(back.end);
    EXPECT_EQ(back.interrupted(), 2U);
}

} // namespace dmarace::report::testing
