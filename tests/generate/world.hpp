// SPDX-License-Identifier: GPL-2.0-or-later
// What a job must leave as it was: types, bindings, overrides,
// autoprobe and modules of the board, in words.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace dmarace::generate {

// "type pci/0000:00:02.0 DMA", "driver pci/0000:00:02.0 e1000e" ..
// Reads group types: only while nothing is held.
std::set<std::string> world();

// What is in one and not in the other: "- before", "+ after".
std::vector<std::string> changes(const std::set<std::string>& before,
                                 const std::set<std::string>& after);

// What the module still holds open, or "": an owner, an open gate, held tasks.
std::string left_in_module();

} // namespace dmarace::generate
