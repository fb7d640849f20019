// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/process.hpp"
#include "vm/kernels/source.hpp"
#include "vm_temporary.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kMakefile = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\n"
                                  "EXTRAVERSION = -rc3\nNAME = x\n";

void make_source(const TemporaryTree& tree) {
    tree.write("Makefile", kMakefile);
    tree.write("Kbuild", "");
    tree.write("Kconfig", "");
    tree.write("arch/arm64/Kconfig", "");
    tree.write("include/linux/device.h", "struct device {};\n");
}

std::string error_of(const TemporaryTree& tree) {
    const auto source = open_source_tree(tree.path());
    if (source)
        return "no error";
    EXPECT_EQ(source.error().fault, Fault::usage);
    return source.error().message;
}

TEST(VmSource, VersionComesFromTheMakefile) {
    EXPECT_EQ(version_of(kMakefile), "6.12.117-rc3");
    EXPECT_EQ(version_of("VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 0\nEXTRAVERSION =\n"), "7.3.0");
    EXPECT_EQ(version_of("all:\n\tcc x.c\n"), "");
}

TEST(VmSource, WhatCannotBeBuiltFromIsToldApart) {
    const TemporaryTree tree;
    EXPECT_THAT(error_of(tree), HasSubstr("is no kernel source"));
    make_source(tree);
    EXPECT_EQ(open_source_tree(tree.path())->version, "6.12.117-rc3");
    tree.write(".config", "");
    EXPECT_THAT(error_of(tree), HasSubstr("mrproper"));
    std::filesystem::remove(tree / ".config");
    std::filesystem::remove(tree / "arch/arm64/Kconfig");
    EXPECT_THAT(error_of(tree), HasSubstr("no arch/arm64"));
}

TEST(VmSource, HeadersHaveAKeyOfTheirOwn) {
    const TemporaryTree tree;
    make_source(tree);
    const SourceTree source{tree.path(), ""};
    const auto before = headers_key(source);
    tree.write("drivers/iommu/iommu.c", "int x;\n");
    EXPECT_EQ(headers_key(source), before);
    tree.write("include/linux/device.h", "struct device { int x; };\n");
    EXPECT_NE(headers_key(source), before);
}

TEST(VmSource, ADirectoryForEachTreeConfigurationAndCompiler) {
    const SourceTree tree{"/src/linux", "6.12.0"};
    const KernelOptions base{{}, "CONFIG_A=y\n"}, kasan{{"kasan"}, "CONFIG_A=y\nCONFIG_K=y\n"};
    const auto name = build_name(tree, base, "12.2");
    EXPECT_THAT(name, StartsWith("linux-"));
    EXPECT_EQ(name, build_name(tree, {{}, "CONFIG_A=y\n", 7}, "12.2"));
    EXPECT_NE(name, build_name({"/other/linux", "6.12.0"}, base, "12.2"));
    EXPECT_NE(name, build_name(tree, base, "14.1"));
    EXPECT_NE(name, build_name(tree, {{}, "CONFIG_B=y\n"}, "12.2"));
    EXPECT_THAT(build_name(tree, kasan, "12.2"), StartsWith("linux-kasan-"));
    // Another commit of the same tree is the same directory: that is what makes
    // the next build short.
    EXPECT_EQ(name, build_name({"/src/linux", "6.13.0"}, base, "12.2"));
}

TEST(VmBuildLog, StepsAreCountedWhileTheLogGrows) {
    EXPECT_EQ(step_of("  CC      drivers/iommu/iommu.o"), "drivers/iommu/iommu.o");
    EXPECT_EQ(step_of("  CC [M]  drivers/iommu/virtio-iommu.o"), "drivers/iommu/virtio-iommu.o");
    EXPECT_EQ(step_of("make[1]: Entering directory '/x'"), "");
    EXPECT_EQ(step_of("  ^~~~~"), "");
    const TemporaryTree tree;
    tree.write("log", "make: x\n  CC      a.o\n  CC      b");
    BuildLog log(tree / "log");
    EXPECT_EQ(log.text(), "(1: a.o)");
    tree.write("log", "make: x\n  CC      a.o\n  CC      b.o\n");
    EXPECT_EQ(log.text(), "(2: b.o)");
    EXPECT_EQ(BuildLog(tree / "none").text(), "");
}

TEST(VmBuildLog, TheHostIsToldFromTheSource) {
    EXPECT_EQ(host_trouble("a.c:1:1: error: expected ';'\nmake: *** [a.o] Error 1\n"), "");
    EXPECT_EQ(host_trouble("x\nas: a.o: No space left on device\ny\n"),
              "as: a.o: No space left on device");
    EXPECT_EQ(host_trouble("gcc: fatal error: Killed signal terminated program cc1"),
              "gcc: fatal error: Killed signal terminated program cc1");
}

TEST(VmBuildLog, ErrorsAreTheFirstLinesThatTell) {
    EXPECT_EQ(errors_in("  CC a.o\na.c:1: error: x\nmake: *** [a.o] Error 1\n"),
              "\n  a.c:1: error: x\n  make: *** [a.o] Error 1");
    EXPECT_EQ(errors_in("all is well\n"), "");
}

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

// Kbuild refuses the kernels that dmarace.ko cannot run on, with the remedy. It
// does so while it is read, so make alone shows it.
std::string said_with(const std::vector<std::string>& options) {
    Command command{.argv = {"make", "-n", "-f", DMARACE_SOURCE_DIR "/Kbuild"},
                    .environment = {{"LC_ALL", "C"}},
                    .directory = "/"};
    command.argv.insert(command.argv.end(), options.begin(), options.end());
    const auto finished = run_to_end(command);
    return finished ? finished->errors : finished.error().message;
}

TEST(VmKbuild, AKernelWithoutKprobes) {
    const auto said = said_with({"CONFIG_IOMMU_API=y", "CONFIG_ARM64=y"});
    EXPECT_THAT(said, HasSubstr("CONFIG_KPROBES is required"));
    EXPECT_THAT(said, HasSubstr("take a kernel built with CONFIG_KPROBES=y"));
}

TEST(VmKbuild, AKernelWithoutTheIommuApi) {
    const auto said = said_with({"CONFIG_KPROBES=y", "CONFIG_ARM64=y"});
    EXPECT_THAT(said, HasSubstr("CONFIG_IOMMU_API is required"));
    EXPECT_THAT(said, HasSubstr("take a kernel with an IOMMU driver"));
}

TEST(VmKbuild, A32BitArmKernel) {
    const auto said = said_with({"CONFIG_KPROBES=y", "CONFIG_IOMMU_API=y", "CONFIG_ARM=y"});
    EXPECT_THAT(said, HasSubstr("not on 32-bit ARM"));
    EXPECT_THAT(said, HasSubstr("take a 64-bit kernel"));
}

TEST(VmKbuild, TheOthersAreNotRefused) {
    for (const char* architecture : {"CONFIG_ARM64=y", "CONFIG_X86_64=y"})
        EXPECT_THAT(said_with({"CONFIG_KPROBES=y", "CONFIG_IOMMU_API=y", architecture}),
                    Not(HasSubstr("required")));
}

} // namespace
