// SPDX-License-Identifier: GPL-2.0-or-later
// What a board that is none of ours is brought: a program with its libraries and their loader,
// jobs and a module, in one directory there. Nothing of the board's own is used or changed.
#pragma once

#include "vm/image/initramfs.hpp"

namespace dmarace::vm {

inline constexpr const char *kKitJobs = "jobs", *kKitModules = "modules", *kKitGiven = "job";

// Packs a .tar.gz with that directory's contents.
Status pack_kit(const Contents& contents, const std::filesystem::path& file);

// The words that start the program where the kit is unpacked to 'place'.
Result<std::vector<std::string>> kit_start(const Contents& contents, const std::string& place);

// What tells a built kernel from another one when it runs: the build ids that its image
// holds, its own and its vDSO's, as digits.
std::set<std::string> build_ids(std::string_view image);

} // namespace dmarace::vm
