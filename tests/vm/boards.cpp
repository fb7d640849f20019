// SPDX-License-Identifier: GPL-2.0-or-later
// Boards that boot: a healthy one shows no failure, bad input changes nothing, and for
// each kind of failure something turns it red. docs/simulated-iommu.md has the table.
#include "guest.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <span>

namespace dmarace::test {
namespace {

using testing::Contains;
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

TEST(Guard, a_disk_that_the_machine_swaps_to_is_left_alone) { expect_guarded({"async-all"}); }

TEST(Guard, no_job_of_the_library_touches_it) { expect_guarded({}); }

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

struct CheckedCase {
    const char* name;
    const char *board, *kernel;
    int exit;
    const char* told;
};

class Check : public testing::TestWithParam<CheckedCase> {};

// Time enough for a busy machine: what is left out for want of it is doubt, and no pass.
TEST_P(Check, tells_what_is_sound_on_a_board) {
    Guest guest;
    EXPECT_EQ(guest.run(GetParam().board, GetParam().kernel, {"check", "--time", "4m"}),
              GetParam().exit);
    EXPECT_THAT(guest.output(), HasSubstr(GetParam().told));
    EXPECT_THAT(guest.output(), Not(HasSubstr("not restored")));
    EXPECT_LT(guest.vm()["boots"][0]["program_seconds"], 240);
    EXPECT_EQ(nlohmann::json::parse(guest.file("check.json"))["ended"], true);
}

INSTANTIATE_TEST_SUITE_P(
    Boards, Check,
    testing::Values(CheckedCase{"sound", "smmuv3", "debian:7", 0, "check: pass"},
                    CheckedCase{"race", "virtio-iommu", "debian:6.12", 1,
                                "when the client binds while its IOMMU arrives"},
                    CheckedCase{"as_found", "smmuv3-bridge", "debian:7", 1,
                                "as the board was found"}),
    [](const auto& checked) { return std::string(checked.param.name); });

struct Control {
    const char* job;
    const char* kind; // "" for the neighbour that passes
};

// All in one boot.
constexpr Control kLiving[] = {{"clean", ""},
                               {"listed", ""},
                               {"driver-list", "no-group"},
                               {"driver-list", "dma-direct"},
                               {"no-group", "no-group"},
                               {"no-group", "dma-direct"},
                               {"underfoot", "domain-underfoot"},
                               {"underfoot", "not-owned"},
                               {"double-probe", "double-probe"},
                               {"attach-failed", "attach-failed"},
                               {"fwspec-lost", "fwspec-lost"},
                               {"map-error", "map-error"},
                               {"map-fails", "map-error"},
                               {"type-mismatch", "type-mismatch"},
                               {"unexpected-errno", "unexpected-errno"},
                               {"leak", "reference-leak"},
                               {"not-bound", "not-bound"},
                               {"kernel-warning", "kernel-warning"}};

// A boot each.
constexpr Control kDying[] = {{"hang", "hang"}, {"oops", "kernel-oops"}, {"panic", "crash"}};

std::vector<std::string> command(const Guest& guest, std::span<const Control> controls) {
    std::vector<std::string> words{"run"};
    for (const auto& control : controls)
        if (const auto path = guest.job(control.job); std::ranges::count(words, path) == 0)
            words.push_back(path);
    words.emplace_back("--unsafe");
    return words;
}

std::vector<std::string> all_kinds(const nlohmann::json& result) {
    std::vector<std::string> found;
    for (const auto& failure : result.value("failures", nlohmann::json::array()))
        found.push_back(failure.value("kind", ""));
    return found;
}

void check(const Guest& guest, std::span<const Control> controls) {
    for (const auto& control : controls) {
        const auto result = guest.result(control.job);
        if (*control.kind == '\0')
            EXPECT_EQ(result["verdict"], "pass") << control.job << result;
        else
            EXPECT_THAT(all_kinds(result), Contains(control.kind)) << control.job << result;
    }
}

class Controls : public testing::TestWithParam<const char*> {};

TEST_P(Controls, turn_each_kind_red) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", GetParam(), command(guest, kLiving)), 1);
    check(guest, kLiving);
}

INSTANTIATE_TEST_SUITE_P(Kernels, Controls, testing::Values("debian:6.12", "debian:7"));

// The board's disks are QEMU's null-co: they forget, and read as zeros.
TEST(ForgetfulDisk, turns_wrong_data_red) {
    Guest guest;
    EXPECT_EQ(guest.run("virtio-iommu-group", "debian:7", {"run", guest.job("wrong-data")}), 1);
    EXPECT_THAT(all_kinds(guest.result()), Contains("wrong-data")) << guest.result();
}

TEST(DyingControls, turn_their_kinds_red) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", "debian:7", command(guest, kDying)), 1);
    check(guest, kDying);
}

} // namespace
} // namespace dmarace::test
