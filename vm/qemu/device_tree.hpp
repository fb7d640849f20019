// SPDX-License-Identifier: GPL-2.0-or-later
// This file adds to a board's device tree what QEMU's machine has not: platform
// devices behind its SMMU, as the devices of a SoC are.
#pragma once

#include "vm/board/board.hpp"

#include <filesystem>
#include <string>

namespace dmarace::vm {

// The flattened tree with dmarace-client0, 1, .. as children of the root: each
// compatible with dmarace_sim's client driver, each with a stream of its own.
// Fault::environment when it is no tree or has no SMMUv3. Pure.
Result<std::string> add_clients(const std::string& tree, unsigned clients);

// Asks QEMU for the board's tree and writes it with board.clients added.
Status make_device_tree(const Board& board, const std::filesystem::path& file);

} // namespace dmarace::vm
