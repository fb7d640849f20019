// SPDX-License-Identifier: GPL-2.0-or-later
// This file packs what a virtual board boots into: init, the program, its
// libraries, the job library, and the modules the board needs.
#pragma once

#include "vm/board/board.hpp"
#include "vm/kernel/kernel.hpp"

#include <map>

namespace dmarace::vm {

struct Contents {
    const Kernel* kernel = nullptr;                     // not owned
    const Board* board = nullptr;                       // not owned
    std::filesystem::path init;                         // the static arm64 init
    std::filesystem::path program;                      // the arm64 dmarace, or another
    std::vector<std::filesystem::path> also;            // programs beside it in /usr/bin
    std::filesystem::path jobs;                         // directory of job files; may be absent
    std::map<std::string, std::filesystem::path> given; // the user's own: place inside to file
    std::vector<std::filesystem::path> modules;         // ours: dmarace.ko and the like
};

// What differs from boot to boot.
struct Launch {
    std::vector<std::string> arguments; // of the program
    std::map<std::string, std::string> environment;
};

// The same for a board that has it in a directory instead: file name to text.
std::map<std::string, std::string> launch_files(const Contents& contents, const Launch& launch);

// Packs file. scratch is an empty directory for the module tree (depmod reads
// it); the caller removes it.
Status pack(const Contents& contents, const Launch& launch, const std::filesystem::path& file,
            const std::filesystem::path& scratch);

// The board's modules and ours as files below directory/lib/modules/RELEASE,
// unpacked, with depmod's indices.
Status stage_tree(const Contents& contents, const std::filesystem::path& directory);

// The modules of the kernel that the board gets, with what they depend on.
Result<std::vector<std::string>> board_modules(const Contents& contents);

// The libraries a program needs, by DT_NEEDED, each with the path it gets
// inside. Looks where Debian keeps arm64 libraries.
Result<std::map<std::string, std::filesystem::path>>
find_libraries(const std::filesystem::path& program);

} // namespace dmarace::vm
