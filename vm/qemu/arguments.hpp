// SPDX-License-Identifier: GPL-2.0-or-later
// This file turns a board and a kernel into QEMU's command line. Pure but for
// make_disks.
#pragma once

#include "vm/board/board.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace dmarace::vm {

struct Boot {
    std::filesystem::path image, initramfs;
    std::filesystem::path console; // the guest's console is appended here
    std::filesystem::path share;   // the directory the guest sees as /run/out
    std::filesystem::path disks;   // the directory with the files of the board's disks
    std::string append{};          // more kernel arguments
    bool kvm = false;
};

std::vector<std::string> qemu_arguments(const Board& board, const Boot& boot);

// The label of a board's root file system, by which the kernel finds it.
inline constexpr const char* kRootLabel = "dmarace-root";
// The file of a block node.
std::filesystem::path disk_file(const std::filesystem::path& directory, const std::string& node);

// The files of the board's disks, all of them empty; the root is left alone.
Status make_disks(const Board& board, const std::filesystem::path& directory);

// QEMU splits option values at commas; a comma in a path is written twice.
std::string escape_commas(const std::string& value);

} // namespace dmarace::vm
