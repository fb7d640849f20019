// SPDX-License-Identifier: GPL-2.0-or-later
// Which locks a step of a job takes, and which a task owns while a rule holds
// it: what lint() compares. Devices are compared as the job writes them. Inside
// this room only.
#pragma once

#include "job/diagnostic.hpp"
#include "job/job.hpp"

#include <string>
#include <vector>

namespace dmarace::job {

using catalogue::LockKind;

struct Lock {
    LockKind kind = LockKind::probe;
    std::string of;    // device or group as written; "" means any
    std::string where; // the function that takes it, for the explanation

    bool operator==(const Lock&) const = default;
};

// "the group mutex of {client}"
std::string to_text(const Lock& lock);

// Locks that the step has to take some time before it returns, with the place.
std::vector<Lock> locks_needed(const Job& job, const Step& step);

// Locks that a task held by the rule is sure to own: those of its point, those
// that its actor owns inside every step that does work in the kernel, and
// iommu_probe_device_lock where all that the actor does reaches the point in the
// IOMMU probe of a device (as of 6.5).
std::vector<Lock> locks_owned(const Job& job, const Rule& rule);

// Rules that wait for somebody who needs what the held task owns.
void lint_locks(const Job& job, Diagnostics& diagnostics);

} // namespace dmarace::job
