// SPDX-License-Identifier: GPL-2.0-or-later
// The files that dmarace-vm works with.
#pragma once

#include "base/error.hpp"
#include "vm/image/root.hpp"
#include "vm/kernels/debian.hpp"
#include "vm/kernels/kernel.hpp"

#include <filesystem>
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
    // What board root file systems are made of; those are arm64.
    RootParts root_parts() const;
    // A program for boards: a file, or one below build/ARCH, which the preset
    // of that name builds; "" is its dmarace.
    Result<std::filesystem::path> program(const std::string& given,
                                          const Architecture& architecture) const;
};

// given: --source, or "" for the project this program was built from.
Result<Places> find_places(const std::string& given);

} // namespace dmarace::vm
