// SPDX-License-Identifier: GPL-2.0-or-later
// A whole sweep whose searches are scripts: which pairs there are and which come first, what is
// said of those that were not reached, how it goes on, and what comes of parts put together.
#include "base/files.hpp"
#include "explore/sweep.hpp"
#include "fake_machine.hpp"
#include "results.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <set>

namespace dmarace::explore {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kClient = "pci/0000:00:02.0";

SweepBoard a_board() {
    SweepBoard out;
    out.board.iommu_module = "virtio_iommu";
    out.board.devices = {{kClient, "e1000e", true},
                         {"pci/0000:00:06.0", "virtio_blk", true},
                         {"amba/9010000.pl031", "", false}};
    out.client = kClient;
    out.shared = "pci/0000:00:06.0";
    out.others = {"amba/9010000.pl031"};
    return out;
}

struct Silent final : SweepProgress, ExploreProgress {
    void iteration(unsigned, unsigned) override {}
    void doing(const std::string&) override {}
    void judged(unsigned, const std::string&, const std::string&) override {}
    void note(const std::string&) override {}
    void state(const Explored&, const std::string&) override {}
    void tried(const TriedSchedule&) override {}
    ExploreProgress& of_pair() override { return *this; }
    void now(const Swept&, const std::string&) override {}
    void ended(const PairState& pair) override { over.push_back(pair.pair.id); }

    std::vector<std::string> over;
};

search::Touch touch(const char* word, search::Access kind, const char* function) {
    return {{word, kClient}, kind, {{function, 4}, {"caller", 8}}, {}, 100, 7, "x"};
}

class ExploreSweep : public testing::Test {
protected:
    ExploreSweep() {
        options_.out = out_.root();
        options_.board = "fake";
        options_.command = "sweep";
    }

    // 'bind' and 'probe' write what 'remove' reads; the others touch nothing.
    Result<ActRecords> watch(const search::ActSet& set, const RecordOptions& record) {
        const auto name = set.job.actors.front().name;
        watched_.push_back(name);
        ActRecords out;
        out.device = record.device;
        out.acts = {name};
        search::ActRecord one;
        one.act = name;
        if (name == "bind" || name == "probe")
            one.touches = {touch("device.driver", search::Access::write, "really_probe")};
        for (auto& own : one.touches) // these two keep each other out
            own.locks = {std::string("device ") + kClient};
        if (name == "remove")
            one.touches = {touch("device.driver", search::Access::read, "device_remove")};
        one.sleepers = {"really_probe", "device_remove"};
        if (!blind_.empty()) {
            one.touches.clear();
            one.lost = {blind_};
        }
        out.records.push_back(std::move(one));
        out.boot_again = name == oops_ ? "oops: watched" : "";
        return out;
    }

    Result<Explored> explore(const search::ActSet& set, const ExploreOptions& search) {
        searched_.push_back(search.out.filename().string());
        limits_.push_back(search.limit);
        if (set.job.name == untestable_)
            return fail(Fault::untestable, "the driver is built in");
        Explored out;
        out.tried.resize(4);
        out.seconds = 3;
        if (set.job.name == cut_off_ && !search.resume) {
            out.boot_again = "oops: x";
            TRY(write_text(search.out.string() + ".begun", ""));
        }
        const auto places = search::places_of(search.candidates, set, search.acts);
        if (!places.empty() && !quiet_) {
            Finding finding;
            finding.id = "01";
            finding.schedule = {{0, 1}, {places.front()}};
            finding.failures = {"kernel-oops", "dma-direct pci/0000:00:02.0"};
            finding.what = "parked";
            finding.proof = proof_;
            out.findings.push_back(std::move(finding));
        }
        out.met = met_;
        return out;
    }

    Swept sweep(const std::vector<std::string>& acts) {
        watched_.clear();
        searched_.clear();
        const auto board = a_board();
        const SweepHands hands{
            [this](const auto& set, const auto& record) { return watch(set, record); },
            [this](auto&, const auto& set, const auto& search) { return explore(set, search); }};
        return got(explore::sweep(board, sweep_pairs(board, acts, false), silent_, quiet_hands_,
                                  options_, hands));
    }

    static const PairState& of(const Swept& swept, const std::string& id) {
        for (const auto& pair : swept.pairs)
            if (pair.pair.id == id)
                return pair;
        ADD_FAILURE() << "no pair " << id;
        return swept.pairs.front();
    }

    test::FakeTree out_;
    test::NoInterrupts quiet_hands_;
    Silent silent_;
    SweepOptions options_;
    std::vector<std::string> watched_, searched_;
    std::vector<std::optional<std::chrono::nanoseconds>> limits_;
    std::string oops_, cut_off_, untestable_, blind_;
    std::vector<std::string> met_;
    std::optional<Proof> proof_;
    bool quiet_ = false;
};

TEST(SweepPairs, AreAllThatABoardHas) {
    const auto pairs = sweep_pairs(a_board(), {}, false);
    const auto has = [](const char* id) { return Contains(Field(&SweepPair::id, id)); };
    EXPECT_THAT(pairs, AllOf(has("iommu-vs-bind"), has("remove-vs-type-DMA-FQ"),
                             has("type-DMA-vs-type-identity"),
                             has("iommu-vs-rescan-sibling-on-pci-0000-00-06-0"),
                             has("iommu-vs-bind-on-amba-9010000-pl031")));
    EXPECT_THAT(pairs, Not(has("bind-sibling-vs-remove-sibling-on-pci-0000-00-06-0")));
    EXPECT_THAT(pairs, Not(has("iommu-vs-walk-on-amba-9010000-pl031")));
    std::set<std::string> ids;
    for (const auto& pair : pairs)
        ids.insert(pair.id);
    EXPECT_EQ(ids.size(), pairs.size());
}

TEST(SweepPairs, AreThoseOfTheActsThatWereGivenAndThreeOnRequest) {
    EXPECT_EQ(sweep_pairs(a_board(), {"bind", "remove", "walk"}, false).size(), 3U);
    EXPECT_EQ(sweep_pairs(a_board(), {"bind", "remove", "walk", "probe"}, true).size(), 4U);
    EXPECT_EQ(sweep_pairs(a_board(), {"bind", "'x"}, true).size(), 0U);
}

TEST(SweepRecords, NameNoGroupByItsNumber) {
    search::ActRecord record;
    record.touches = {touch("group.domain", search::Access::read, "f")};
    record.touches[0].word.of = "group 3";
    record.touches[0].locks = {"group 3", "group of all"};
    forget_numbers(record);
    EXPECT_EQ(record.touches[0].word.of, "group");
    EXPECT_THAT(record.touches[0].locks, ElementsAre("group", "group of all"));
}

TEST_F(ExploreSweep, PromisingPairsComeFirstAndOneRaceIsOne) {
    const auto swept = sweep({"walk", "bind", "remove", "probe", "unbind"});
    EXPECT_THAT(watched_, ElementsAre("walk", "bind", "remove", "probe", "unbind"));
    ASSERT_GE(searched_.size(), 2U);
    EXPECT_EQ(searched_[0], "bind-vs-remove");
    EXPECT_EQ(searched_[1], "remove-vs-probe");
    EXPECT_EQ(of(swept, "bind-vs-remove").end(), PairEnd::failed);
    EXPECT_EQ(of(swept, "remove-vs-unbind").end(), PairEnd::tried);
    const auto& apart = of(swept, "bind-vs-unbind");
    EXPECT_EQ(apart.end(), PairEnd::cannot_meet);
    EXPECT_THAT(apart.why, HasSubstr("'unbind' begins with the client bound, 'bind' with"));
    const auto races = grouped(swept.pairs);
    ASSERT_EQ(races.size(), 1U);
    EXPECT_THAT(races[0].kinds, ElementsAre("dma-direct", "kernel-oops"));
    EXPECT_THAT(races[0].functions, ElementsAre("device_remove", "really_probe"));
    EXPECT_THAT(races[0].pairs, ElementsAre("bind-vs-remove", "remove-vs-probe"));
    EXPECT_THAT(out_.text("sweep.txt"),
                AllOf(HasSubstr("shown by 2 pairs"), HasSubstr("no job parks there")));
}

TEST_F(ExploreSweep, WhatIsDoubtfulOfAProofIsTold) {
    proof_ = Proof{0, 3, 1, 3, "luck meets it"};
    (void)sweep({"bind", "remove"});
    EXPECT_THAT(out_.text("sweep.txt"),
                HasSubstr("fails 0 of 3, without its hold 1 of 3; luck meets it; "));
}

TEST_F(ExploreSweep, TheTimeIsSharedAndWhatWasNotReachedIsSaid) {
    options_.limit = std::chrono::seconds(0);
    auto swept = sweep({"bind", "remove"});
    EXPECT_EQ(swept.stopped, "the time was over");
    EXPECT_EQ(of(swept, "bind-vs-remove").end(), PairEnd::not_reached);
    EXPECT_THAT(out_.text("sweep.txt"), HasSubstr("1 pair not even predicted"));
    EXPECT_THAT(searched_, IsEmpty());
    options_.limit = std::chrono::minutes(60);
    options_.resume = true;
    swept = sweep({"bind", "remove"});
    ASSERT_FALSE(limits_.empty());
    ASSERT_TRUE(limits_[0]);
    EXPECT_LE(*limits_[0], std::chrono::minutes(60));
    EXPECT_GE(*limits_[0], std::chrono::minutes(59)); // the only pair has all of it
}

// As on a kernel without perf.
TEST_F(ExploreSweep, WhatCouldNotBeWatchedIsNotPredicted) {
    EXPECT_EQ(of(sweep({"remove", "unbind"}), "remove-vs-unbind").candidates, 0U);
    test::FakeTree other;
    options_.out = other.root();
    blind_ = "nothing can be watched";
    const auto swept = sweep({"remove", "unbind"});
    EXPECT_FALSE(of(swept, "remove-vs-unbind").candidates);
    EXPECT_EQ(searched_.size(), 1U) << "it is searched all the same";
}

// A slow machine would do nothing but watch.
TEST_F(ExploreSweep, WatchingLeavesTimeForSearches) {
    options_.limit = std::chrono::seconds(0);
    (void)sweep({"bind", "remove"});
    auto text = out_.text("sweep.json");
    constexpr std::string_view kKey = "\"seconds\": ";
    const auto at = text.find(kKey) + kKey.size();
    text.replace(at, text.find(',', at) - at, "500.0");
    out_.file("sweep.json", text);
    options_.limit = std::chrono::seconds(1000);
    options_.resume = true;
    const auto swept = sweep({"bind", "remove"});
    EXPECT_THAT(watched_, IsEmpty());
    EXPECT_THAT(searched_, ElementsAre("bind-vs-remove"));
    EXPECT_THAT(swept.notes, ElementsAre(HasSubstr("2 of 2 acts were not watched")));
    EXPECT_FALSE(of(swept, "bind-vs-remove").candidates);
}

TEST_F(ExploreSweep, GoesOnAfterABootWhereItWas) {
    cut_off_ = "remove-vs-probe";
    auto swept = sweep({"bind", "remove", "probe"});
    EXPECT_EQ(swept.boot_again, "oops: x");
    EXPECT_THAT(searched_, ElementsAre("bind-vs-remove", "remove-vs-probe"));
    options_.resume = options_.booted = true;
    cut_off_.clear();
    swept = sweep({"bind", "remove", "probe"});
    EXPECT_THAT(watched_, IsEmpty());
    EXPECT_EQ(searched_.front(), "remove-vs-probe");
    EXPECT_EQ(swept.boot_again, "");
    EXPECT_EQ(grouped(swept.pairs).size(), 1U);
    EXPECT_EQ(of(swept, "bind-vs-remove").end(), PairEnd::failed);
}

TEST_F(ExploreSweep, AnActThatKillsTheMachineIsWatchedOnce) {
    oops_ = "remove";
    EXPECT_EQ(sweep({"bind", "remove"}).boot_again, "oops: watched");
    EXPECT_THAT(watched_, ElementsAre("bind", "remove"));
    options_.resume = true;
    EXPECT_EQ(sweep({"bind", "remove"}).boot_again, "");
    EXPECT_THAT(watched_, IsEmpty());
    // One that died in it has left a directory, and no record.
    test::FakeTree other;
    options_.out = other.root();
    options_.resume = false;
    oops_.clear();
    std::filesystem::create_directories(other.root() / "watched" / "remove-on-pci-0000-00-02-0");
    const auto swept = sweep({"bind", "remove"});
    EXPECT_THAT(watched_, ElementsAre("bind"));
    EXPECT_FALSE(of(swept, "bind-vs-remove").candidates) << "nothing of it was seen";
}

TEST(SweepVerdict, IsNoPassWhereNoScheduleWasRun) {
    Swept swept;
    EXPECT_EQ(verdict_of(swept), verdict::Verdict::inconclusive);
    swept.pairs.emplace_back();
    EXPECT_EQ(verdict_of(swept), verdict::Verdict::inconclusive);
    swept.pairs.back().tried = 1;
    EXPECT_EQ(verdict_of(swept), verdict::Verdict::pass);
    EXPECT_THAT(sweep_page(swept), HasSubstr("\nNo finding.\n"));
    auto cut = swept;
    cut.boot_again = "oops";
    EXPECT_EQ(verdict_of(cut), verdict::Verdict::inconclusive);
    EXPECT_THAT(sweep_page(cut), HasSubstr("says nothing: it has not come to its end"));
    cut.pairs.back().findings.emplace_back();
    EXPECT_EQ(verdict_of(cut), verdict::Verdict::fail);
}

TEST_F(ExploreSweep, WhatLuckMetIsAFinding) {
    quiet_ = true;
    met_ = {"dma-direct pci/0000:00:02.0"};
    auto swept = sweep({"bind", "remove", "probe"});
    EXPECT_EQ(verdict_of(swept), verdict::Verdict::fail);
    EXPECT_EQ(of(swept, "bind-vs-remove").end(), PairEnd::failed);
    auto races = grouped(swept.pairs);
    ASSERT_EQ(races.size(), 1U);
    EXPECT_THAT(races[0].kinds, ElementsAre("dma-direct"));
    EXPECT_THAT(races[0].pairs, testing::SizeIs(3));
    EXPECT_THAT(
        out_.text("sweep.txt"),
        AllOf(HasSubstr("all at once, nobody parked\n      luck met it, with nobody parked; "
                        "bind-vs-remove/explore.txt"),
              HasSubstr("nobody was parked, so it is not compared")));
    // What a hold shows as well is that race, and no other one.
    quiet_ = false;
    test::FakeTree other;
    options_.out = other.root();
    swept = sweep({"bind", "remove"});
    ASSERT_EQ(grouped(swept.pairs).size(), 1U);
    EXPECT_THAT(of(swept, "bind-vs-remove").findings,
                ElementsAre(Field(&PairFinding::proof, "luck met it, with nobody parked")));
}

TEST_F(ExploreSweep, GoesOnOnlyWithItsOwnWords) {
    (void)sweep({"bind", "remove"});
    options_.resume = true;
    (void)sweep({"bind", "remove"});
    const auto board = a_board();
    const auto refused = [&] {
        auto swept = explore::sweep(board, {}, silent_, quiet_hands_, options_, {});
        return swept ? "" : swept.error().message;
    };
    options_.bound = 2;
    EXPECT_THAT(refused(), AllOf(HasSubstr("holds 'sweep --seed 1 --bound 1"),
                                 HasSubstr("'sweep --seed 1 --bound 2")));
    options_.bound = 1;
    options_.command = "sweep iommu bind";
    EXPECT_THAT(refused(), HasSubstr("'sweep iommu bind --seed 1"));
    options_.command = "sweep";
    options_.shards = 3;
    EXPECT_THAT(refused(), HasSubstr("--shard 1/3"));
    options_.shards = 1;
    EXPECT_EQ(refused(), "");
}

TEST_F(ExploreSweep, WhatCannotBeDoneHereCannotMeet) {
    untestable_ = "bind-vs-remove";
    const auto swept = sweep({"bind", "remove"});
    EXPECT_EQ(of(swept, "bind-vs-remove").end(), PairEnd::cannot_meet);
    EXPECT_EQ(of(swept, "bind-vs-remove").why, "the driver is built in");
}

TEST_F(ExploreSweep, PartsPutTogetherAreTheWhole) {
    const std::vector<std::string> acts{"walk", "bind", "remove", "probe", "unbind"};
    const auto whole = sweep(acts);
    std::array<test::FakeTree, 3> places;
    std::vector<std::filesystem::path> parts;
    std::size_t pairs = 0;
    options_.shards = 3;
    for (unsigned shard = 1; shard <= 3; ++shard) {
        options_.shard = shard;
        options_.out = places[shard - 1].root();
        parts.push_back(options_.out);
        pairs += sweep(acts).pairs.size();
    }
    EXPECT_EQ(pairs, whole.pairs.size());
    const auto merged = got(merged_sweeps(parts));
    EXPECT_THAT(merged.missing_shards, IsEmpty());
    const auto one = grouped(whole.pairs), other = grouped(merged.pairs);
    ASSERT_EQ(other.size(), one.size());
    EXPECT_EQ(other[0].functions, one[0].functions);
    auto of_one = one[0].pairs, of_other = other[0].pairs;
    std::ranges::sort(of_one);
    std::ranges::sort(of_other);
    EXPECT_EQ(of_other, of_one);
    parts.pop_back();
    EXPECT_THAT(got(merged_sweeps(parts)).missing_shards,
                ElementsAre(HasSubstr("shard 3/3, which is not among these")));
    const auto part = got(merged_sweeps(parts));
    EXPECT_THAT(sweep_page(part), HasSubstr("shard 3/3"));
    EXPECT_EQ(verdict_of(part), verdict::Verdict::fail);
    // Without a finding a part that is missing is no pass.
    quiet_ = true;
    test::FakeTree one_of_two;
    options_.out = one_of_two.root();
    options_.shard = 1;
    options_.shards = 2;
    EXPECT_EQ(verdict_of(sweep(acts)), verdict::Verdict::pass);
    const auto half = got(merged_sweeps({options_.out}));
    EXPECT_EQ(verdict_of(half), verdict::Verdict::inconclusive);
    EXPECT_THAT(sweep_page(half), HasSubstr("says nothing: a part is missing"));
}

TEST_F(ExploreSweep, PartsOfOtherSweepsAreNotTheMissingOnes) {
    quiet_ = true;
    std::array<test::FakeTree, 2> places;
    options_.shards = 2;
    for (unsigned shard = 1; shard <= 2; ++shard) {
        options_.shard = shard;
        options_.out = places[shard - 1].root();
        options_.board = "board" + std::to_string(shard);
        (void)sweep({"bind", "remove", "probe"});
    }
    EXPECT_THAT(got(merged_sweeps({places[0].root(), places[1].root()})).missing_shards,
                ElementsAre(AllOf(HasSubstr("shard 2/2"), HasSubstr("on board1")),
                            AllOf(HasSubstr("shard 1/2"), HasSubstr("on board2"))));
}

TEST_F(ExploreSweep, ReadsBackWhatItWrote) {
    const auto swept = sweep({"bind", "remove", "unbind"});
    EXPECT_EQ(sweep_json(got(read_sweep(out_.root()))), sweep_json(swept));
    test::FakeTree none;
    EXPECT_EQ(read_sweep(none.root()).error().fault, Fault::usage);
    none.file("sweep.json", "{\"pairs\": 3}");
    EXPECT_THAT(read_sweep(none.root()).error().message, HasSubstr("is torn, or no sweep's"));
    test::FakeTree search;
    search.file("explore.json", "{}");
    EXPECT_THAT(read_sweep(search.root()).error().message, HasSubstr("it is one search"));
}

} // namespace
} // namespace dmarace::explore
