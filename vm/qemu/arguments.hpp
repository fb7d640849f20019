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
    std::filesystem::path console;  // the guest's console is appended here
    std::filesystem::path share;    // the directory the guest sees as /run/out
    std::filesystem::path disks;    // the directory with the files of the board's disks
    std::filesystem::path data{};   // the image of its data disk
    std::filesystem::path memory{}; // the file that is its memory, where it keeps that
    std::string append{};           // more kernel arguments
    std::filesystem::path dtb{};    // in place of QEMU's own device tree; "" for that one
    bool kvm = false;
};

std::vector<std::string> qemu_arguments(const Board& board, const Boot& boot);

// The command that writes the board's own device tree to a file and ends.
std::vector<std::string> dump_arguments(const Board& board, const std::filesystem::path& dtb);

// The files of the board's disks, all of them empty; the root is left alone.
Status make_disks(const Board& board, const std::filesystem::path& directory);

// QEMU splits option values at commas; a comma in a path is written twice.
std::string escape_commas(const std::string& value);

} // namespace dmarace::vm
