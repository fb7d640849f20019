// SPDX-License-Identifier: GPL-2.0-or-later
// Dry runs against a board of files: what is told, and that nothing is written.
#include "../worked_examples.hpp"
#include "campaign/preview.hpp"
#include "fake_tree.hpp"
#include "job/lint.hpp"
#include "job/load.hpp"

#include <gmock/gmock.h>

#include <map>

namespace dmarace::campaign {
namespace {

using testing::HasSubstr;
using testing::Not;

// Two clients of PCI, one of them the NIC of the default route, behind an IOMMU
// that the device tree's iommu-map tells of; one bound client in a group.
class FakeBoard {
public:
    FakeBoard() {
        const std::string host = "sys/devices/platform/pcie";
        tree_.device("pci", "0000:00:02.0", host + "/pci0000:00/0000:00:02.0", "e1000e", "1")
            .device("pci", "0000:00:03.0", host + "/pci0000:00/0000:00:03.0", "virtio-pci")
            .file("sys/bus/pci/drivers_autoprobe", "1")
            .file("proc/kallsyms", "0000000000000000 T of_iommu_configure\n"
                                   "0000000000000000 t probe_iommu_group\n"
                                   "0000000000000000 t pci_dma_configure\t[somewhere]\n"
                                   "0000000000000000 D really_probe\n");
        // First requester 0, IOMMU 1, first stream 0, 0x18 of them: 02.0 but not 03.0.
        const std::string map{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x18};
        tree_.file(host + "/of_node/iommu-map", map);
        tree_.file("sys/kernel/iommu_groups/1/type", "DMA")
            .link("sys/kernel/iommu_groups/1/devices/0000:00:02.0",
                  host + "/pci0000:00/0000:00:02.0")
            .link(host + "/pci0000:00/0000:00:02.0/subsystem", "sys/bus/pci");
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
    test::FakeTree& tree() { return tree_; }

private:
    test::FakeTree tree_;
};

job::Job loaded(const test::WorkedExample& example) {
    auto job = job::load(example.text, example.name);
    if (!job)
        for (const auto& diagnostic : job.error())
            ADD_FAILURE() << job::to_text(diagnostic);
    return job.value_or(job::Job{});
}

TEST(WorkedExamples, ThePageHasThree) {
    const auto examples = test::worked_examples(DMARACE_SOURCE_DIR);
    ASSERT_EQ(examples.size(), 3U);
    EXPECT_EQ(examples[0].name, "slow-bind");
    EXPECT_EQ(examples[1].name, "bind-before-domain");
    EXPECT_EQ(examples[2].name, "types-while-binding");
}

TEST(WorkedExamples, LintFindsNothing) {
    for (const auto& example : test::worked_examples(DMARACE_SOURCE_DIR))
        for (const auto& diagnostic : job::lint(loaded(example)))
            ADD_FAILURE() << job::to_text(diagnostic);
}

// What the page says lint says of the second one, held at the wrong place.
TEST(WorkedExamples, LintSaysWhatThePageSays) {
    auto example = test::worked_examples(DMARACE_SOURCE_DIR).at(1);
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
    for (const auto& example : test::worked_examples(DMARACE_SOURCE_DIR)) {
        RunOptions options;
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

TEST(Preview, TellsWhyAndWhatIsPutBack) {
    const FakeBoard fake;
    const auto job = loaded(test::worked_examples(DMARACE_SOURCE_DIR).at(0));
    const auto text = preview(fake.onlooker(), job, {});
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_THAT(*text, HasSubstr("the first of 1 pci devices behind an IOMMU that the guard lets "
                                 "pass, those of unbound groups first; bound to e1000e, group 1"));
    EXPECT_THAT(*text, HasSubstr("  driver pci/0000:00:02.0 e1000e\n"));
    EXPECT_THAT(*text, HasSubstr("  type pci/0000:00:02.0 DMA\n"));
    EXPECT_THAT(*text, HasSubstr("    function  pci_dma_configure\n"));
    EXPECT_THAT(*text, HasSubstr("    function  absent: this kernel has no really_probe\n"));
}

TEST(Preview, TheDeviceTreeTellsOfAnIommuWithoutAGroup) {
    FakeBoard fake;
    std::filesystem::remove(fake.tree().root() /
                            "sys/devices/platform/pcie/pci0000:00/0000:00:02.0/iommu_group");
    const auto job = loaded(test::worked_examples(DMARACE_SOURCE_DIR).at(0));
    const auto text = preview(fake.onlooker(), job, {});
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_THAT(*text, HasSubstr("bind pci/0000:00:02.0\n"));
}

TEST(Preview, ADeviceBeyondTheMapIsNoClient) {
    const FakeBoard fake;
    const auto job = loaded(test::worked_examples(DMARACE_SOURCE_DIR).at(0));
    RunOptions options;
    options.wishes.device = "pci/0000:00:03.0";
    const auto text = preview(fake.onlooker(), job, options);
    ASSERT_FALSE(text);
    EXPECT_THAT(text.error().message, HasSubstr("is not behind an IOMMU"));
}

TEST(Preview, WhatWouldBeASkipIsOne) {
    const FakeBoard fake;
    const auto job = loaded(test::worked_examples(DMARACE_SOURCE_DIR).at(1));
    const auto text = preview(fake.onlooker(), job, {});
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().fault, Fault::untestable);
    EXPECT_THAT(help_here(fake.onlooker(), job), HasSubstr("Here: "));
}

TEST(Preview, HelpTellsWhatThisBoardWouldTake) {
    const FakeBoard fake;
    const auto job = loaded(test::worked_examples(DMARACE_SOURCE_DIR).at(0));
    EXPECT_THAT(help_here(fake.onlooker(), job), HasSubstr("here: pci/0000:00:02.0 (the first of"));
}

TEST(ReadOnlyFiles, RefuseToWrite) {
    test::FakeTree tree;
    tree.file("a", "1");
    const auto written = tree.files().read_only().write("/a", "2");
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().os_error, EROFS);
    EXPECT_EQ(tree.text("a"), "1");
}

} // namespace
} // namespace dmarace::campaign
