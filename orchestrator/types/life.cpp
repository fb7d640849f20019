// SPDX-License-Identifier: GPL-2.0-or-later
// When a device was bound, and in no group, as the bus events and the steps tell.
#include "kmod/dmarace_abi.h"
#include "types/judge.hpp"

#include <algorithm>
#include <iterator>

namespace dmarace::types {

namespace {

using catalogue::does;
using catalogue::Effects;
using catalogue::Verb;
namespace effect = catalogue::effect;

struct BusEvent {
    std::string what;
    std::uint64_t ts = 0;
};

std::vector<BusEvent> events_of(const std::vector<Line>& lines, const std::string& device) {
    std::vector<BusEvent> out;
    for (const auto& line : lines)
        if (line.verb == DMARACE_E_BUS && line.get(DMARACE_K_DEV) == device)
            out.push_back({line.get(DMARACE_K_WHAT),
                           static_cast<std::uint64_t>(line.number(DMARACE_K_TS).value_or(0))});
    std::ranges::stable_sort(out, {}, &BusEvent::ts);
    return out;
}

// When audits said that a driver which manages its DMA was bound to the device, or being bound.
std::vector<std::uint64_t> managed_at(const std::vector<Line>& lines, const std::string& device) {
    std::vector<std::uint64_t> out;
    for (const auto& line : lines)
        if (line.verb == DMARACE_E_AUDIT && line.get(DMARACE_K_DEV) == device &&
            line.number(DMARACE_K_MANAGED) == 1 && line.get(DMARACE_K_AT) != DMARACE_AT_DEMAND)
            out.push_back(static_cast<std::uint64_t>(line.number(DMARACE_K_TS).value_or(0)));
    return out;
}

bool ends_binding(const BusEvent& event) {
    return event.what != DMARACE_BUS_BINDING && event.what != DMARACE_BUS_BOUND &&
           event.what != DMARACE_BUS_UNBINDING;
}

// Takes out the bindings of drivers that manage their DMA: these own no group. Audits say
// which; of one that began before all events, the first look does.
void leave_out_managed(std::vector<BusEvent>& events, const std::vector<std::uint64_t>& managed,
                       std::optional<bool> first) {
    std::vector<BusEvent> kept;
    std::uint64_t since = 0;
    for (auto begin = events.begin(); begin != events.end();) {
        auto end = std::find_if(begin, events.end(), ends_binding);
        const bool whole = begin->what == DMARACE_BUS_BINDING || begin->what == DMARACE_BUS_BOUND;
        const auto until = end == events.end() ? kForever : end->ts;
        const bool out =
            whole
                ? std::ranges::any_of(managed, [&](auto ts) { return ts >= since && ts <= until; })
                : begin == events.begin() && first == false;
        if (end != events.end())
            ++end;
        std::copy_if(begin, end, std::back_inserter(kept), [&](const BusEvent& event) {
            return !out || event.what == DMARACE_BUS_REMOVED || event.what == DMARACE_BUS_ADDED;
        });
        since = until;
        begin = end;
    }
    events = std::move(kept);
}

// The step that an event was part of, or null.
const TimedStep* covering(const std::vector<TimedStep>& steps, const std::string& device,
                          std::uint64_t ts, Effects effects) {
    for (const auto& step : steps)
        if (step.overlaps(ts, ts) && (step.device.empty() || step.device == device) &&
            does(step.verb, effects))
            return &step;
    return nullptr;
}

// Goes through the events of one device.
class LifeReader {
public:
    LifeReader(const std::vector<TimedStep>& steps, const std::string& device, DeviceLife& life)
        : steps_(steps), device_(device), life_(life) {}

    void take(const BusEvent& event) {
        if (event.what == DMARACE_BUS_BINDING)
            open(start(event.ts, effect::binds), false);
        else if (event.what == DMARACE_BUS_BOUND)
            bound(event.ts);
        else if (event.what == DMARACE_BUS_UNBINDING)
            turn(event.ts, false);
        else if (event.what == DMARACE_BUS_REMOVED)
            removed(event.ts);
        else if (event.what == DMARACE_BUS_ADDED)
            added(event.ts);
        else
            close(event.ts); // unbound, failed, deferred
        last_ = event.ts;
        first_ = false;
    }

    void end() {
        if (open_)
            life_.bound.push_back(span_);
        in(kForever);
        back(added_ ? added_by_ : kForever);
    }

private:
    std::uint64_t start(std::uint64_t ts, Effects effects) const {
        const auto* step = covering(steps_, device_, ts, effects);
        return step == nullptr ? last_ : std::max(step->began, last_);
    }
    void open(std::uint64_t from, bool sure) {
        close(from);
        span_ = {from, kForever, sure};
        open_ = true;
    }
    void close(std::uint64_t to) {
        if (open_) {
            span_.to = to;
            life_.bound.push_back(span_);
        }
        open_ = false;
    }
    // The stretch ends here and another one begins.
    void turn(std::uint64_t ts, bool sure) {
        if (first_ && !sure)
            open(0, true);
        open(ts, sure);
    }
    void bound(std::uint64_t ts) {
        if (!open_)
            open(last_, false);
        in(last_);
        turn(ts, true);
        back(ts);
    }
    // It may be in a group again from here on.
    void in(std::uint64_t ts) {
        if (out_ && ts > out_from_)
            life_.out.push_back({out_from_, ts == kForever ? ts : ts - 1, true});
        out_ = false;
    }
    void back(std::uint64_t ts) {
        if (away_)
            life_.away.push_back({gone_.from, ts, true});
        away_ = false;
    }
    void removed(std::uint64_t ts) {
        close(ts);
        back(ts);
        in(ts);
        gone_ = {start(ts, effect::removes), kForever, true};
        away_ = out_ = true;
        out_from_ = ts;
        added_ = false;
    }
    // Up to 6.14 a device of a device tree gets its group only when it is bound:
    // it is away until then; one that is not bound, until its finder returned.
    void added(std::uint64_t ts) {
        const auto* finder = covering(steps_, device_, ts, effect::adds);
        added_by_ = finder == nullptr ? ts : finder->ended;
        in(start(ts, effect::adds));
        if (!away_)
            gone_ = {start(ts, effect::adds), kForever, true};
        away_ = true;
        added_ = true;
    }

    const std::vector<TimedStep>& steps_;
    const std::string& device_;
    DeviceLife& life_;
    LifeSpan span_, gone_;
    std::uint64_t last_ = 0, added_by_ = 0, out_from_ = 0;
    bool open_ = false, away_ = false, out_ = false, added_ = false, first_ = true;
};

// No events: the actors' own word.
void bound_by_steps(const std::vector<TimedStep>& steps, const std::string& device, bool bound,
                    DeviceLife& life) {
    LifeSpan span{0, kForever, true};
    for (const auto& step : steps) {
        if (step.device != device ||
            !does(step.verb, effect::leaves_bound | effect::leaves_unbound))
            continue;
        life.known = true;
        if (bound) {
            span.to = step.began;
            life.bound.push_back(span);
        }
        life.bound.push_back({step.began, step.ended, false});
        if (step.os_error == 0)
            bound = does(step.verb, effect::leaves_bound);
        span = {step.ended, kForever, true};
    }
    if (bound && life.known)
        life.bound.push_back(span);
}

// No events: away from a removal to the next rescan.
void removed_by_steps(const std::vector<TimedStep>& steps, const std::string& device,
                      DeviceLife& life) {
    for (const auto& step : steps) {
        if (!does(step.verb, effect::removes_own) || step.device != device)
            continue;
        LifeSpan span{step.began, kForever, true}, out{step.ended, kForever, true};
        for (const auto& later : steps)
            if (later.verb == Verb::rescan && later.ended >= step.began) {
                out.to = std::min(out.to, later.began - 1);
                if (later.began >= step.began)
                    span.to = std::min(span.to, later.ended);
            }
        life.away.push_back(span);
        if (step.os_error == 0 && out.from < out.to)
            life.out.push_back(out);
    }
}

} // namespace

// The driver core takes the group's DMA in dma_configure, before 'binding', and gives it up
// between 'unbinding' and 'unbound'; up to 6.3 device_is_bound() counts, which changes in
// the same stretches, under device_lock. So a device may be bound from the bind step's begin
// (without one: since the event before) to 'bound', and from 'unbinding' to 'unbound'.
DeviceLife life_of(const std::vector<Line>& events, const std::vector<TimedStep>& steps,
                   const std::string& device, std::optional<bool> first) {
    DeviceLife life;
    auto told = events_of(events, device);
    const bool silent = told.empty();
    leave_out_managed(told, managed_at(events, device), first);
    if (!silent && told.empty()) {
        life.known = true;
        if (first == true)
            life.bound.push_back({0, kForever, true});
        return life;
    }
    if (silent) {
        bound_by_steps(steps, device, first.value_or(false), life);
        removed_by_steps(steps, device, life);
        if (!life.known && first) {
            life.known = true;
            if (*first)
                life.bound.push_back({0, kForever, true});
        }
        return life;
    }
    life.known = true;
    LifeReader reader(steps, device, life);
    for (const auto& event : told)
        reader.take(event);
    reader.end();
    return life;
}

} // namespace dmarace::types
