// SPDX-License-Identifier: GPL-2.0-or-later
// This file is a kernel to boot: its image, its modules, and what a module of
// ours is built against.
#pragma once

#include "vm/board/board.hpp"
#include "vm/kernel/modules.hpp"

#include <set>

namespace dmarace::vm {

// In a build directory of ours: the key of the headers it was built with.
constexpr const char* kHeadersKey = "dmarace.headers";

struct Kernel {
    std::string name;    // as the user wrote it: debian:6.12, or a path
    std::string release; // uname -r
    std::string version; // of the package; "" when it is none
    std::string source;  // where it comes from, in words
    const Architecture* architecture = &arm64();
    std::filesystem::path image;
    ModuleIndex modules;
    std::set<std::string> builtin; // module_name() of what modules.builtin lists
    std::string config;            // the text of its .config; "" if unknown
    // What modules are built against: a build tree or headers; "" if there is
    // neither. prefix is what its absolute paths are looked up below.
    std::filesystem::path build, prefix;
    std::filesystem::path ready_module; // a dmarace.ko that came with it
};

// A directory with an Image (or vmlinuz) and modules, or a kernel build tree.
// Errors say what was looked for.
Result<Kernel> open_kernel(const std::filesystem::path& directory);
Result<Kernel> open_directory(const std::filesystem::path& directory);
Result<Kernel> open_tree(const std::filesystem::path& tree);

// Whether the kernel has the driver, built in or as a module.
bool has_driver(const Kernel& kernel, const Need& need);
// Fault::usage when the kernel is of another architecture than the board;
// Fault::untestable, naming the option, when the board needs what the kernel
// has not; Fault::environment when it cannot even share a directory with us.
Status check_board(const Kernel& kernel, const Board& board);

} // namespace dmarace::vm
