// SPDX-License-Identifier: GPL-2.0-or-later
// Kbuild refuses the kernels that dmarace.ko cannot run on, with the remedy. It
// does so while it is read, so make alone shows it.
#include "vm/process/process.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace::vm;
using ::testing::HasSubstr;
using ::testing::Not;

std::string said_with(const std::vector<std::string>& options) {
    Command command{.argv = {"make", "-n", "-f", DMARACE_SOURCE_DIR "/Kbuild"},
                    .environment = {{"LC_ALL", "C"}},
                    .directory = "/"};
    command.argv.insert(command.argv.end(), options.begin(), options.end());
    const auto finished = run(command);
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
