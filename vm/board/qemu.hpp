// SPDX-License-Identifier: GPL-2.0-or-later
// A board that QEMU is: its command line, its disks, its power.
#pragma once

#include "base/process.hpp"
#include "vm/board/board.hpp"
#include "vm/board/control.hpp"
#include "vm/image/guest/words.hpp"
#include "vm/image/root.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace dmarace::vm {

// Whether KVM runs guests of an architecture here, and what is missing: a guest of two
// instructions is run to its end. There are hosts where a machine can be made, not run.
Status try_kvm(const Architecture& guest);

// What QEMU says of itself; "" when it does not.
std::string qemu_version(const Board& board);

// QEMU and what a run needs besides, before anything is fetched or booted.
Status check_tools(const Board& board);

// The files that a command line names.
struct QemuFiles {
    std::filesystem::path image, initramfs;
    std::filesystem::path console;  // the guest's console is appended here
    std::filesystem::path share;    // the directory the guest sees as /run/out
    std::filesystem::path disks;    // the directory with the files of the board's disks
    std::filesystem::path data{};   // the image of its data disk
    std::filesystem::path memory{}; // the file that is its memory, where it keeps that
    std::string append{};           // more kernel arguments
    std::filesystem::path dtb{};    // in place of QEMU's own device tree; "" for that one
    bool kvm = false;
};

std::vector<std::string> qemu_arguments(const Board& board, const QemuFiles& files);

// The files of the board's disks, all of them empty; the root is left alone.
Status make_disks(const Board& board, const std::filesystem::path& directory);

// A flattened tree with dmarace-client0, 1, .. as children of the root, platform devices
// behind the SMMU as those of a SoC are: each compatible with dmarace_sim's client driver,
// each with a stream of its own. Fault::environment when it is no tree or has no SMMUv3.
Result<std::string> add_clients(const std::string& tree, unsigned clients);

// What lies in the directory that a run shares with its guest.
inline constexpr const char* kDataImage = "data.img";

// Boots guests of that board, the other disks empty for each: what making a root file
// system takes.
BootGuest boots_of(const Board& board);

class QemuBoard final : public BoardControl {
public:
    // share: what the guest sees as /run/out. scratch: a directory for the files of the
    // board's disks, which has its root disk, if it has one.
    QemuBoard(Board board, const std::filesystem::path& share,
              const std::filesystem::path& scratch);

    Status start(const Boot& boot) override;
    std::optional<int> wait(int timeout_ms) override;
    void stop() override;
    std::string console() const override;
    std::string complaint() const override;
    std::filesystem::path channel() const override { return files_.share / guest::kChannel; }
    Status collect(const BootOutcome& outcome) override;
    // What carried the last boot: "kvm" or "tcg".
    const char* accel() const { return files_.kvm ? "kvm" : "tcg"; }

private:
    Status ready(const Boot& boot);
    Status choose_accel();
    Status power_on();

    Board board_;
    QemuFiles files_;
    std::size_t console_before_ = 0; // what other boots have left in its file
    bool chosen_ = false;            // KVM or not
    std::optional<Process> qemu_;
};

} // namespace dmarace::vm
