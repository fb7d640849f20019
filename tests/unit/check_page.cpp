// SPDX-License-Identifier: GPL-2.0-or-later
// The verdict over all that a check saw, and the page that tells it.
#include "check/page.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace dmarace::check {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using verdict::FailureKind;
using verdict::Verdict;

Master master(const std::string& device, const std::string& words) {
    return {*verdict::to_audit(*parse_line("audit dev=" + device + " " + words)), {device}};
}

Tried tried(Order order, const std::string& job, Verdict verdict, const std::string& why = "") {
    Tried out{.what = {order, job, "pci/0000:00:02.0"}, .directory = "1-" + job};
    out.verdict = verdict;
    out.why = why;
    return out;
}

Tried missed(const std::string& job) {
    auto out = tried(Order::arriving, job, Verdict::inconclusive, "rule window was not hit");
    out.missed = true;
    return out;
}

CheckedBoard board(std::vector<Tried> runs = {tried(Order::there, "order-rebind", Verdict::pass)}) {
    CheckedBoard out{.kernel = "7.3", .arch = "aarch64", .board = "mine", .directory = "/tmp/c"};
    out.masters = {master("pci/0000:00:02.0",
                          "driver=e1000e bound=1 fw=1 group=1 domain=dma via_iommu=1 map=ok")};
    out.found.verdict = Verdict::pass;
    out.machine = {{"root", "ok", "running as root", ""}};
    out.tried = std::move(runs);
    out.ended = true;
    return out;
}

Tried failed() {
    auto out = tried(Order::arriving, "late-probe", Verdict::fail, "domain-underfoot x");
    out.failures = {
        {FailureKind::dma_direct, "pci/0000:00:02.0", "e1000e", "was direct", {}, false}};
    return out;
}

struct PageCase {
    const char* name;
    CheckedBoard (*make)();
    Verdict verdict;
    const char* why;
};

const PageCase kCases[] = {
    {"AllWell", [] { return board(); }, Verdict::pass, ""},
    // The machine may have died in what was to come.
    {"WithoutItsEnd",
     [] {
         auto out = board();
         out.ended = false;
         return out;
     },
     Verdict::inconclusive, "it goes on, or it did not come to its end"},
    {"AnyFailure",
     [] {
         auto out = board({tried(Order::there, "order-rebind", Verdict::pass), failed()});
         out.stopped = "interrupted";
         return out;
     },
     Verdict::fail, "late-probe pci/0000:00:02.0: domain-underfoot x"},
    {"FoundSo",
     [] {
         auto out = board();
         out.found.verdict = Verdict::fail;
         out.found.reason = "iommu-unbound x";
         return out;
     },
     Verdict::fail, "before anything was tried: iommu-unbound x"},
    {"FoundInDoubt",
     [] {
         auto out = board();
         out.found.verdict = Verdict::inconclusive;
         out.found.reason = "gave up";
         return out;
     },
     Verdict::inconclusive, "gave up"},
    {"NotRestored",
     [] {
         auto out = board();
         out.tried.front().left = {"modprobe x"};
         return out;
     },
     Verdict::error, "not all was restored"},
    {"AWindowMissedBesideOneThatWasHit",
     [] {
         return board(
             {tried(Order::arriving, "instance-lookup", Verdict::pass), missed("late-probe")});
     },
     Verdict::pass, ""},
    {"EveryWindowOfAnOrderMissed",
     [] {
         return board({tried(Order::there, "order-rebind", Verdict::pass), missed("late-probe")});
     },
     Verdict::inconclusive, "rule window was not hit"},
    {"AnotherDoubtIsNoMiss",
     [] {
         return board({tried(Order::arriving, "instance-lookup", Verdict::pass),
                       tried(Order::arriving, "late-probe", Verdict::inconclusive, "lost events")});
     },
     Verdict::inconclusive, "lost events"},
    {"ARunThatCouldNotBegin",
     [] {
         auto out = board({tried(Order::there, "order-rebind", Verdict::pass),
                           tried(Order::arriving, "late-probe", Verdict::error, "reset failed")});
         out.tried.back().unbegun = true;
         return out;
     },
     Verdict::inconclusive, "reset failed"},
    {"AHarnessThatFailed",
     [] {
         return board({tried(Order::there, "order-rebind", Verdict::pass),
                       tried(Order::arriving, "late-probe", Verdict::error, "lease lost")});
     },
     Verdict::error, "lease lost"},
    {"AClientThatWaits",
     [] {
         auto out = board();
         out.masters.front().waits_for = "an IOMMU";
         return out;
     },
     Verdict::inconclusive, "waits for an IOMMU"},
    {"Skipped",
     [] {
         return board({tried(Order::there, "order-rebind", Verdict::pass),
                       tried(Order::in_walk, "late-domain-on-demand", Verdict::skip, "grouped")});
     },
     Verdict::pass, ""},
    {"NoTime",
     [] {
         auto out = board();
         out.untried = {{"late-probe x", "the time was over", "", true}};
         return out;
     },
     Verdict::inconclusive, "--time gives more"},
    {"NothingToTry",
     [] {
         auto out = board({});
         out.untried = {{"x", "will not be touched: mounted at /"}};
         return out;
     },
     Verdict::skip, "nothing could be tried"},
    {"NoIommu",
     [] {
         auto out = board({});
         out.masters.clear();
         return out;
     },
     Verdict::skip, "no device of this machine is behind an IOMMU"},
    {"Stopped",
     [] {
         auto out = board();
         out.machine.push_back({"kprobes", "stop", "the kernel has no kprobes", "another kernel"});
         return out;
     },
     Verdict::error, "the kernel has no kprobes"},
};

class CheckVerdict : public testing::TestWithParam<PageCase> {};

TEST_P(CheckVerdict, IsTheWorstAndSaysWhy) {
    const auto made = GetParam().make();
    EXPECT_EQ(overall(made), GetParam().verdict) << page(made);
    EXPECT_THAT(why_not_pass(made), HasSubstr(GetParam().why));
    EXPECT_THAT(page(made), HasSubstr("check: " + std::string(to_text(GetParam().verdict))));
    const auto json = nlohmann::json::parse(check_line(made));
    EXPECT_EQ(json["verdict"], to_text(GetParam().verdict));
    EXPECT_EQ(json["tried"].size(), made.tried.size());
}

INSTANTIATE_TEST_SUITE_P(Boards, CheckVerdict, testing::ValuesIn(kCases),
                         [](const auto& made) { return std::string(made.param.name); });

TEST(CheckPage, TellsOfEachMasterWhatAnAuditSays) {
    auto made = board();
    made.masters.front().members.emplace_back("pci/0000:00:02.1");
    made.masters.push_back(master("pci/0000:00:04.0",
                                  "driver=virtio-pci bound=0 fw=1 domain=none "
                                  "via_iommu=0 map=skipped reason=\"not bound\""));
    made.masters.back().waits_for = "pci/0000:00:01.0, driver virtio_iommu, not loaded";
    EXPECT_THAT(
        page(made),
        AllOf(HasSubstr("1, with pci/0000:00:02.1"), HasSubstr("translated"),
              HasSubstr("skipped: not bound"),
              HasSubstr("pci/0000:00:04.0 waits for pci/0000:00:01.0, driver virtio_iommu")));
}

TEST(CheckPage, HasEachRunInItsPlaceAndTheCommandThatRepeatsIt) {
    auto made = board({tried(Order::there, "order-rebind", Verdict::pass), failed(),
                       tried(Order::in_walk, "late-domain-on-demand", Verdict::skip, "grouped")});
    made.untried = {{"pci/0000:00:05.0", "will not be touched: swap", "--i-know x"}};
    const auto text = page(made);
    const auto unsound = text.find("\nnot sound\n"), sound = text.find("\nsound\n"),
               untried = text.find("\nnot tried, or not shown\n");
    EXPECT_LT(unsound, sound);
    EXPECT_LT(sound, untried);
    EXPECT_THAT(text.substr(unsound, sound - unsound),
                AllOf(HasSubstr("dma-direct pci/0000:00:02.0 (e1000e)"),
                      HasSubstr("dmarace run late-probe --device pci/0000:00:02.0"),
                      HasSubstr("dmarace report /tmp/c/1-late-probe")));
    EXPECT_THAT(text.substr(untried),
                AllOf(HasSubstr("skip: grouped"), HasSubstr("swap"), HasSubstr("--i-know x")));
    EXPECT_THAT(text, Not(HasSubstr("running as root"))) << "what is well is not told";
}

TEST(CheckPage, ARunIsMissedWhenNobodyCameBy) {
    run::Run ran;
    ran.end.emplace(run::RunEnding::done, "done");
    ran.head.planned = 1;
    run::IterationEnd end;
    end.judgement.verdict = Verdict::inconclusive;
    end.judgement.rules = {{.rule = "window", .point = "x", .holds = true, .hits = 1},
                           {.rule = "other", .point = "y"}};
    ran.ended = {end};
    auto& judged = ran.ended.front().judgement;
    judged.rules.back().hits = 1;
    EXPECT_FALSE(to_tried({}, "", ran).missed);
    judged.rules.front().hits = 0;
    judged.reason = verdict::never_hit(judged.rules);
    EXPECT_EQ(judged.reason, "rule window (x) was never hit");
    EXPECT_TRUE(to_tried({}, "", ran).missed);
    ran.end.emplace(run::RunEnding::interrupted, "interrupted");
    EXPECT_FALSE(to_tried({}, "", ran).missed) << "nor did it come to its end";
    ran.end.emplace(run::RunEnding::done, "done");
    const auto only = judged.reason;
    for (const auto* more : {"rule other (y) missed 2 hits (kprobe nmissed)", "3 events lost",
                             "pci/x gave up waiting for its IOMMU"}) {
        judged.reason = only + "; " + more;
        EXPECT_FALSE(to_tried({}, "", ran).missed) << more;
    }
    judged.reason = only;
    judged.rules.front().optional = true;
    EXPECT_FALSE(to_tried({}, "", ran).missed);
}

} // namespace
} // namespace dmarace::check
