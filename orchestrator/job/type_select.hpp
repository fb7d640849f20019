// SPDX-License-Identifier: GPL-2.0-or-later
// This file chooses groups out of a board's inventory, by what a [type] table
// or a type step says. Pure.
#pragma once

#include "base/error.hpp"
#include "job/inventory.hpp"
#include "job/job.hpp"

#include <optional>
#include <utility>

namespace dmarace::job {

// "1", "2..", "2..4": least and most; nothing when it is none of these.
std::optional<std::pair<std::size_t, std::size_t>> size_range(std::string_view text);

// The groups that meet all conditions of the table, in order of their numbers.
// Fault::untestable, saying what was asked, when there is none.
Result<std::vector<Inventory::Group>> select_groups(const TypeStorm& storm,
                                                    const Inventory& inventory);

// The lists of the table in which a {param} may stand.
std::vector<const std::vector<std::string>*> selection_lists(const TypeStorm& storm);

// The conditions in words: "all", "groups 3, drivers nvme, size 2..".
std::string selection_text(const TypeStorm& storm);

} // namespace dmarace::job
