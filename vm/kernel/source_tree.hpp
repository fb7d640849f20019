// SPDX-License-Identifier: GPL-2.0-or-later
// This file knows kernel sources: a directory that one can be built from.
#pragma once

#include "base/error.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace dmarace::vm {

struct SourceTree {
    std::filesystem::path directory; // absolute, without links
    std::string version;             // 6.12.117, as its Makefile says
};

// VERSION.PATCHLEVEL.SUBLEVEL and EXTRAVERSION of a kernel's top Makefile; ""
// when it is none. Pure.
std::string version_of(std::string_view makefile);

// Whether somebody who gives this directory means a kernel's source.
bool is_source_tree(const std::filesystem::path& directory);

// Fault::usage, with the remedy, for what cannot be built from: no kernel, none
// for arm64, or one that was built in place.
Result<SourceTree> open_source_tree(const std::filesystem::path& directory);

// A key of all headers that a module for this kernel may include: those of the
// source. A module is built anew when it changes.
std::string headers_key(const SourceTree& tree);

} // namespace dmarace::vm
