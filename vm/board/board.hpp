// SPDX-License-Identifier: GPL-2.0-or-later
// A board as its file describes it. Pure but for find_board and board_names, which look
// into directories.
#pragma once

#include "base/error.hpp"
#include "vm/board/hardware.hpp"
#include "vm/image/initramfs.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::vm {

// automatic: KVM where it runs guests, and TCG where QEMU cannot start with it.
enum class Accel { automatic, kvm, tcg };
// Fault::usage for a word that is none.
Result<Accel> accel_from(const std::string& word);

struct Board : GuestSpec {
    std::string name, summary;
    std::string allows;               // its file, if that says what failures are known of it
    std::string machine, cpu, memory; // QEMU's -M, -cpu, -m
    unsigned smp = 1;
    unsigned clients = 0;                        // platform devices added to the device tree
    Accel accel = Accel::automatic;              // not of its file: the user's
    std::string firmware;                        // a file for QEMU's -bios; "" for QEMU's own
    std::vector<std::string> append;             // kernel arguments
    bool keep_memory = false;                    // memory is a file that outlives a panic
    std::vector<std::string> disks;              // block nodes that keep what is written to them
    std::vector<std::string> blockdevs, devices; // QEMU's -blockdev and -device
    std::vector<std::string> netdevs;            // QEMU's -netdev
    std::optional<Hardware> hardware;            // no QEMU: it stands on a desk
};

// file is only used in messages. Errors are Fault::usage, with the line.
Result<Board> parse_board(std::string_view text, const std::string& file);

std::vector<std::string> board_names(const std::filesystem::path& directory);

// A name of the directory's boards, or the path of a board file.
Result<Board> find_board(const std::string& name, const std::filesystem::path& directory);

// Fault::usage when the kernel is of another architecture than the board;
// Fault::untestable, naming the option, when the board needs what the kernel
// has not; Fault::environment when it cannot even share a directory with us.
Status check_board(const Kernel& kernel, const Board& board);

// The board's processor, or one that has what the kernel was built for: pages of 16k,
// branch targets and signed pointers are in no cortex-a72. Pure.
std::string cpu_for(const Board& board, std::string_view config);

// Where the program inside keeps its run: in the directory that it shares with us, or on
// the disk that outlives boots.
std::string run_inside(const Board& board);

} // namespace dmarace::vm
