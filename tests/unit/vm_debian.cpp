// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/process.hpp"
#include "base/text.hpp"
#include "fake_tree.hpp"
#include "results.hpp"
#include "vm/kernels/debian.hpp"
#include "vm/kernels/source.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace::vm;
using namespace dmarace;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(VmSuites, MirrorsComeFromTheHost) {
    const auto mirrors = got(read_mirrors("Other|Debian|http://x/\n"
                                          "Debian|Debian|http://mirror.test/debian/\n"
                                          "Debian|Debian-Security|http://mirror.test/security/\n"
                                          "Debian|Debian|http://second.test/debian/\n"));
    EXPECT_EQ(mirrors.main, "http://mirror.test/debian/");
    EXPECT_EQ(mirrors.security, "http://mirror.test/security/");
    EXPECT_TRUE(refused(read_mirrors("Ubuntu|Ubuntu|http://x/\n"), "apt-get update"));
}

TEST(VmSuites, SecuritySuitesLiveInTheSecurityRepository) {
    const Mirrors mirrors{"http://m/", "http://s/"};
    const auto list = sources_list(mirrors, {"trixie", "trixie-security"}, "arm64,amd64");
    EXPECT_THAT(list, HasSubstr("http://m/ trixie main\n"));
    EXPECT_THAT(list, HasSubstr("http://s/ trixie-security main\n"));
    EXPECT_THAT(list, HasSubstr("arch=arm64,amd64"));
    EXPECT_THAT(sources_list({"http://m/", ""}, {"trixie-security"}, "arm64"), "");
}

TEST(VmSuites, CommentsAreInNoList) {
    EXPECT_THAT(read_list("# why\nsystemd\n\nudev\n"), ElementsAre("systemd", "udev"));
    EXPECT_THAT(read_list("# a\n\ntrixie\n  bookworm \n"), ElementsAre("trixie", "bookworm"));
}

TEST(VmSuites, MadisonLines) {
    const auto packages = read_madison(
        "linux-kbuild-6.1:amd64 |  6.1.192-2 | http://m/ bookworm-security/main amd64 Packages\n"
        "linux-headers-x | 6.1-1 | http://m/ trixie/main arm64 Packages\n"
        "linux-headers-x | 6.1-1 | http://m/ trixie/main amd64 Packages\n"
        "nonsense\n");
    EXPECT_THAT(packages, ElementsAre(Package{"linux-kbuild-6.1", "6.1.192-2", "bookworm-security"},
                                      Package{"linux-headers-x", "6.1-1", "trixie"}));
}

// Packages of a kernel by their names, in which % is its ABI.
std::vector<Package> named(const std::string& abi, const std::string& version, const char* names) {
    std::vector<Package> packages;
    for (std::string name : words_in(names)) {
        if (const auto at = name.find('%'); at != std::string::npos)
            name.replace(at, 1, abi);
        packages.push_back({name, version, "suite-of-" + abi});
    }
    return packages;
}

std::vector<Package> operator+(std::vector<Package> left, const std::vector<Package>& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

// A kernel as it was packaged until 6.18.
std::vector<Package> whole(const std::string& abi, const std::string& version,
                           const char* kbuild = "linux-kbuild-%") {
    return named(abi, version, "linux-image-%-arm64 linux-headers-%-arm64 linux-headers-%-common") +
           named(abi, version, kbuild);
}

DebianKernel chosen(const std::string& series, const std::string& arch,
                    const std::vector<Package>& packages) {
    return got(choose_kernel(series, arch, packages));
}

TEST(VmSeries, VersionsCompareAsDpkgDoes) {
    for (const auto& [older, newer] : {std::pair{"6.1.176-1", "6.1.192-2"},
                                       {"6.9.1-1", "6.12.1-1"},
                                       {"7.3.4-1~bpo13+1", "7.3.4-1"},
                                       {"7.3~rc4-1", "7.3-1"},
                                       {"9-1", "1:1-1"},
                                       {"6.12.95-1~bpo12+1", "6.12.95-1~bpo12+2"},
                                       {"1.0", "1.0a"},
                                       {"1.0a", "1.0+b"}}) {
        EXPECT_TRUE(is_newer(newer, older)) << newer;
        EXPECT_FALSE(is_newer(older, newer)) << older;
    }
    EXPECT_FALSE(is_newer("6.1.192-2", "6.1.192-2"));
    EXPECT_FALSE(is_newer("1.02", "1.2"));
    EXPECT_FALSE(is_newer("1.2", "1.02"));
}

TEST(VmSeries, NewestWins) {
    const auto choice =
        chosen("6.12", "arm64",
               whole("6.12.107+deb13", "6.12.107-1") + whole("6.12.117+deb13", "6.12.117-1") +
                   whole("6.12.95+deb12", "6.12.95-1~bpo12+1"));
    EXPECT_EQ(choice.abi, "6.12.117+deb13");
    EXPECT_EQ(choice.version, "6.12.117-1");
    EXPECT_EQ(choice.suite, "suite-of-6.12.117+deb13");
    EXPECT_THAT(choice.packages, Contains("linux-image-6.12.117+deb13-arm64"));
    EXPECT_EQ(choice.kbuild, "linux-kbuild-6.12.117+deb13");
}

TEST(VmSeries, OldKbuildIsNamedAfterTheSeriesAndPartsOfAnotherVersionDoNotCount) {
    auto packages = whole("6.1.0-56", "6.1.192-2", "linux-kbuild-6.1");
    EXPECT_EQ(chosen("6.1", "arm64", packages).kbuild, "linux-kbuild-6.1");
    packages[0].version = "6.1.192-1";
    EXPECT_FALSE(choose_kernel("6.1", "arm64", packages));
}

TEST(VmSeries, AKernelWithoutAllItsPartsIsPassedOver) {
    const auto newer = whole("6.12.117+deb13", "6.12.117-1"),
               older = whole("6.12.107+deb13", "6.12.107-1");
    for (std::size_t missing = 0; missing < newer.size(); ++missing) {
        auto packages = newer;
        packages.erase(packages.begin() + static_cast<std::ptrdiff_t>(missing));
        const auto choice = chosen("6.12", "arm64", packages + older);
        EXPECT_EQ(choice.abi, "6.12.107+deb13") << newer[missing].name;
    }
}

TEST(VmSeries, NewKernelsAreSplitUp) {
    const std::string abi = "7.3.4+deb13", version = "7.3.4-1~bpo13+1";
    const auto choice =
        chosen("7", "arm64",
               whole(abi, version) + named(abi, version,
                                           "linux-binary-%-arm64 linux-modules-%-arm64 "
                                           "linux-base-%-arm64"));
    EXPECT_THAT(choice.packages, Contains("linux-binary-" + abi + "-arm64"));
    EXPECT_THAT(choice.packages, Contains("linux-modules-" + abi + "-arm64"));
    EXPECT_THAT(choice.packages, Not(Contains("linux-image-" + abi + "-arm64")));
}

// Complete but for the flavour, so that only the flavour speaks against them.
TEST(VmSeries, OtherFlavoursAreNeverTaken) {
    const std::string abi = "6.12.117+deb13";
    EXPECT_TRUE(choose_kernel("6.12", "arm64", whole(abi, "6.12.117-1")));
    for (const std::string flavour : {"-rt", "-cloud", "-16k", "-dbg"})
        EXPECT_FALSE(choose_kernel("6.12", "arm64", whole(abi + flavour, "6.12.117-1"))) << flavour;
    auto pages = whole(abi, "6.12.117-1");
    for (Package& package : pages)
        if (package.name.ends_with("-arm64"))
            package.name += "-16k";
    EXPECT_FALSE(choose_kernel("6.12", "arm64", pages));
}

// As Debian names them: rt before the architecture, and 16k behind it.
TEST(VmSeries, AFlavourIsTakenWhereItIsNamed) {
    const std::string abi = "6.12.117+deb13", version = "6.12.117-1";
    const auto packages =
        whole(abi, version) + named(abi, version,
                                    "linux-image-%-rt-arm64 linux-headers-%-rt-arm64 "
                                    "linux-headers-%-common-rt linux-image-%-arm64-16k "
                                    "linux-headers-%-arm64-16k");
    for (const auto& [series, image, common] : {std::tuple{"6.12", "-arm64", "-common"},
                                                {"6.12-rt", "-rt-arm64", "-common-rt"},
                                                {"6.12-16k", "-arm64-16k", "-common"}}) {
        const auto choice = chosen(series, "arm64", packages);
        EXPECT_EQ(choice.abi, abi);
        EXPECT_THAT(choice.packages,
                    ElementsAre("linux-headers-" + abi + image, "linux-headers-" + abi + common,
                                "linux-image-" + abi + image));
        EXPECT_EQ(*got(series_of(std::string("debian:") + series)), series);
    }
    // 7.x has one common package for all.
    auto one = packages;
    std::erase_if(one, [](const Package& package) { return package.name.ends_with("-common-rt"); });
    EXPECT_THAT(chosen("6.12-rt", "arm64", one).packages,
                Contains("linux-headers-" + abi + "-common"));
    EXPECT_TRUE(refused(choose_kernel("6.12-rt", "arm64", whole(abi, version)), "6.12-rt"));
    EXPECT_TRUE(refused(series_of("debian:6.12-cloud"), "debian:6.12-rt"));
    EXPECT_TRUE(refused(series_of("debian:-rt"), "names no series"));
}

TEST(VmSeries, AnArchitectureHasItsOwnPackages) {
    const std::string abi = "6.12.117+deb13";
    const auto packages = whole(abi, "6.12.117-1");
    EXPECT_FALSE(choose_kernel("6.12", "amd64", packages));
    const auto choice =
        chosen("6.12", "amd64",
               packages + named(abi, "6.12.117-1", "linux-image-%-amd64 linux-headers-%-amd64"));
    EXPECT_EQ(choice.arch, "amd64");
    EXPECT_THAT(choice.packages, Contains("linux-image-" + abi + "-amd64"));
    EXPECT_THAT(choice.packages, Not(Contains("linux-image-" + abi + "-arm64")));
}

TEST(VmSeries, NothingIsAnErrorThatNamesTheSeries) {
    EXPECT_TRUE(refused(choose_kernel("5.15", "arm64", {}), "5.15"));
    EXPECT_FALSE(choose_kernel("6.1", "arm64", whole("6.12.117+deb13", "6.12.117-1")));
}

TEST(VmKernel, ASeriesMayNameItsArchitecture) {
    EXPECT_EQ(read_series("6.12", arm64())->architecture->name, "arm64");
    const auto wanted = got(read_series("6.12/amd64", arm64()));
    EXPECT_EQ(wanted.series, "6.12");
    EXPECT_EQ(wanted.architecture->name, "amd64");
    EXPECT_TRUE(refused(read_series("6.12/armhf", arm64()), "arm64 or amd64"));
    EXPECT_FALSE(read_series("../6", arm64()));
}

TEST(VmSource, TheNewestSourcePackageWins) {
    const auto best = choose_source("7", {{"linux-source-7.2", "7.2.13-1", "a"},
                                          {"linux-source-7.3", "7.3.4-1", "b"},
                                          {"linux-source-7.3", "7.3.4-1~bpo13+1", "c"}});
    ASSERT_TRUE(best);
    EXPECT_EQ(best->name, "linux-source-7.3");
    EXPECT_EQ(best->suite, "b");
    EXPECT_TRUE(refused(choose_source("9", {}), "linux-source-9"));
}

TEST(VmSource, ASeriesIsAWordOfDigitsAndDots) {
    EXPECT_EQ(series_of("debian:6.12")->value(), "6.12");
    EXPECT_FALSE(series_of("/src/linux")->has_value());
    for (const char* bad : {"debian:", "debian:6.", "debian:..", "debian:6/1", "debian:x"})
        EXPECT_FALSE(series_of(bad)) << bad;
}

constexpr const char* kMakefile = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\n"
                                  "EXTRAVERSION = -rc3\nNAME = x\n";

void make_source(test::FakeTree& tree) {
    tree.file("Makefile", kMakefile).file("Kbuild").file("Kconfig").file("arch/arm64/Kconfig");
    tree.file("include/linux/device.h", "struct device {};\n");
}

TEST(VmSource, VersionComesFromTheMakefile) {
    EXPECT_EQ(version_of(kMakefile), "6.12.117-rc3");
    EXPECT_EQ(version_of("VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 0\nEXTRAVERSION =\n"), "7.3.0");
    EXPECT_EQ(version_of("all:\n\tcc x.c\n"), "");
}

TEST(VmSource, WhatCannotBeBuiltFromIsToldApart) {
    test::FakeTree tree;
    const auto opened = [&] { return open_source_tree(tree.root()); };
    EXPECT_TRUE(refused(opened(), Fault::usage, "is no kernel source"));
    make_source(tree);
    EXPECT_EQ(opened()->version, "6.12.117-rc3");
    tree.file(".config", "");
    EXPECT_TRUE(refused(opened(), Fault::usage, "mrproper"));
    std::filesystem::remove(tree.root() / ".config");
    std::filesystem::remove(tree.root() / "arch/arm64/Kconfig");
    EXPECT_TRUE(refused(opened(), Fault::usage, "no arch/arm64"));
}

TEST(VmSource, HeadersHaveAKeyOfTheirOwn) {
    test::FakeTree tree;
    make_source(tree);
    const SourceTree source{tree.root(), ""};
    const auto before = headers_key(source);
    tree.file("drivers/iommu/iommu.c", "int x;\n");
    EXPECT_EQ(headers_key(source), before);
    tree.file("include/linux/device.h", "struct device { int x; };\n");
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
    test::FakeTree tree;
    tree.file("log", "make: x\n  CC      a.o\n  CC      b");
    BuildLog log(tree.root() / "log");
    EXPECT_EQ(log.text(), "(1: a.o)");
    tree.file("log", "make: x\n  CC      a.o\n  CC      b.o\n");
    EXPECT_EQ(log.text(), "(2: b.o)");
    EXPECT_EQ(BuildLog(tree.root() / "none").text(), "");
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

TEST(VmFragment, VariantsAreSortedEachOnceAndAnUnknownOneNamesTheNearest) {
    EXPECT_THAT(choose_variants({"lockdep,kasan", "lockdep"}, kKnown),
                testing::Optional(ElementsAre("kasan", "lockdep")));
    EXPECT_EQ(choose_variants({}, kKnown)->size(), 0U);
    EXPECT_TRUE(refused(choose_variants({"kasn"}, kKnown), Fault::usage, "'kasan'"));
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
    EXPECT_THAT(variant_names(configs), ElementsAre("gki", "kasan", "kmemleak", "lockdep"));
    test::FakeTree tree;
    tree.file("own", "CONFIG_ARM_SMMU_V3=y\n");
    const auto base = got(choose_options(configs, {})).fragment;
    const std::string own = (tree.root() / "own").string();
    const auto all =
        got(choose_options(configs, {.variants = {"kasan"}, .configs = {own}})).fragment;
    EXPECT_THAT(base, HasSubstr("CONFIG_ARM_SMMU_V3=m\n"));
    EXPECT_THAT(base, Not(HasSubstr("CONFIG_KASAN=y")));
    EXPECT_THAT(all, HasSubstr("CONFIG_ARM_SMMU_V3=y\n"));
    EXPECT_THAT(all, HasSubstr("CONFIG_KASAN=y\n"));
    EXPECT_FALSE(read_fragments(configs, {}, {tree.root() / "none"}));
}

TEST(VmFragment, AnArchitectureHasItsOwnOptions) {
    const std::filesystem::path configs(std::string(DMARACE_SOURCE_DIR) + "/vm/configs");
    const Architecture* amd64 = *find_architecture("amd64");
    const auto pc = got(choose_options(configs, {.architecture = amd64})).fragment;
    EXPECT_THAT(pc, HasSubstr("CONFIG_INTEL_IOMMU=y\n"));
    EXPECT_THAT(pc, Not(HasSubstr("ARM_SMMU_V3")));
    EXPECT_TRUE(refused(choose_options(configs, {.variants = {"amd64"}}), "no kernel variant"));
    // Another's defconfig loses nothing to the smallest kernel.
    const auto vendor = got(choose_options(configs, {.defconfig = "gki_defconfig"}));
    EXPECT_THAT(vendor.fragment, HasSubstr("CONFIG_9P_FS=y\n"));
    EXPECT_THAT(vendor.fragment, Not(HasSubstr("is not set")));
}

TEST(VmFragment, ClangIsNamedAsMakeNamesIt) {
    const std::filesystem::path configs(std::string(DMARACE_SOURCE_DIR) + "/vm/configs");
    EXPECT_TRUE(refused(choose_options(configs, {.variants = {"gki"}}), Fault::usage, "LLVM=1"));
    EXPECT_TRUE(refused(choose_options(configs, {.llvm = "new"}), Fault::usage, "clang-19"));
    EXPECT_EQ(got(choose_options(configs, {.variants = {"gki"}, .llvm = "19"})).llvm, "-19");
    EXPECT_EQ(llvm_program("1", "clang"), "clang");
    EXPECT_EQ(llvm_program("-19", "ld.lld"), "ld.lld-19");
    EXPECT_EQ(llvm_program("/opt/llvm/bin/", "clang"), "/opt/llvm/bin/clang");
    EXPECT_EQ(clang_major("CONFIG_GCC_VERSION=0\nCONFIG_CLANG_VERSION=190107\n"), 19U);
    EXPECT_EQ(clang_major("CONFIG_GCC_VERSION=120200\nCONFIG_CLANG_VERSION=0\n"), 0U);
}

// Kbuild refuses the kernels that dmarace.ko cannot run on, with the remedy. It
// does so while it is read, so make alone shows it.
std::string said_with(const std::vector<std::string>& options) {
    Command command{.argv = {"make", "-n", "-f", DMARACE_SOURCE_DIR "/Kbuild"},
                    .environment = {{"LC_ALL", "C"}},
                    .directory = "/"};
    command.argv.emplace_back("CONFIG_MODULES=y");
    command.argv.insert(command.argv.end(), options.begin(), options.end());
    const auto finished = run_to_end(command);
    return finished ? finished->errors : finished.error().message;
}

TEST(VmKbuild, RefusesWithTheRemedy) {
    for (const auto& [options, why, remedy] : {
             std::tuple{"CONFIG_IOMMU_API=y CONFIG_ARM64=y", "CONFIG_KPROBES is required",
                        "take a kernel built with CONFIG_KPROBES=y"},
             {"CONFIG_KPROBES=y CONFIG_ARM64=y", "CONFIG_IOMMU_API is required",
              "take a kernel with an IOMMU driver"},
             {"CONFIG_KPROBES=y CONFIG_IOMMU_API=y CONFIG_ARM=y", "not on 32-bit ARM",
              "take a 64-bit kernel"},
         }) {
        const auto said = said_with(split(options, ' '));
        EXPECT_THAT(said, HasSubstr(why));
        EXPECT_THAT(said, HasSubstr(remedy));
    }
    // The others are not refused.
    for (const char* architecture : {"CONFIG_ARM64=y", "CONFIG_X86_64=y"})
        EXPECT_THAT(said_with({"CONFIG_KPROBES=y", "CONFIG_IOMMU_API=y", architecture}),
                    Not(HasSubstr("required")));
}

} // namespace
