// SPDX-License-Identifier: GPL-2.0-or-later
// This file waits for deferred and async probing to end. It may wait for locks
// of the kernel under test: for children of the owner only.
#pragma once

#include "campaign/steps.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace dmarace::campaign {

// Asks the module to wait for the driver core, then for uevents to end, until
// the list of deferred devices stays the same. "" or why it did not end in time.
std::string settle(const StepContext& context, std::chrono::milliseconds limit);

// A bind that the kernel put off with EAGAIN (-EPROBE_DEFER).
struct PutOff {
    board::Device device;
    std::string driver;
};

// Settles, then tries the binds again that were put off, until each is bound or
// refused for another reason. Their results are steps of actor "settle".
std::vector<verdict::StepResult> bind_again(StepContext& context, std::vector<PutOff> put_off,
                                            std::chrono::milliseconds limit);

} // namespace dmarace::campaign
