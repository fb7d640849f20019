// SPDX-License-Identifier: GPL-2.0-or-later
// Reads durations with units, as job files and options write them.
#pragma once

#include "base/error.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace dmarace {

using Nanoseconds = std::chrono::nanoseconds;

// "250ms", "2s", "1h30m", "2d", "30us", "10ns": whole numbers and their units, large ones first.
// Without a unit it is an error that says so.
Result<Nanoseconds> parse_duration(std::string_view text);

// A range "1ms..20ms", or one duration twice.
struct DurationRange {
    Nanoseconds min{0};
    Nanoseconds max{0};
    bool operator==(const DurationRange&) const = default;
};
Result<DurationRange> parse_duration_range(std::string_view text);

// CLOCK_MONOTONIC in ns, the clock of the module's events.
std::uint64_t monotonic_now();
// Since the machine booted, its time asleep included. No clock that is set moves it.
std::chrono::nanoseconds boottime();

// The time of day in UTC, as strftime() formats it.
std::string utc_now(const char* format);

// The shortest exact form: "2s", "250ms".
std::string to_text(Nanoseconds duration);

} // namespace dmarace
