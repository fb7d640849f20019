// SPDX-License-Identifier: GPL-2.0-or-later
// One run of a dmarace command on a board, from its options to its exit code, and the files
// that it works with.
#pragma once

#include "base/error.hpp"
#include "vm/kernels/debian.hpp"
#include "vm/kernels/kernel.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace dmarace::vm {

struct Places {
    std::filesystem::path source; // the project: Kbuild, kmod/, jobs/, vm/
    std::filesystem::path boards() const { return source / "vm/boards"; }
    std::filesystem::path suites() const { return source / "vm/suites"; }
    std::filesystem::path matrix() const { return source / "vm/matrix.toml"; }
    std::filesystem::path configs() const { return source / "vm/configs"; }
    KernelFiles kernel_files() const { return {suites(), configs()}; }
    std::filesystem::path jobs() const { return source / "jobs"; }

    // The static init of boards, built beside this program.
    Result<std::filesystem::path> init(const Architecture& architecture) const;
    // A program for boards: a file, or one below build/ARCH, which the preset
    // of that name builds; "" is its dmarace.
    Result<std::filesystem::path> program(const std::string& given,
                                          const Architecture& architecture) const;
};

// given: --source, or "" for the project this program was built from.
Result<Places> find_places(const std::string& given);

struct BoardRunOptions {
    std::string board, kernel, out, cache, source, program, append; // kernel: "" for the usual
    std::string accel = "auto";
    std::vector<std::string> also;
    std::chrono::nanoseconds timeout{0}; // 0: none
    bool fresh = false;                  // every iteration gets a boot of its own
    bool exact = false;                  // of one release's kernels no other than this one will do
    bool no_snapshot = false;            // every life is a boot
    unsigned boots = 0;                  // at most so many; 0: as many as it takes
    std::vector<std::string> command;    // of dmarace, as the user wrote it
};

// Fault::usage for a command that no board can be given.
Status check_command(const std::vector<std::string>& command);

// Finds and builds what the run takes, and boots the board until the command has ended.
// The exit code is the command's.
Result<int> run_on_board(const BoardRunOptions& options);

// The names in a directory that holds what a run would boot, for others to boot it.
inline constexpr const char *kExportKernel = "kernel", *kExportInitramfs = "initramfs",
                            *kExportQemu = "qemu", *kExportShare = "share";
// Writes them to options.out; QEMU's words stand in one file, a line each.
Status export_board(const BoardRunOptions& options);

// A command whose job files are here, and each one's place inside the board.
struct GivenFiles {
    std::vector<std::string> command;                   // with the places inside
    std::map<std::string, std::filesystem::path> files; // place inside to file here
};

// A word that ends in .toml is a job file: one of this host, if there is one,
// else a path inside the board. Two files of one name are Fault::usage.
Result<GivenFiles> find_given(const std::vector<std::string>& command,
                              const std::string& directory = "/job");

} // namespace dmarace::vm
