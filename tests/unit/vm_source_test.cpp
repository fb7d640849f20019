// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/build_log.hpp"
#include "vm/kernel/source_build.hpp"
#include "vm/kernel/source_fetch.hpp"
#include "vm_temporary.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
using ::testing::HasSubstr;
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

TEST(VmSource, TheNewestSourcePackageWins) {
    const auto best = choose_source("7", {{"linux-source-7.2", "7.2.13-1", "a"},
                                          {"linux-source-7.3", "7.3.4-1", "b"},
                                          {"linux-source-7.3", "7.3.4-1~bpo13+1", "c"}});
    ASSERT_TRUE(best);
    EXPECT_EQ(best->name, "linux-source-7.3");
    EXPECT_EQ(best->suite, "b");
    const auto none = choose_source("9", {});
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message, HasSubstr("linux-source-9"));
}

TEST(VmSource, ASeriesIsAWordOfDigitsAndDots) {
    EXPECT_EQ(series_of("debian:6.12")->value(), "6.12");
    EXPECT_FALSE(series_of("/src/linux")->has_value());
    for (const char* bad : {"debian:", "debian:6.", "debian:..", "debian:6/1", "debian:x"})
        EXPECT_FALSE(series_of(bad)) << bad;
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

} // namespace
