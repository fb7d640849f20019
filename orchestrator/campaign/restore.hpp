// SPDX-License-Identifier: GPL-2.0-or-later
// This file puts the board back as it was before a run: modules, overrides,
// autoprobe, virtual functions, bindings and group types.
#pragma once

#include "campaign/snapshot.hpp"

#include <string>
#include <vector>

namespace dmarace::campaign {

// Puts it back, in children, and reads back; what is as it was is not touched, so
// doing it again does nothing. What could not be put back comes as the commands
// that would.
std::vector<std::string> restore(Machine& machine, Progress& progress, Interrupts& interrupts,
                                 const Snapshot& snapshot);

// The commands that would put it back, from a look at the board alone. Waits for
// the groups' mutexes.
std::vector<std::string> differences(const board::Devices& devices, const board::Modules& modules,
                                     const Snapshot& snapshot);

} // namespace dmarace::campaign
