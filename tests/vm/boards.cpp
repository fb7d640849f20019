// SPDX-License-Identifier: GPL-2.0-or-later
// Boards that boot: a healthy one shows no failure, and bad input changes nothing.
#include "guest.hpp"

#include <gmock/gmock.h>

namespace dmarace::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class QuietBoot : public testing::TestWithParam<vm::MatrixCell> {};

TEST_P(QuietBoot, shows_every_client_translated) {
    Guest guest;
    EXPECT_EQ(guest.run(GetParam().board, GetParam().kernel, {"audit"}), 0);
    const auto matrix = vm::read_matrix(DMARACE_SOURCE_DIR "/vm/matrix.toml");
    for (const auto& word : vm::expected(*matrix->part(vm::kQuiet), GetParam()))
        EXPECT_THAT(guest.output(), HasSubstr(word));
    EXPECT_THAT(guest.output(), Not(HasSubstr("FAIL")));
    EXPECT_THAT(guest.console(), Not(HasSubstr("WARNING:")));
}

INSTANTIATE_TEST_SUITE_P(Boards, QuietBoot, testing::ValuesIn(cells_of("quiet")));

TEST(Boards, a_kernel_without_the_boards_iommu_is_a_skip_that_names_it) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu", "debian:6.1", {"audit"}), 4);
    EXPECT_THAT(guest.output(), HasSubstr("VIRTIO_IOMMU"));
}

// Asks jobs what they would do to a disk that the machine swaps to.
void expect_guarded(const std::vector<std::string>& jobs) {
    Guest guest;
    std::vector<std::string> words{"guarded-disk", "/usr/bin/dmarace", "/dev/nvme0n1",
                                   "pci/0000:00:03.0"};
    words.insert(words.end(), jobs.begin(), jobs.end());
    EXPECT_EQ(guest.run("virtio-iommu", "debian:7", words, "tests/guest/ask", kDmarace), 0);
    EXPECT_THAT(guest.output(), Not(HasSubstr("BAD ")));
    EXPECT_THAT(guest.output(), HasSubstr("must not be touched: swap"));
}

TEST(Guard, a_disk_that_the_machine_swaps_to_is_left_alone) {
    expect_guarded({"async-all"});
}

TEST(Guard, no_job_of_the_library_touches_it) {
    expect_guarded({});
}

TEST(BadInput, a_device_that_is_not_there_is_one_clear_line) {
    Guest guest;
    EXPECT_EQ(
        guest.run("smmuv3", "debian:6.12", {"run", "probe-delays", "--device", "pci/0000:00:02.7"}),
        2);
    EXPECT_THAT(guest.output(), HasSubstr("no device pci/0000:00:02.7"));
    EXPECT_THAT(guest.output(), HasSubstr("pci/0000:00:02.0"));
    EXPECT_EQ(guest.file("journal.jsonl"), "");
}

// A stock kernel has the driver built in.
TEST(Boards, a_board_whose_driver_must_be_a_module_is_a_skip_on_a_stock_kernel) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3-module", "debian:6.12", {"audit"}), 4);
    EXPECT_THAT(guest.output(), HasSubstr("CONFIG_ARM_SMMU_V3=m"));
}

} // namespace
} // namespace dmarace::test
