// SPDX-License-Identifier: GPL-2.0-or-later
// What searches, their parts and reproducers say to wrong words, and the code they end with.
#include "base/files.hpp"
#include "commands/commands.hpp"
#include "explore/sweep.hpp"
#include "fake_tree.hpp"
#include "results.hpp"

#include <gmock/gmock.h>

namespace dmarace::commands {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int kFail = 1, kInconclusive = 5;

// A part of a sweep of one pair.
std::string part(unsigned shard, unsigned tried, bool found) {
    explore::Swept out;
    out.command = "sweep";
    out.shard = shard;
    out.shards = 2;
    auto& pair = out.pairs.emplace_back();
    pair.pair = {"p" + std::to_string(shard), "", {"bind", "remove"}};
    pair.candidates = 1;
    pair.tried = tried;
    if (found)
        pair.findings.emplace_back().failures = {"dma-direct x"};
    return explore::sweep_json(out);
}

int merged(const std::vector<std::string>& parts, const Words& more = {}) {
    test::FakeTree tree;
    Words words{"--merge"};
    words.insert(words.end(), more.begin(), more.end());
    for (std::size_t i = 0; i < parts.size(); ++i) {
        tree.file(std::to_string(i) + "/sweep.json", parts[i]);
        words.push_back((tree.root() / std::to_string(i)).string());
    }
    return run_report(words);
}

TEST(ReportMerge, EndsAsTheSweepOnOneMachine) {
    EXPECT_EQ(merged({part(1, 4, false), part(2, 4, true)}), kFail);
    EXPECT_EQ(merged({part(1, 4, false), part(2, 0, false)}), 0);
    EXPECT_EQ(merged({part(1, 0, false), part(2, 0, false)}), kInconclusive);
    EXPECT_EQ(merged({part(1, 4, false), part(2, 4, false)}), 0);
    EXPECT_EQ(merged({part(1, 4, false)}), kInconclusive); // half of it is no pass
    EXPECT_EQ(merged({part(1, 4, true)}, {"--json"}), kFail);
    EXPECT_EQ(merged({part(1, 4, true).substr(0, 90)}), kExitUsage);
    EXPECT_EQ(merged({part(1, 4, true)}, {"--table"}), kExitUsage);
}

std::string said(int (*command)(const Words&), const Words& words) {
    testing::internal::CaptureStderr();
    const int code = command(words);
    return std::to_string(code) + " " + testing::internal::GetCapturedStderr();
}

TEST(Sweep, SaysWhatIsWrongWithItsWords) {
    for (const auto& [words, why] : std::vector<std::pair<Words, std::string>>{
             {{"bind"}, "give 2 ACTs or more"},
             {{"bind", "remove", "--triples"}, "give 3 ACTs or more"},
             {{"bind", "bind"}, "'bind' is given twice"},
             {{"--shard", "0/3"}, "--shard is I/N"},
             {{"--shard", "4/3"}, "not '4/3'"},
             {{"--shard", "1/3/5"}, "not '1/3/5'"},
             {{"--points", "table"}, "--points is candidates or all, not 'table'"},
             {{"--bound", "3"}, "--bound is 1 or 2"}})
        EXPECT_THAT(said(run_sweep, words), AllOf(HasSubstr("2 dmarace sweep: "), HasSubstr(why)));
    test::FakeTree tree;
    tree.file("explore.json", "{}");
    const Words there{"--out", tree.root().string(), "--resume"};
    EXPECT_THAT(said(run_sweep, there),
                HasSubstr("holds a search already (explore.json); give another --out"));
}

TEST(Report, SaysWhatADirectoryIsThatHoldsNoRun) {
    test::FakeTree tree;
    tree.file("sweep/sweep.json", "").file("search/explore.json", "");
    EXPECT_THAT(said(run_report, {(tree.root() / "sweep").string()}),
                HasSubstr("holds no run (no journal.jsonl); it is a sweep: sweep.txt"));
    EXPECT_THAT(said(run_repro, {"--tree", "x", "--run", (tree.root() / "search").string()}),
                HasSubstr("it is a search: explore.txt is its page, and its runs are in it"));
}

class Repro : public testing::Test {
protected:
    Repro() {
        for (const char* folder : {"drivers/base", "drivers/of"})
            tree_.dir(folder);
        tree_.file("Kbuild").file("drivers/iommu/a.c", "int f(struct device *dev)\n{\n}\n");
        tree_.file("j.toml", "name = \"j\"\nsummary = \"s\"\nsource = \"x\"\nrisk = \"taint\"\n"
                             "[params]\nclient = { type = \"device\", help = \"x\" }\n"
                             "[[actor]]\nname = \"a\"\nsteps = [\"bind {client}\"]\n"
                             "[[rule]]\nname = \"r\"\npoint = \"f\"\nunsafe = true\narg = 0\n"
                             "actor = \"a\"\ndev = \"{client}\"\ndelay = \"1ms\"\n");
    }
    std::string at(const std::string& name) const { return (tree_.root() / name).string(); }
    Words words(const Words& more) const {
        Words out{at("j.toml"), "--tree", tree_.root().string(), "--out", at("out")};
        out.insert(out.end(), more.begin(), more.end());
        return out;
    }
    test::FakeTree tree_;
};

TEST_F(Repro, AsksForAllThatABoardWouldChoose) {
    EXPECT_THAT(said(run_repro, words({})),
                HasSubstr("j needs --set client=VALUE, or --run DIR of a run that showed it"));
}

TEST_F(Repro, WritesNothingOver) {
    const Words set{"--set", "client=pci/0000:00:02.0"};
    EXPECT_THAT(said(run_repro, words(set)), HasSubstr("0 "));
    tree_.file("out/mail.txt", "mine");
    EXPECT_THAT(said(run_repro, words(set)), HasSubstr("repro.patch is there already; move it"));
    EXPECT_EQ(tree_.text("out/mail.txt"), "mine");
}

TEST_F(Repro, ReadsAllOfTheTreeOrSaysSo) {
    tree_.file("drivers/pci", "no folder");
    EXPECT_THAT(said(run_repro, words({"--set", "client=pci/0000:00:02.0"})),
                AllOf(HasSubstr("3 dmarace repro: "), HasSubstr("drivers/pci: ")));
}

} // namespace
} // namespace dmarace::commands
