// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/fragment.hpp"
#include "vm_temporary.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string> kKnown{"kasan", "kmemleak", "lockdep"};

TEST(VmFragment, VariantsAreSortedAndEachOnce) {
    EXPECT_THAT(choose_variants({"lockdep,kasan", "lockdep"}, kKnown),
                testing::Optional(ElementsAre("kasan", "lockdep")));
    EXPECT_EQ(choose_variants({}, kKnown)->size(), 0U);
}

TEST(VmFragment, AnUnknownVariantNamesTheNearest) {
    const auto chosen = choose_variants({"kasn"}, kKnown);
    ASSERT_FALSE(chosen);
    EXPECT_EQ(chosen.error().fault, Fault::usage);
    EXPECT_THAT(chosen.error().message, HasSubstr("'kasan'"));
    // It becomes a file name.
    EXPECT_FALSE(choose_variants({"../base"}, kKnown));
}

TEST(VmFragment, TheLastOneThatSetsAnOptionWins) {
    EXPECT_EQ(merge_fragments({"# words\nCONFIG_A=y\nCONFIG_B=m\n",
                               "# CONFIG_A is not set\nCONFIG_C=\"x y\"\nCONFIG_B=y\n"}),
              "# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C=\"x y\"\n");
}

TEST(VmFragment, WhatTheKernelHasOtherwiseIsTold) {
    const std::string fragment = "CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D=m\n"
                                 "# CONFIG_GONE is not set\n";
    EXPECT_THAT(unmet_options(fragment, "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\n"),
                ElementsAre("CONFIG_B=m", "# CONFIG_C is not set", "CONFIG_D=m"));
    EXPECT_THAT(unmet_options(fragment, "CONFIG_A=y\nCONFIG_B=m\nCONFIG_D=m\n"), ElementsAre());
}

TEST(VmFragment, TheShippedOnesAreThereAndOnesOwnComesLast) {
    const std::filesystem::path configs(std::string(DMARACE_SOURCE_DIR) + "/vm/configs");
    EXPECT_THAT(variant_names(configs), ElementsAre("kasan", "kmemleak", "lockdep"));
    const TemporaryTree tree;
    tree.write("own", "CONFIG_ARM_SMMU_V3=y\n");
    const auto base = read_fragments(configs, {}, {});
    const auto all = read_fragments(configs, {"kasan"}, {tree / "own"});
    ASSERT_TRUE(base && all);
    EXPECT_THAT(*base, HasSubstr("CONFIG_ARM_SMMU_V3=m\n"));
    EXPECT_THAT(*base, testing::Not(HasSubstr("CONFIG_KASAN=y")));
    EXPECT_THAT(*all, HasSubstr("CONFIG_ARM_SMMU_V3=y\n"));
    EXPECT_THAT(*all, HasSubstr("CONFIG_KASAN=y\n"));
    EXPECT_FALSE(read_fragments(configs, {}, {tree / "none"}));
}

} // namespace
