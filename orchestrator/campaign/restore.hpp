// SPDX-License-Identifier: GPL-2.0-or-later
// This file puts the board back as it was before a run: modules, overrides,
// autoprobe, bindings and group types.
#pragma once

#include "campaign/machine.hpp"
#include "campaign/survey.hpp"
#include "job/job.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace dmarace::campaign {

struct Snapshot {
    std::string iommu_module;                      // loaded before, "" if none
    std::set<std::string> driver_modules;          // of devices behind the IOMMU, loaded before
    std::map<std::string, std::string> overrides;  // BUS/NAME to driver_override, "" for none
    bool simulated = false;                        // dmarace_sim was loaded before
    std::map<std::string, bool> autoprobe;         // bus to drivers_autoprobe
    std::map<std::string, std::string> drivers;    // BUS/NAME to the driver it was bound to
    std::map<std::string, std::string> group_type; // BUS/NAME to its group's type
};

// Reads group types: only before holds are armed.
Snapshot take_snapshot(const board::Devices& devices, const board::Modules& modules,
                       const Survey& survey);

// "group type and binding, in words" for the journal's begin record.
std::vector<std::string> to_words(const Snapshot& snapshot);

// Puts it back, in children, and reads back. What could not be put back comes
// as the commands that would.
std::vector<std::string> restore(Machine& machine, Progress& progress, Interrupts& interrupts,
                                 const Snapshot& snapshot);

} // namespace dmarace::campaign
