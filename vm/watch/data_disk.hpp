// SPDX-License-Identifier: GPL-2.0-or-later
// This file keeps the disk on which a guest keeps its run: makes it, and copies
// the run's directory out of it once no guest uses it.
#pragma once

#include "base/error.hpp"
#include "vm/board/board.hpp"

#include <filesystem>

namespace dmarace::vm {

// Where the guest keeps its run.
inline constexpr const char* kDataRun = "/data/run";

// An ext4 of the board's size, made with mke2fs. One that is there is kept.
Status make_data_disk(const DataDisk& data, const std::filesystem::path& image);

// Copies the run's files to 'out', over what is there. Reads a copy of the image
// with the file system's journal replayed: the guest is to find it as it left it.
// Nothing to copy is no error, unless a boot before had left a journal.
Status copy_run_out(const std::filesystem::path& image, const std::filesystem::path& out,
                    const std::filesystem::path& scratch);

} // namespace dmarace::vm
