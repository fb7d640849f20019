// SPDX-License-Identifier: GPL-2.0-or-later
// This file tells when a device was bound to a driver, and when it was away,
// from the module's bus events and from what the actors did. Pure.
#pragma once

#include "verdict/facts.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::verdict {

inline constexpr std::uint64_t kForever = UINT64_MAX;

// What an actor did besides writing types.
struct Doing {
    std::string_view actor;
    catalogue::Verb verb = catalogue::Verb::settle;
    std::string device; // "" for what may concern every device
    std::uint64_t began = 0, ended = 0;
    int os_error = 0;

    bool overlaps(std::uint64_t from, std::uint64_t to) const {
        return began <= to && ended >= from;
    }
};

// A stretch of a device's life. sure: true all through it; else it may be.
struct Span {
    std::uint64_t from = 0, to = kForever;
    bool sure = false;

    bool overlaps(std::uint64_t begin, std::uint64_t end) const {
        return from <= end && to >= begin;
    }
};

struct Life {
    std::vector<Span> bound; // in between: not bound
    std::vector<Span> away;  // removed, going or coming
    bool known = false;      // nothing told of its driver
};

// 'first' is whether it was bound when the actors began, where they looked.
//
// The driver core takes the group's DMA in dma_configure, before 'binding', and
// gives it up between 'unbinding' and 'unbound'; up to 6.3 device_is_bound()
// counts, which changes in the same stretches, under device_lock. So a device
// may be bound from the bind step's begin (without one: since the event before)
// to 'bound', and from 'unbinding' to 'unbound'.
Life life_of(const std::vector<Line>& events, const std::vector<Doing>& doings,
             const std::string& device, std::optional<bool> first);

} // namespace dmarace::verdict
