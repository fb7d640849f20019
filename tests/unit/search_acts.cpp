// SPDX-License-Identifier: GPL-2.0-or-later
// Acts: their table, what is written for them, where two or three can begin, and what cannot meet.
#include "catalogue/points.hpp"
#include "catalogue/verbs.hpp"
#include "job/words.hpp"
#include "job_support.hpp"
#include "search/acts.hpp"

#include <set>

namespace dmarace::search {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const ActBoard kBoard{"virtio_iommu",
                      {{"pci/0000:00:02.0", "e1000e", true},
                       {"amba/9010000.pl031", "", false},
                       {"platform/gpu", "", true}},
                      ""};

std::vector<Act> acts_from(const std::vector<std::string>& texts, const ActBoard& board = kBoard) {
    std::vector<Act> out;
    for (const auto& text : texts) {
        auto act = parse_act(text, board);
        EXPECT_TRUE(act) << text << ": " << (act ? "" : act.error().message);
        if (act)
            out.push_back(*std::move(act));
    }
    return out;
}

Result<ActSet> start_of(const std::vector<std::string>& texts, const std::string& client = "") {
    auto board = kBoard;
    board.client = client;
    return common_start(acts_from(texts, board), board);
}

std::vector<std::string> reset_of(const std::vector<std::string>& texts,
                                  const std::string& client = "") {
    const auto set = start_of(texts, client);
    EXPECT_TRUE(set) << (set ? "" : set.error().message);
    return set ? texts_of(set->job.reset, &job::Step::text) : std::vector<std::string>{};
}

std::string why_not(const std::vector<std::string>& texts, const std::string& client = "") {
    const auto set = start_of(texts, client);
    return set ? "they meet" : set.error().message;
}

// Every verb that makes the kernel work is an act or is said not to be one.
TEST(SearchActs, CoverTheVerbs) {
    const std::set<std::string> left{"write", "read", "repeat"};
    std::set<std::string> covered;
    for (const auto& row : act_rows())
        covered.emplace(row.step.substr(0, row.step.find(' ')));
    for (const auto& row : catalogue::verb_rows())
        EXPECT_EQ(row.does(catalogue::effect::works) && !left.contains(std::string(row.name)),
                  covered.contains(std::string(row.name)))
            << row.name;
    EXPECT_FALSE(not_covered().empty());
}

TEST(SearchActs, AreStepsOfAJob) {
    for (const auto& row : act_rows()) {
        const auto act = parse_act(std::string(row.name), kBoard);
        ASSERT_TRUE(act) << row.name;
        EXPECT_EQ(act->row, &row);
        EXPECT_TRUE(job::parse_step(act->step, {})) << act->step;
        EXPECT_FALSE(row.help.empty());
    }
}

TEST(SearchActs, AreWrittenShortOrAsSteps) {
    const struct {
        const char *text, *row, *step;
    } kCases[] = {
        {"iommu", "iommu", "insmod {iommu}"},
        {"insmod virtio_iommu", "iommu", "insmod {iommu}"},
        {"insmod {iommu}", "iommu", "insmod {iommu}"},
        {"rmmod virtio_iommu", "iommu-unbind", "rmmod {iommu}"},
        {"insmod e1000e", "client-driver", "insmod e1000e"},
        {"insmod e1000e async", "client-driver-async", "insmod e1000e async"},
        {"bind", "bind", "bind {client}"},
        {"bind@sibling", "bind", "bind {sibling}"},
        {"bind@pci/0000:00:03.0", "bind", "bind pci/0000:00:03.0"},
        {"bind pci/0000:00:03.0", "bind", "bind pci/0000:00:03.0"},
        {"type:DMA-FQ", "type:DMA-FQ", "type {client} DMA-FQ"},
        {"type:identity", "type", "type {client} identity"},
        {"type 3 identity", "type", "type 3 identity"},
        {"type 3 DMA-FQ", "type:DMA-FQ", "type 3 DMA-FQ"},
        {"sriov:2", "sriov", "sriov {client} 2"},
        {"rescan", "rescan", "rescan pci"},
        {"walk", "walk", "walk"},
    };
    for (const auto& one : kCases) {
        const auto act = parse_act(one.text, kBoard);
        ASSERT_TRUE(act) << one.text << ": " << act.error().message;
        EXPECT_EQ(act->row->name, one.row) << one.text;
        EXPECT_EQ(act->step, one.step) << one.text;
    }
}

TEST(SearchActs, NameWhatIsNone) {
    const std::pair<const char*, const char*> kCases[] = {
        {"bnid", "did you mean 'bind'"},        {"suspend", "an act is one of iommu"},
        {"bind:now", "takes no word"},          {"type:lazy", "'lazy' is no type of a group"},
        {"settle 1s", "is a step, but no act"}, {"bidn x y", "did you mean 'bind'"},
    };
    for (const auto& [text, says] : kCases) {
        const auto act = parse_act(text, kBoard);
        ASSERT_FALSE(act) << text;
        EXPECT_EQ(act.error().fault, Fault::usage);
        EXPECT_THAT(act.error().message, HasSubstr(says));
    }
}

TEST(SearchActs, BeginWhereTheLibraryDoes) {
    EXPECT_THAT(reset_of({"iommu", "bind"}),
                ElementsAre("autoprobe off pci", "remove behind {iommu}", "rmmod {iommu}",
                            "rescan pci", "settle", "expect unbound {client}"));
    EXPECT_THAT(reset_of({"iommu", "remove"}),
                ElementsAre("autoprobe off pci", "remove behind {iommu}", "rmmod {iommu}",
                            "rescan pci", "settle", "expect unbound {client}"));
    EXPECT_THAT(reset_of({"type:DMA-FQ", "remove"}),
                ElementsAre("autoprobe on pci", "rescan pci", "settle"));
    EXPECT_THAT(reset_of({"type:DMA", "bind"}),
                ElementsAre("autoprobe off pci", "rescan pci", "settle", "try unbind {client}",
                            "type {client} identity", "expect unbound {client}"));
    EXPECT_THAT(reset_of({"iommu", "rescan@sibling", "bind"}),
                ElementsAre("autoprobe off pci", "remove behind {iommu}", "rmmod {iommu}",
                            "rescan pci", "settle", "remove {sibling}", "expect unbound {client}",
                            "expect gone {sibling}"));
    EXPECT_THAT(reset_of({"bind", "walk"}),
                ElementsAre("autoprobe off pci", "rescan pci", "settle", "remove {client}",
                            "try rmmod {driver}", "rescan pci", "insmod {driver}", "settle",
                            "expect unbound {client}"));
    EXPECT_THAT(reset_of({"iommu", "bind"}, "amba/9010000.pl031"),
                ElementsAre("autoprobe off pci", "remove behind {iommu}", "rmmod {iommu}",
                            "rescan pci", "settle", "unbind {client}", "expect unbound {client}"));
}

// What a reset has removed is not there to be removed.
TEST(SearchActs, RemoveADeviceOnce) {
    EXPECT_THAT(reset_of({"iommu-unbind", "rescan"}),
                ElementsAre("autoprobe on pci", "insmod {iommu}", "rescan pci", "settle",
                            "remove behind {iommu}", "expect gone {client}"));
}

TEST(SearchActs, MayNotMeet) {
    EXPECT_THAT(why_not({"iommu", "type:DMA"}),
                HasSubstr("'type:DMA' begins with the IOMMU's driver inserted, 'iommu' with the"));
    EXPECT_THAT(why_not({"iommu", "type:DMA"}), HasSubstr("'type:DMA' can only follow 'iommu'"));
    EXPECT_THAT(why_not({"bind", "unbind"}),
                HasSubstr("'unbind' begins with the client bound, 'bind' with the client unbound"));
    EXPECT_THAT(why_not({"iommu", "unbind"}), HasSubstr("'unbind' with the client bound"));
    EXPECT_THAT(why_not({"remove", "rescan"}), HasSubstr("can only follow"));
    EXPECT_THAT(why_not({"iommu-unbind", "bind"}), HasSubstr("every PCI device behind"));
    // What holds of one device says nothing of another, or of one without an IOMMU.
    EXPECT_EQ(why_not({"bind", "unbind@sibling"}), "they meet");
    EXPECT_EQ(why_not({"iommu", "unbind"}, "amba/9010000.pl031"), "they meet");
    EXPECT_EQ(why_not({"iommu-unbind", "rescan"}), "they meet");
}

// Every pair meets or says why, and what meets is a job that lint finds right.
TEST(SearchActs, PairsAreJobs) {
    unsigned meet = 0;
    for (const auto& a : act_rows())
        for (const auto& b : act_rows()) {
            const auto set = start_of({std::string(a.name), std::string(b.name)});
            if (!set) {
                EXPECT_THAT(set.error().message, testing::StartsWith("they cannot meet: '"));
                EXPECT_EQ(set.error().fault, Fault::untestable);
                continue;
            }
            ++meet;
            const auto text = job::save(set->job);
            const auto loaded = job::load(text, "f");
            ASSERT_TRUE(loaded) << text << to_text(loaded.error().front());
            for (const auto& diagnostic : job::lint(*loaded))
                EXPECT_EQ(diagnostic.level, job::Diagnostic::Level::warning)
                    << text << to_text(diagnostic);
            EXPECT_EQ(job::save(*loaded), text);
        }
    EXPECT_GT(meet, 60U);
}

TEST(SearchActs, AJobWithoutItsRulesIsASet) {
    for (const auto& name : job::library_jobs()) {
        const auto checked = job::check_job(name);
        ASSERT_TRUE(checked && checked->job) << name;
        const auto set = acts_of(*checked->job);
        if (!set) {
            EXPECT_THAT(set.error().message, HasSubstr("is no set of acts"));
            continue;
        }
        EXPECT_TRUE(set->job.rules.empty());
        const auto text = job::save(set->job);
        EXPECT_TRUE(job::load(text, name)) << text;
        for (const auto& actor : set->job.actors)
            EXPECT_FALSE(actor.steps.empty()) << name << " " << actor.name;
    }
}

// Nobody has to hit it, and what comes of it later is silenced, with the reason.
TEST(SearchActs, AGuardIsTakenOut) {
    ActSet set;
    for (const auto& row : guard_rows()) {
        ASSERT_TRUE(take_out(row.name, set));
        const auto& rule = set.job.rules.back();
        EXPECT_EQ(rule.point, row.point);
        EXPECT_EQ(rule.override_return, 0);
        EXPECT_TRUE(rule.optional);
        EXPECT_EQ(set.job.allow.at(0).text, row.caused);
        EXPECT_EQ(set.job.allow.at(1).kind, catalogue::FailureKind::not_owned);
        EXPECT_NE(catalogue::find_point(rule.point), nullptr);
    }
    EXPECT_EQ(take_out("fence", set).error().fault, Fault::usage);
}

} // namespace
} // namespace dmarace::search
