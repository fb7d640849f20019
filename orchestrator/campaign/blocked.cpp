// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/blocked.hpp"

namespace dmarace::campaign {

bool BlockedWatch::look(const board::TaskState& state, std::chrono::steady_clock::time_point now) {
    if (!state.on_lock()) {
        seen_ = false;
        return false;
    }
    if (!seen_ || state.switches != switches_ || state.stack != stack_) {
        seen_ = true;
        told_ = false;
        since_ = now;
        switches_ = state.switches;
        stack_ = state.stack;
        return false;
    }
    if (told_ || now - since_ < kBlockedFor)
        return false;
    told_ = true;
    return true;
}

void BlockedWatch::forget() {
    seen_ = false;
    told_ = false;
    stack_.clear();
}

} // namespace dmarace::campaign
