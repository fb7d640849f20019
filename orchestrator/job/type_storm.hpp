// SPDX-License-Identifier: GPL-2.0-or-later
// This file makes the steps of a [type] table. Pure.
#pragma once

#include "job/plan.hpp"

namespace dmarace::job {

// The actor "writer": for each group of the inventory that 'groups' asks for,
// in order of their numbers, every ordered pair of types: members unbound,
// first type, second type, members bound again; at the end of a group the type
// it had. 'groups' is "all" or a number. The reading back is part of each type
// step. Fault::untestable when no group is left.
Result<Actor> expand_type_storm(const TypeStorm& storm, const Inventory& inventory);

} // namespace dmarace::job
