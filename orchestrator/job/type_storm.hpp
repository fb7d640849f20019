// SPDX-License-Identifier: GPL-2.0-or-later
// This file makes the actors of a [type] table. Pure.
#pragma once

#include "base/error.hpp"
#include "job/inventory.hpp"
#include "job/job.hpp"

namespace dmarace::job {

// Most writes that one writer makes in an iteration: what its record has room
// for (campaign/type_memory.hpp).
inline constexpr unsigned kTypeWritesMax = 200'000;

// "writer", "writer2" ..; then "binder", "remover", "vf-maker", "reader" for
// what goes on beside them.
std::vector<std::string> type_actor_names(const TypeStorm& storm);

// Is this actor one of the table's writers?
bool is_type_writer(const TypeStorm& storm, std::string_view actor);

// What each actor will do, for --help, where no board is known yet.
std::string storm_text(const TypeStorm& storm);

// The actors, each with one step that holds its work. Parameters are filled in.
// Fault::untestable when no group is left, or none that what goes on beside
// the writes could be done to.
Result<std::vector<Actor>> expand_type_storm(const TypeStorm& storm, const Inventory& inventory);

} // namespace dmarace::job
