// SPDX-License-Identifier: GPL-2.0-or-later
// One iteration as lanes on one clock: what its pictures, its trace events and its sentences are
// made from. Pure.
#pragma once

#include "verdict/verdict.hpp"

#include <string>
#include <vector>

namespace dmarace::verdict {

enum class LaneKind { actor, worker, device, log };
struct Lane {
    LaneKind of = LaneKind::actor;
    std::string name;
};

enum class SpanKind {
    step,
    wait,   // .. that waits for a signal
    failed, // .. that answered an errno
    parked, // a hold
    delayed,
    // What a device's DMA was, from one audit to what changed it:
    unbound, // no driver is bound
    direct,
    translated,
    underfoot, // translated, under a driver that was bound with direct DMA; or the other way
};
std::string_view to_text(SpanKind kind);

struct Span {
    SpanKind kind = SpanKind::step;
    std::size_t lane = 0;
    std::uint64_t began = 0, ended = 0; // CLOCK_MONOTONIC, ns
    bool open = false;                  // its end was not seen
    std::string text{};
    std::vector<std::string> lines{}; // of the module's, as events.log has them
    // Of a hold: its rule and place, what let it go, and the lane whose doing that was.
    std::string rule{}, place{}, device{}, how{}, by{};
    std::size_t by_lane = SIZE_MAX;
    std::int64_t held_us = 0;

    bool is_step() const { return kind <= SpanKind::failed; }
};

struct Moment {
    std::size_t lane = 0;
    std::uint64_t ts = 0;
    std::string text, line;
    bool wrong = false; // it is evidence of a failure
};

struct Timeline {
    std::vector<Lane> lanes;
    std::vector<Span> spans;   // in the order in which they began
    std::vector<Moment> marks; // in their order
    std::uint64_t began = 0, ended = 0;
    std::size_t more_devices = 0; // that have no lane
};

Timeline timeline(const Observed& observed, const std::vector<Failure>& failures);

// What happened, a sentence each: who was held, what the others did meanwhile, what changed under
// a driver, what the kernel said.
std::vector<std::string> told(const Observed& observed, const std::vector<Failure>& failures);

} // namespace dmarace::verdict
