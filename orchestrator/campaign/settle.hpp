// SPDX-License-Identifier: GPL-2.0-or-later
// Waits for deferred and async probing to end, and looks at the machine then. Each of
// these may wait for a lock that a stuck task still owns: settling is for children of
// the owner, and inspect() makes one.
#pragma once

#include "campaign/steps.hpp"
#include "campaign/survey.hpp"
#include "verdict/verdict.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace dmarace::campaign {

// Asks the module to wait for the driver core, then for uevents to end, until
// the list of deferred devices stays the same. "" or why it did not end in time.
std::string settle(const StepContext& context, std::chrono::milliseconds limit);

// A bind that the kernel deferred: EAGAIN (-EPROBE_DEFER).
struct DeferredBind {
    board::Device device;
    std::string driver;
};

// Settles, then tries the binds again that were deferred, until each is bound or
// refused for another reason. Their results are steps of actor "settle".
std::vector<verdict::StepResult> bind_again(StepContext& context,
                                            std::vector<DeferredBind> deferred,
                                            std::chrono::milliseconds limit);

// Settles, binds again what was deferred, reads group types, audits every device.
// Fills settled, groups, settle_failed and the steps of actor "settle".
Status inspect(Machine& machine, const std::vector<DeferredBind>& deferred, bool holds,
               verdict::Observed& observed);

// Fills before: what is there when nothing has begun, without mappings and
// without settling.
Status inspect_before(Machine& machine, verdict::Observed& observed);

// The binds among the steps that ended in EAGAIN.
std::vector<DeferredBind> deferred_binds(const Machine& machine, const verdict::Observed& observed);

} // namespace dmarace::campaign
