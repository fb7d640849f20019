// SPDX-License-Identifier: GPL-2.0-or-later
// This file finds the files dmarace-vm works with.
#pragma once

#include "util/error.hpp"
#include "vm/root/root.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace dmarace::vm {

struct Places {
    std::filesystem::path source; // the project: Kbuild, kmod/, jobs/, vm/
    std::filesystem::path boards() const { return source / "vm/boards"; }
    std::filesystem::path suites() const { return source / "vm/suites"; }
    std::filesystem::path jobs() const { return source / "jobs"; }

    // The static arm64 init, built beside this program.
    Result<std::filesystem::path> init() const;
    // What board root file systems are made of.
    Result<RootParts> root_parts() const;
    // The arm64 dmarace: the given one, or that of the arm64 preset.
    Result<std::filesystem::path> program(const std::string& given) const;
};

// given: --source, or "" for the project this program was built from.
Result<Places> find_places(const std::string& given);

} // namespace dmarace::vm
