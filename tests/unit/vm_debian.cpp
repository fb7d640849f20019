// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernels/debian.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(VmSuites, MirrorsComeFromTheHost) {
    const auto mirrors = read_mirrors("Other|Debian|http://x/\n"
                                      "Debian|Debian|http://mirror.test/debian/\n"
                                      "Debian|Debian-Security|http://mirror.test/security/\n"
                                      "Debian|Debian|http://second.test/debian/\n");
    ASSERT_TRUE(mirrors) << mirrors.error().message;
    EXPECT_EQ(mirrors->main, "http://mirror.test/debian/");
    EXPECT_EQ(mirrors->security, "http://mirror.test/security/");
}

TEST(VmSuites, AHostWithoutDebianIsToldWhatToDo) {
    const auto mirrors = read_mirrors("Ubuntu|Ubuntu|http://x/\n");
    ASSERT_FALSE(mirrors);
    EXPECT_THAT(mirrors.error().message, HasSubstr("apt-get update"));
}

TEST(VmSuites, SecuritySuitesLiveInTheSecurityRepository) {
    const Mirrors mirrors{"http://m/", "http://s/"};
    const auto list = sources_list(mirrors, {"trixie", "trixie-security"}, "arm64,amd64");
    EXPECT_THAT(list, HasSubstr("http://m/ trixie main\n"));
    EXPECT_THAT(list, HasSubstr("http://s/ trixie-security main\n"));
    EXPECT_THAT(list, HasSubstr("arch=arm64,amd64"));
    EXPECT_THAT(sources_list({"http://m/", ""}, {"trixie-security"}, "arm64"), "");
}

TEST(VmSuites, CommentsAreNoSuites) {
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

void add(std::vector<Package>& packages, const std::string& abi, const std::string& version,
         const std::vector<std::string>& names) {
    for (const std::string& name : names)
        packages.push_back({name, version, "suite-of-" + abi});
}

// A kernel as it was packaged until 6.18.
std::vector<Package> whole(const std::string& abi, const std::string& version,
                           const std::string& kbuild) {
    std::vector<Package> packages;
    add(packages, abi, version,
        {"linux-image-" + abi + "-arm64", "linux-headers-" + abi + "-arm64",
         "linux-headers-" + abi + "-common", kbuild});
    return packages;
}

std::vector<Package> operator+(std::vector<Package> left, const std::vector<Package>& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
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
    const auto choice = choose_kernel(
        "6.12", "arm64",
        whole("6.12.107+deb13", "6.12.107-1", "linux-kbuild-6.12.107+deb13") +
            whole("6.12.117+deb13", "6.12.117-1", "linux-kbuild-6.12.117+deb13") +
            whole("6.12.95+deb12", "6.12.95-1~bpo12+1", "linux-kbuild-6.12.95+deb12"));
    ASSERT_TRUE(choice) << choice.error().message;
    EXPECT_EQ(choice->abi, "6.12.117+deb13");
    EXPECT_EQ(choice->version, "6.12.117-1");
    EXPECT_EQ(choice->suite, "suite-of-6.12.117+deb13");
    EXPECT_THAT(choice->packages, Contains("linux-image-6.12.117+deb13-arm64"));
    EXPECT_EQ(choice->kbuild, "linux-kbuild-6.12.117+deb13");
}

TEST(VmSeries, OldKbuildIsNamedAfterTheSeries) {
    const auto choice =
        choose_kernel("6.1", "arm64", whole("6.1.0-56", "6.1.192-2", "linux-kbuild-6.1"));
    ASSERT_TRUE(choice) << choice.error().message;
    EXPECT_EQ(choice->kbuild, "linux-kbuild-6.1");
}

TEST(VmSeries, SixOneIsNotSixTwelve) {
    EXPECT_FALSE(choose_kernel(
        "6.1", "arm64", whole("6.12.117+deb13", "6.12.117-1", "linux-kbuild-6.12.117+deb13")));
}

TEST(VmSeries, AKernelWithoutAllItsPartsIsPassedOver) {
    auto newer = whole("6.12.117+deb13", "6.12.117-1", "linux-kbuild-6.12.117+deb13");
    const auto older = whole("6.12.107+deb13", "6.12.107-1", "linux-kbuild-6.12.107+deb13");
    for (std::size_t missing = 0; missing < newer.size(); ++missing) {
        auto packages = newer;
        packages.erase(packages.begin() + static_cast<std::ptrdiff_t>(missing));
        const auto choice = choose_kernel("6.12", "arm64", packages + older);
        ASSERT_TRUE(choice) << choice.error().message;
        EXPECT_EQ(choice->abi, "6.12.107+deb13") << newer[missing].name;
    }
}

TEST(VmSeries, PartsOfAnotherVersionDoNotCount) {
    auto packages = whole("6.1.0-56", "6.1.192-2", "linux-kbuild-6.1");
    packages[0].version = "6.1.192-1";
    EXPECT_FALSE(choose_kernel("6.1", "arm64", packages));
}

TEST(VmSeries, NewKernelsAreSplitUp) {
    const std::string abi = "7.3.4+deb13", version = "7.3.4-1~bpo13+1";
    auto packages = whole(abi, version, "linux-kbuild-" + abi);
    add(packages, abi, version,
        {"linux-binary-" + abi + "-arm64", "linux-modules-" + abi + "-arm64",
         "linux-base-" + abi + "-arm64"});
    const auto choice = choose_kernel("7", "arm64", packages);
    ASSERT_TRUE(choice) << choice.error().message;
    EXPECT_THAT(choice->packages, Contains("linux-binary-" + abi + "-arm64"));
    EXPECT_THAT(choice->packages, Contains("linux-modules-" + abi + "-arm64"));
    EXPECT_THAT(choice->packages, testing::Not(Contains("linux-image-" + abi + "-arm64")));
}

// Complete but for the flavour, so that only the flavour speaks against them.
TEST(VmSeries, OtherFlavoursAreNeverTaken) {
    const std::string abi = "6.12.117+deb13";
    EXPECT_TRUE(choose_kernel("6.12", "arm64", whole(abi, "6.12.117-1", "linux-kbuild-" + abi)));
    for (const std::string flavour : {"-rt", "-cloud", "-16k", "-dbg"})
        EXPECT_FALSE(choose_kernel(
            "6.12", "arm64", whole(abi + flavour, "6.12.117-1", "linux-kbuild-" + abi + flavour)))
            << flavour;
    auto pages = whole(abi, "6.12.117-1", "linux-kbuild-" + abi);
    for (Package& package : pages)
        if (package.name.ends_with("-arm64"))
            package.name += "-16k";
    EXPECT_FALSE(choose_kernel("6.12", "arm64", pages));
}

TEST(VmSeries, AnArchitectureHasItsOwnPackages) {
    const std::string abi = "6.12.117+deb13";
    auto packages = whole(abi, "6.12.117-1", "linux-kbuild-" + abi);
    EXPECT_FALSE(choose_kernel("6.12", "amd64", packages));
    add(packages, abi, "6.12.117-1",
        {"linux-image-" + abi + "-amd64", "linux-headers-" + abi + "-amd64"});
    const auto choice = choose_kernel("6.12", "amd64", packages);
    ASSERT_TRUE(choice) << choice.error().message;
    EXPECT_EQ(choice->arch, "amd64");
    EXPECT_THAT(choice->packages, Contains("linux-image-" + abi + "-amd64"));
    EXPECT_THAT(choice->packages, testing::Not(Contains("linux-image-" + abi + "-arm64")));
}

TEST(VmSeries, NothingIsAnErrorThatNamesTheSeries) {
    const auto choice = choose_kernel("5.15", "arm64", {});
    ASSERT_FALSE(choice);
    EXPECT_THAT(choice.error().message, HasSubstr("5.15"));
}

TEST(VmKernel, ASeriesMayNameItsArchitecture) {
    EXPECT_EQ(read_series("6.12", arm64())->architecture->name, "arm64");
    const auto wanted = read_series("6.12/amd64", arm64());
    ASSERT_TRUE(wanted);
    EXPECT_EQ(wanted->series, "6.12");
    EXPECT_EQ(wanted->architecture->name, "amd64");
    EXPECT_THAT(read_series("6.12/armhf", arm64()).error().message, HasSubstr("arm64 or amd64"));
    EXPECT_FALSE(read_series("../6", arm64()));
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

} // namespace
