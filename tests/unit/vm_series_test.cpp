// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/series.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace::vm;
using ::testing::Contains;
using ::testing::HasSubstr;

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
    EXPECT_LT(compare_versions("6.1.176-1", "6.1.192-2"), 0);
    EXPECT_LT(compare_versions("6.9.1-1", "6.12.1-1"), 0);
    EXPECT_LT(compare_versions("7.3.4-1~bpo13+1", "7.3.4-1"), 0);
    EXPECT_LT(compare_versions("7.3~rc4-1", "7.3-1"), 0);
    EXPECT_LT(compare_versions("9-1", "1:1-1"), 0);
    EXPECT_GT(compare_versions("6.12.95-1~bpo12+2", "6.12.95-1~bpo12+1"), 0);
    EXPECT_GT(compare_versions("1.0a", "1.0"), 0);
    EXPECT_GT(compare_versions("1.0+b", "1.0a"), 0);
    EXPECT_EQ(compare_versions("6.1.192-2", "6.1.192-2"), 0);
    EXPECT_EQ(compare_versions("1.02", "1.2"), 0);
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

} // namespace
