// SPDX-License-Identifier: GPL-2.0-or-later
// What a board is taken for, and dry runs against one of files: what is told, and that
// nothing is written.
#include "../worked_examples.hpp"
#include "campaign/campaign.hpp"
#include "campaign/survey.hpp"
#include "fake_machine.hpp"
#include "job/load.hpp"
#include "results.hpp"

#include <gmock/gmock.h>

#include <map>

namespace dmarace::campaign {
namespace {

using test::surveyed;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Survey board_with_three() {
    Survey survey;
    survey.devices = {surveyed("pci", "0000:00:02.0", "e1000e"),
                      surveyed("pci", "0000:00:03.0", "nvme"),
                      surveyed("platform", "dma0", "pl330")};
    survey.devices[1].device.driver = ""; // unbound
    survey.iommu_module = "virtio_iommu";
    return survey;
}

job::Param client(const std::string& pick = "unused",
                  job::ParamType type = job::ParamType::device) {
    job::Param param;
    param.name = "client";
    param.type = type;
    param.behind = "iommu";
    param.bus = "pci";
    param.pick = pick;
    return param;
}

job::Job job_with(std::vector<job::Param> params, std::vector<std::string> needs = {}) {
    job::Job job;
    job.params = std::move(params);
    job.needs = std::move(needs);
    return job;
}

// What a parameter becomes.
std::vector<std::string> value_of(const std::string& param, const job::Job& job,
                                  const Survey& survey, const Wishes& wishes = {}) {
    return got(resolve(job, survey, wishes)).at(param);
}

// The same of the one client.
std::vector<std::string> client_of(const Survey& survey, const Wishes& wishes = {},
                                   const job::Param& param = client()) {
    return value_of("client", job_with({param}), survey, wishes);
}

TEST(Resolve, unused_prefers_an_unbound_device_but_not_beside_a_bound_one) {
    auto survey = board_with_three();
    EXPECT_THAT(client_of(survey), ElementsAre("pci/0000:00:03.0"));
    survey.devices[1].endpoint = false; // a bridge is no client
    EXPECT_THAT(client_of(survey), ElementsAre("pci/0000:00:02.0"));
    survey.devices[1].endpoint = true;
    survey.devices.push_back(surveyed("pci", "0000:00:03.1", "nvme"));
    survey.devices[1].device.group = survey.devices[3].device.group = 4;
    EXPECT_THAT(client_of(survey), ElementsAre("pci/0000:00:02.0"));
    survey.devices[3].device.driver.clear();
    EXPECT_THAT(client_of(survey), ElementsAre("pci/0000:00:03.0"));
}

TEST(Resolve, all_takes_every_one_of_the_bus_and_a_wish_wins_and_gets_its_full_name) {
    EXPECT_THAT(client_of(board_with_three(), {}, client("all", job::ParamType::devices)),
                ElementsAre("pci/0000:00:02.0", "pci/0000:00:03.0"));
    EXPECT_THAT(client_of(board_with_three(), {.device = "0000:00:02.0"}),
                ElementsAre("pci/0000:00:02.0"));
}

// The GPU of a SoC, say.
TEST(Resolve, a_platform_device_is_touched_where_it_is_named_or_with_all_clients) {
    auto survey = board_with_three();
    survey.devices[2].named_only = true;
    survey.groups = {{7, {"platform/dma0"}}};
    survey.devices[2].device.group = 7;
    auto any = client("all", job::ParamType::devices);
    any.bus.clear();
    EXPECT_THAT(client_of(survey, {}, any), ElementsAre("pci/0000:00:02.0", "pci/0000:00:03.0"));
    EXPECT_THAT(client_of(survey, {.all_clients = true}, any), testing::Contains("platform/dma0"));
    any.bus = "platform";
    EXPECT_TRUE(refused(resolve(job_with({any}), survey, {}), Fault::untestable, "--all-clients"));
    EXPECT_THAT(client_of(survey, {.device = "platform/dma0"}, any), ElementsAre("platform/dma0"));
    any.type = job::ParamType::device; // the job is about one of that bus
    EXPECT_THAT(client_of(survey, {}, any), ElementsAre("platform/dma0"));
    const board::Devices devices;
    EXPECT_TRUE(inventory(survey, devices, {}).groups.at(0).named_only);
    EXPECT_FALSE(inventory(survey, devices, {.all_clients = true}).groups.at(0).named_only);
}

TEST(Resolve, what_is_not_there_is_a_usage_error_with_the_nearest) {
    const auto job = job_with({client()});
    EXPECT_TRUE(refused(resolve(job, board_with_three(), {.device = "pci/0000:00:02.1"}),
                        Fault::usage, "pci/0000:00:02.0"));
    EXPECT_TRUE(refused(resolve(job, board_with_three(), {.set = {{"clinet", "x"}}}), "client"));
}

TEST(Resolve, the_guard_keeps_a_device_out_and_i_know_lets_it_in) {
    auto survey = board_with_three();
    survey.devices[1].guard = "mounted on /";
    EXPECT_THAT(client_of(survey), ElementsAre("pci/0000:00:02.0"));
    Wishes wishes{.device = "pci/0000:00:03.0"};
    EXPECT_TRUE(refused(resolve(job_with({client()}), survey, wishes), "mounted on /"));
    wishes.i_know = {"pci/0000:00:03.0"};
    EXPECT_TRUE(resolve(job_with({client()}), survey, wishes));
}

TEST(Resolve, what_the_board_lacks_is_untestable) {
    EXPECT_TRUE(refused(resolve(job_with({client()}), Survey{}, {}), Fault::untestable));
    auto survey = board_with_three();
    EXPECT_TRUE(refused(resolve(job_with({client("shared")}), survey, {}), Fault::untestable,
                        "no IOMMU group"));
    survey.iommu_module.clear();
    survey.no_iommu_module = "the IOMMU smmu3.0x9050000 is driven by code built into this kernel";
    EXPECT_TRUE(refused(resolve(job_with({}, {"iommu-module"}), survey, {}), Fault::untestable,
                        "smmu3.0x9050000"));
}

job::Param modules(const std::string& name, const std::string& pick) {
    job::Param param;
    param.name = name;
    param.type = job::ParamType::modules;
    param.pick = pick;
    return param;
}

TEST(Resolve, driver_of_leaves_out_modules_that_drive_other_devices_too) {
    auto survey = board_with_three();
    survey.devices.push_back(surveyed("platform", "dma1", "nvme"));
    EXPECT_THAT(value_of("drivers",
                         job_with({client("all", job::ParamType::devices),
                                   modules("drivers", "driver-of {client}")}),
                         survey),
                ElementsAre("e1000e"));
}

TEST(Resolve, a_shared_client_and_its_sibling_are_in_one_group) {
    auto survey = board_with_three();
    survey.devices.push_back(surveyed("pci", "0000:00:06.0", "nvme"));
    survey.devices.push_back(surveyed("pci", "0000:00:06.1", "nvme"));
    survey.devices[1].device.group = 1;
    survey.devices[3].device.group = survey.devices[4].device.group = 2;
    auto sibling = client("sibling-of {client}");
    sibling.name = "sibling";
    const auto job = job_with({client("shared"), sibling});
    EXPECT_THAT(value_of("client", job, survey), ElementsAre("pci/0000:00:06.0"));
    EXPECT_THAT(value_of("sibling", job, survey), ElementsAre("pci/0000:00:06.1"));
}

TEST(Resolve, a_list_of_iommu_modules_is_empty_where_the_driver_is_built_in) {
    auto survey = board_with_three();
    const auto job = job_with({modules("iommu", "iommu-driver")});
    EXPECT_THAT(value_of("iommu", job, survey), ElementsAre("virtio_iommu"));
    survey.iommu_module.clear();
    EXPECT_THAT(value_of("iommu", job, survey), ElementsAre());
}

job::Plan plan_with(job::Verb verb, std::vector<std::string> args) {
    job::Plan plan;
    plan.actors.push_back({"a", {{verb, std::move(args), "", {}, {}}}, {}});
    return plan;
}

TEST(Touched, a_group_with_a_guarded_member_is_refused) {
    auto survey = board_with_three();
    survey.groups = {{7, {"pci/0000:00:02.0"}}};
    survey.devices[0].device.group = 7;
    const auto plan = plan_with(job::Verb::type, {"7", "identity"});
    EXPECT_TRUE(check_touched(plan, survey, {}));
    survey.devices[0].guard = "swap";
    EXPECT_FALSE(check_touched(plan, survey, {}));
}

// Written by hand it is an error, and a sweep over it a skip that names it.
TEST(Touched, a_guarded_device_is_refused_unless_somebody_knows) {
    auto survey = board_with_three();
    survey.devices[0].guard = "mounted on /";
    const auto by_hand = plan_with(job::Verb::unbind, {"pci/0000:00:02.0"});
    EXPECT_TRUE(refused(check_touched(by_hand, survey, {}), Fault::usage, "mounted on /"));
    EXPECT_TRUE(check_touched(by_hand, survey, {.i_know = {"pci/0000:00:02.0"}}));
    for (const auto& plan : {plan_with(job::Verb::remove, {"behind", "virtio_iommu"}),
                             plan_with(job::Verb::rmmod, {"e1000e"})}) {
        EXPECT_TRUE(refused(check_touched(plan, survey, {}), Fault::untestable, "pci/0000:00:02.0",
                            "mounted on /"));
        EXPECT_TRUE(check_touched(plan, survey, {.i_know = {"pci/0000:00:02.0"}}));
    }
    EXPECT_TRUE(check_touched(plan_with(job::Verb::rmmod, {"nvme"}), survey, {}));
}

TEST(Touched, what_is_not_there_is_told_before_anything_is_done) {
    const auto survey = board_with_three();
    EXPECT_FALSE(check_touched(plan_with(job::Verb::unbind, {"pci/0000:00:0f.0"}), survey, {}));
    EXPECT_FALSE(check_touched(plan_with(job::Verb::type, {"99", "DMA"}), survey, {}));
    job::Plan plan;
    plan.rules.emplace_back().name = "slow";
    EXPECT_TRUE(check_touched(plan, survey, {}));
    plan.rules.front().group = "77";
    EXPECT_TRUE(
        refused(check_touched(plan, survey, {}), Fault::usage, "rule slow: no IOMMU group 77"));
}

// Two clients of PCI, one of them the NIC of the default route, behind an IOMMU
// that the device tree's iommu-map tells of; one bound client in a group.
struct FakeBoard {
    FakeBoard() {
        const std::string host = "sys/devices/platform/pcie", bus = host + "/pci0000:00/";
        tree_.device("pci", "0000:00:02.0", bus + "0000:00:02.0", "e1000e", "1")
            .device("pci", "0000:00:03.0", bus + "0000:00:03.0", "virtio-pci")
            .file("sys/bus/pci/drivers_autoprobe", "1")
            .file("proc/kallsyms", "0000000000000000 T of_iommu_configure\n"
                                   "0000000000000000 t probe_iommu_group\n"
                                   "0000000000000000 t pci_dma_configure\t[somewhere]\n"
                                   "0000000000000000 D really_probe\n");
        // First requester 0, IOMMU 1, first stream 0, 0x18 of them: 02.0 but not 03.0.
        const std::string map{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x18};
        tree_.file(host + "/of_node/iommu-map", map)
            .file("sys/kernel/iommu_groups/1/type", "DMA")
            .link("sys/kernel/iommu_groups/1/devices/0000:00:02.0", bus + "0000:00:02.0")
            .link(bus + "0000:00:02.0/subsystem", "sys/bus/pci");
    }

    Onlooker onlooker() const {
        return {board::Devices(tree_.files().read_only()), board::Modules()};
    }
    std::map<std::string, std::string> contents() const {
        std::map<std::string, std::string> out;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(tree_.root()))
            if (entry.is_regular_file() && !entry.is_symlink())
                out[entry.path()] = tree_.text(entry.path().lexically_relative(tree_.root()));
        return out;
    }

    test::FakeTree tree_;
};

const auto kExamples = test::worked_examples(DMARACE_SOURCE_DIR);

job::Job loaded(const test::WorkedExample& example) {
    auto job = job::load(example.text, example.name);
    if (!job)
        for (const auto& diagnostic : job.error())
            ADD_FAILURE() << job::to_text(diagnostic);
    return job.value_or(job::Job{});
}

TEST(WorkedExamples, ThePageHasThree) {
    std::vector<std::string> names;
    for (const auto& example : kExamples)
        names.push_back(example.name);
    EXPECT_THAT(names, ElementsAre("slow-bind", "bind-before-domain", "types-while-binding"));
}

TEST(WorkedExamples, LintFindsNothing) {
    for (const auto& example : kExamples)
        for (const auto& diagnostic : job::lint(loaded(example)))
            ADD_FAILURE() << job::to_text(diagnostic);
}

// What the page says lint says of the second one, held at the wrong place.
TEST(WorkedExamples, LintSaysWhatThePageSays) {
    auto example = kExamples.at(1);
    const std::string right = "\"probe_iommu_group\"\non       = \"exit\"";
    example.text.replace(example.text.find(right), right.size(),
                         "\"__iommu_device_set_domain\"\non       = \"exit\"");
    const auto diagnostics = job::lint(loaded(example));
    ASSERT_FALSE(diagnostics.empty());
    std::ifstream file(DMARACE_SOURCE_DIR "/docs/writing-jobs.md");
    std::string page{std::istreambuf_iterator<char>(file), {}};
    for (std::size_t at = 0; (at = page.find("\n    ", at)) != std::string::npos;)
        page.replace(at, 5, " "); // a long line goes on in the next one
    const auto text = job::to_text(diagnostics.front());
    EXPECT_THAT(
        page, HasSubstr(text.substr(std::string("bind-before-domain").size(), text.find(';') - 18)))
        << text;
}

TEST(WorkedExamples, RunDryOnAFakeBoardAndWriteNothing) {
    const FakeBoard fake;
    const auto before = fake.contents();
    for (const auto& example : kExamples) {
        CampaignOptions options;
        options.wishes.set = {{"iommu", "virtio_iommu"}};
        auto job = loaded(example);
        if (example.name != "bind-before-domain")
            options.wishes.set.clear();
        else
            job.needs = {"pci-client"}; // this tree has no modules
        const auto text = preview(fake.onlooker(), job, options);
        ASSERT_TRUE(text) << example.name << ": " << text.error().message;
        EXPECT_THAT(*text, HasSubstr("bind pci/0000:00:02.0\n"));
        EXPECT_THAT(*text, Not(HasSubstr("{")));
        EXPECT_THAT(*text, HasSubstr("Nothing was done."));
    }
    EXPECT_EQ(fake.contents(), before);
}

// What is told of the nth example.
Result<std::string> told(const FakeBoard& fake, std::size_t example,
                         const CampaignOptions& options = {}) {
    return preview(fake.onlooker(), loaded(kExamples.at(example)), options);
}

TEST(Preview, TellsWhyAndWhatIsPutBack) {
    const auto text = got(told(FakeBoard(), 0));
    EXPECT_THAT(text, HasSubstr("the first of 1 pci devices behind an IOMMU that the guard lets "
                                "pass, those of unbound groups first; bound to e1000e, group 1"));
    EXPECT_THAT(text, HasSubstr("  driver pci/0000:00:02.0 e1000e\n"));
    EXPECT_THAT(text, HasSubstr("  type pci/0000:00:02.0 DMA\n"));
    EXPECT_THAT(text, HasSubstr("    function  pci_dma_configure\n"));
    EXPECT_THAT(text, HasSubstr("    function  absent: this kernel has no really_probe\n"));
}

TEST(Preview, TheDeviceTreeTellsOfAnIommuWithoutAGroupAndOfADeviceBeyondItsMap) {
    FakeBoard fake;
    std::filesystem::remove(fake.tree_.root() /
                            "sys/devices/platform/pcie/pci0000:00/0000:00:02.0/iommu_group");
    EXPECT_THAT(got(told(fake, 0)), HasSubstr("bind pci/0000:00:02.0\n"));
    CampaignOptions options;
    options.wishes.device = "pci/0000:00:03.0";
    EXPECT_TRUE(refused(told(FakeBoard(), 0, options), "is not behind an IOMMU"));
}

TEST(Preview, WhatWouldBeASkipIsOneAndHelpSaysIt) {
    const FakeBoard fake;
    EXPECT_TRUE(refused(told(fake, 1), Fault::untestable));
    const auto help = [&](std::size_t example) {
        return help_here(fake.onlooker(), loaded(kExamples.at(example)));
    };
    EXPECT_THAT(help(1), HasSubstr("Here: "));
    EXPECT_THAT(help(0), HasSubstr("here: pci/0000:00:02.0 (the first of"));
}

TEST(ReadOnlyFiles, RefuseToWrite) {
    test::FakeTree tree;
    tree.file("a", "1");
    EXPECT_TRUE(refused(tree.files().read_only().write("/a", "2"), EROFS));
    EXPECT_EQ(tree.text("a"), "1");
}

} // namespace
} // namespace dmarace::campaign
