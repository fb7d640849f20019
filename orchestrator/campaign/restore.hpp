// SPDX-License-Identifier: GPL-2.0-or-later
// This file puts the board back as it was before a run: modules, autoprobe,
// bindings and group types.
#pragma once

#include "campaign/machine.hpp"
#include "campaign/survey.hpp"
#include "job/job.hpp"

#include <map>
#include <string>
#include <vector>

namespace dmarace::campaign {

struct Snapshot {
    std::string iommu_module;                      // loaded before, "" if none
    std::map<std::string, bool> autoprobe;         // bus to drivers_autoprobe
    std::map<std::string, std::string> drivers;    // BUS/NAME to the driver it was bound to
    std::map<std::string, std::string> group_type; // BUS/NAME to its group's type
};

Snapshot take_snapshot(const Machine& machine, const Survey& survey);

// "group type and binding, in words" for the journal's begin record.
std::vector<std::string> to_words(const Snapshot& snapshot);

// Puts it back, in children, and reads back. What could not be put back comes
// as the commands that would.
std::vector<std::string> restore(Machine& machine, Progress& progress, Interrupts& interrupts,
                                 const Snapshot& snapshot);

} // namespace dmarace::campaign
