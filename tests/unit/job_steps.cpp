// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/words.hpp"

#include <gmock/gmock.h>

namespace dmarace::job {
namespace {

using testing::ElementsAre;

const Place kHere{"f", 3, 10};

class GoodStep : public testing::TestWithParam<const char*> {};

TEST_P(GoodStep, Parses) {
    const auto step = parse_step(GetParam(), kHere);
    ASSERT_TRUE(step) << step.error().message;
    EXPECT_EQ(step->text, GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    All, GoodStep,
    testing::Values(
        "insmod virtio_iommu", "insmod nvme async", "insmod nvme async poll_queues=1",
        "insmod nvme poll_queues=1 io_timeout=5", "insmod /root/x.ko", "rmmod nvme",
        "bind pci/0000:00:02.0", "bind 0000:00:02.0 e1000e", "bind platform/9010000.pl031",
        "unbind virtio0", "override pci/0000:00:02.0 vfio-pci", "override pci/0000:00:02.0 none",
        "autoprobe off", "autoprobe on platform", "probe pci/0000:00:02.0",
        "remove pci/0000:00:02.0", "remove behind iommu", "remove behind virtio_iommu",
        "rescan pci", "sriov pci/0000:01:00.0 4", "reset pci/0000:01:00.0", "walk", "type 3 DMA-FQ",
        "type pci/0000:00:02.0 auto", "write /sys/bus/pci/rescan 1", "write /sys/x 'two words'",
        "wait in-window", "wait in-window 500ms", "wait done:walk", "wait step:walk:2",
        "wait blocked:w 1s", "wait bound:pci/0000:00:02.0", "signal go", "settle", "settle 20s",
        "expect unbound pci/a", "expect bound pci/a", "expect deferred pci/a",
        "expect type 3 unmanaged", "expect type pci/a DMA", "read /sys/kernel/iommu_groups/1/type",
        "sleep 10ms", "audit", "audit pci/a", "try bind pci/a", "claim pci/a", "try release pci/a",
        "  bind\tpci/a  ", "type {group} {type}", "remove {device}", "insmod {module} {word}"));

TEST(Step, WordsAndTheirPlaces) {
    const auto step = parse_step("try bind  pci/a e1000e", kHere);
    ASSERT_TRUE(step);
    EXPECT_TRUE(step->may_fail);
    EXPECT_THAT(step->args, ElementsAre("pci/a", "e1000e"));
    EXPECT_EQ(place_of_word(*step, 0), (Place{"f", 3, 14}));
    EXPECT_EQ(place_of_word(*step, 1), (Place{"f", 3, 20}));
    EXPECT_EQ(place_of_word(*step, 2), (Place{"f", 3, 26}));
}

TEST(Step, AWordInSingleQuotesHoldsBlanks) {
    EXPECT_THAT(parse_step("write /sys/x 'a b' ", kHere).value().args,
                ElementsAre("/sys/x", "a b"));
}

TEST(Step, KindsOfItsWords) {
    EXPECT_THAT(*match_step(parse_step("expect type {g} {s}", kHere).value()),
                ElementsAre("", "GROUP|DEVICE", "STATE"));
}

TEST(Step, WhatTheGuardCannotOverseeNeedsUnsafe) {
    EXPECT_TRUE(needs_unsafe(*parse_step("write /sys/x 1", kHere)));
    EXPECT_TRUE(needs_unsafe(*parse_step("insmod /root/x.ko", kHere)));
    EXPECT_TRUE(needs_unsafe(*parse_step("insmod ./x.ko", kHere)));
    EXPECT_FALSE(needs_unsafe(*parse_step("insmod nvme", kHere)));
    Step repeat;
    repeat.verb = Verb::repeat;
    repeat.body = {*parse_step("write /sys/x 1", kHere)};
    EXPECT_TRUE(needs_unsafe(repeat));
}

TEST(Step, EveryVerbHasANameAndAForm) {
    ASSERT_EQ(catalogue::verb_rows().size(), catalogue::kVerbs);
    for (std::size_t i = 0; i < catalogue::kVerbs; ++i) {
        const auto& row = catalogue::verb_rows()[i];
        EXPECT_EQ(row.verb, static_cast<Verb>(i)) << row.name;
        EXPECT_EQ(catalogue::verb_from(row.name), row.verb);
        EXPECT_EQ(to_text(row.verb), row.name);
        EXPECT_FALSE(row.forms().empty()) << row.name;
        for (const auto& form : row.forms()) {
            EXPECT_TRUE(form.usage.starts_with(row.name)) << form.usage;
            EXPECT_FALSE(form.help.empty()) << form.usage;
        }
    }
    EXPECT_EQ(catalogue::verb_names().size(), catalogue::kVerbs);
    EXPECT_FALSE(catalogue::verb_from("echo"));
}

struct Bad {
    const char* text;
    std::size_t word;
    const char* message;
};

class BadStep : public testing::TestWithParam<Bad> {};

TEST_P(BadStep, SaysWhichWordAndWhy) {
    const auto step = parse_step(GetParam().text, kHere);
    ASSERT_FALSE(step);
    EXPECT_EQ(step.error().word, GetParam().word);
    EXPECT_EQ(step.error().message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadStep,
    testing::Values(
        Bad{"", 0, "an empty step"}, Bad{"try", 0, "an empty step"},
        Bad{"insmode x", 0, "unknown step 'insmode'; did you mean 'insmod'?"},
        Bad{"echo 1", 0, "unknown step 'echo'"},
        Bad{"Bind pci/a", 0, "unknown step 'Bind'; did you mean 'bind'?"},
        Bad{"try walkk", 0, "unknown step 'walkk'; did you mean 'walk'?"},
        Bad{"repeat 3", 0, "a repeat is written as a table: { repeat = N, steps = [..] }"},
        Bad{"insmod", 0, "'MODULE' is missing; usage: insmod MODULE [async] [SETTING...]"},
        Bad{"insmod x;rm", 1, "'x;rm' is no module name"},
        Bad{"insmod x asinc", 2, "'asinc' is no module parameter; write name=value"},
        Bad{"rmmod a b", 2, "one word too many: 'b'; usage: rmmod MODULE"},
        Bad{"bind", 0, "'DEVICE' is missing; usage: bind DEVICE [DRIVER]"},
        Bad{"bind pci/a/b", 1, "'pci/a/b' is no device; write BUS/NAME"},
        Bad{"bind ../a", 1, "'../a' is no device; write BUS/NAME"},
        Bad{"bind pci/..", 1, "'pci/..' is no device; write BUS/NAME"},
        Bad{"bind /a", 1, "'/a' is no device; write BUS/NAME"},
        Bad{"bind pci/a dr/iver", 2, "'dr/iver' is no driver name"},
        Bad{"autoprobe", 0, "'autoprobe' needs a word: on, off"},
        Bad{"autoprobe of", 1, "autoprobe knows no word 'of'; did you mean 'off'?; it has on, off"},
        Bad{"autoprobe off pcie", 2,
            "'pcie' is no bus that can have an IOMMU; did you mean 'pci'?"},
        Bad{"rescan", 0, "'DEVICE' is missing; usage: rescan DEVICE"},
        Bad{"remove", 0, "'DEVICE' is missing; usage: remove DEVICE"},
        Bad{"remove behind", 1, "'IOMMU' is missing; usage: remove behind IOMMU"},
        Bad{"sriov pci/a four", 2, "'four' is no whole number"},
        Bad{"walk again", 1, "one word too many: 'again'; usage: walk"},
        Bad{"type 3", 1, "'TYPE' is missing; usage: type GROUP|DEVICE TYPE"},
        Bad{"type 3 DMA-QF", 2, "'DMA-QF' is no type of a group; did you mean 'DMA-FQ'?"},
        Bad{"type 3 unmanaged", 2, "'unmanaged' is no type of a group"},
        Bad{"write x 1", 1, "'x' is no path; write it from the root"},
        Bad{"wait", 0, "'SIGNAL' is missing; usage: wait SIGNAL [TIME]"},
        Bad{"wait a.b", 1, "'a.b' is no signal; names have letters, digits, '-' and '_'"},
        Bad{"wait don:walk", 1, "unknown kind of signal 'don:'; did you mean 'done'?"},
        Bad{"wait done:", 1, "'done:' does not say of whom; write done:NAME"},
        Bad{"wait step:a", 1, "'step:a' does not say which step; write step:ACTOR:N, N from 1"},
        Bad{"wait step:a:0", 1, "'step:a:0' does not say which step; write step:ACTOR:N, N from 1"},
        Bad{"wait x 5", 2, "'5' has no unit; use ns, us, ms, s, m, h or d"},
        Bad{"wait x 5sec", 2, "'5sec': unknown unit 'sec'; use ns, us, ms, s, m, h or d"},
        Bad{"signal done:a", 1, "'done:a' is no name for a signal of the job's own"},
        Bad{"settle 1", 1, "'1' has no unit; use ns, us, ms, s, m, h or d"},
        Bad{"sleep", 0, "'TIME' is missing; usage: sleep TIME"},
        Bad{"expect", 0, "'expect' needs a word: unbound, bound, deferred, ungrouped, gone, type"},
        Bad{"expect bond pci/a", 1,
            "expect knows no word 'bond'; did you mean 'bound'?; it has unbound, bound, deferred, "
            "ungrouped, gone, type"},
        Bad{"expect type 3 DMA_FQ", 3, "'DMA_FQ' is no type of a group; did you mean 'DMA-FQ'?"},
        Bad{"read x", 1, "'x' is no path; write it from the root"},
        Bad{"expect type a/b/c DMA", 2, "'a/b/c' is neither the number of a group nor a device"}));

} // namespace
} // namespace dmarace::job
