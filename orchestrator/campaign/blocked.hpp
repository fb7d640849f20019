// SPDX-License-Identifier: GPL-2.0-or-later
// This file notices an actor that sleeps in the kernel on a lock while a hold
// waits for it: the fix at work, when the fix is a lock.
#pragma once

#include "board/task.hpp"

#include <chrono>
#include <string>

namespace dmarace::campaign {

// Watches one actor. It counts as blocked once it has been seen on the same
// lock, without a context switch, for as long as 'kBlockedFor'.
class BlockedWatch {
public:
    static constexpr std::chrono::milliseconds kBlockedFor{300};

    // Feeds one look; true the first time the actor counts as blocked.
    bool look(const board::TaskState& state, std::chrono::steady_clock::time_point now);
    // A step ended: what was seen before says nothing about the next one.
    void forget();
    const std::string& stack() const { return stack_; }

private:
    std::string stack_;
    std::uint64_t switches_ = 0;
    std::chrono::steady_clock::time_point since_;
    bool seen_ = false;
    bool told_ = false;
};

} // namespace dmarace::campaign
