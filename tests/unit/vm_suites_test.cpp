// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/suites.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace::vm;
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
    EXPECT_THAT(read_suites("# a\n\ntrixie\n  bookworm \n"), ElementsAre("trixie", "bookworm"));
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

} // namespace
