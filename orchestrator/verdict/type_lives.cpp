// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/type_lives.hpp"

#include "kmod/dmarace_abi.h"

#include <algorithm>

namespace dmarace::verdict {

namespace {

using catalogue::does;
using catalogue::Effects;
using catalogue::Verb;
namespace effect = catalogue::effect;

struct Event {
    std::string what;
    std::uint64_t ts = 0;
};

std::vector<Event> events_of(const std::vector<Line>& lines, const std::string& device) {
    std::vector<Event> out;
    for (const auto& line : lines)
        if (line.verb == DMARACE_E_BUS && line.get(DMARACE_K_DEV) == device)
            out.push_back({line.get(DMARACE_K_WHAT),
                           static_cast<std::uint64_t>(line.number(DMARACE_K_TS).value_or(0))});
    std::ranges::stable_sort(out, {}, &Event::ts);
    return out;
}

// The doing that an event was part of, or null.
const Doing* covering(const std::vector<Doing>& doings, const std::string& device, std::uint64_t ts,
                      Effects effects) {
    for (const auto& doing : doings)
        if (doing.overlaps(ts, ts) && (doing.device.empty() || doing.device == device) &&
            does(doing.verb, effects))
            return &doing;
    return nullptr;
}

// Goes through the events of one device.
class Told {
public:
    Told(const std::vector<Doing>& doings, const std::string& device, Life& life)
        : doings_(doings), device_(device), life_(life) {}

    void take(const Event& event) {
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
        if (away_ && added_)
            gone_.to = added_by_;
        if (away_)
            life_.away.push_back(gone_);
    }

private:
    std::uint64_t start(std::uint64_t ts, Effects effects) const {
        const auto* doing = covering(doings_, device_, ts, effects);
        return doing == nullptr ? last_ : std::max(doing->began, last_);
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
        turn(ts, true);
        if (away_) {
            gone_.to = ts;
            life_.away.push_back(gone_);
            away_ = false;
        }
    }
    void removed(std::uint64_t ts) {
        close(ts);
        if (away_) {
            gone_.to = ts;
            life_.away.push_back(gone_);
        }
        gone_ = {start(ts, effect::removes), kForever, true};
        away_ = true;
        added_ = false;
    }
    // Up to 6.14 a device of a device tree gets its group only when it is bound:
    // it is away until then; one that is not bound, until its finder returned.
    void added(std::uint64_t ts) {
        const auto* finder = covering(doings_, device_, ts, effect::adds);
        added_by_ = finder == nullptr ? ts : finder->ended;
        if (!away_)
            gone_ = {start(ts, effect::adds), kForever, true};
        away_ = true;
        added_ = true;
    }

    const std::vector<Doing>& doings_;
    const std::string& device_;
    Life& life_;
    Span span_, gone_;
    std::uint64_t last_ = 0, added_by_ = 0;
    bool open_ = false, away_ = false, added_ = false, first_ = true;
};

// No events: the actors' own word.
void take_doings(const std::vector<Doing>& doings, const std::string& device, bool bound,
                 Life& life) {
    Span span{0, kForever, true};
    for (const auto& doing : doings) {
        if (doing.device != device ||
            !does(doing.verb, effect::leaves_bound | effect::leaves_unbound))
            continue;
        life.known = true;
        if (bound) {
            span.to = doing.began;
            life.bound.push_back(span);
        }
        life.bound.push_back({doing.began, doing.ended, false});
        if (doing.os_error == 0)
            bound = does(doing.verb, effect::leaves_bound);
        span = {doing.ended, kForever, true};
    }
    if (bound && life.known)
        life.bound.push_back(span);
}

// No events: away from a removal to the next rescan.
void take_removals(const std::vector<Doing>& doings, const std::string& device, Life& life) {
    for (const auto& doing : doings) {
        if (!does(doing.verb, effect::removes_own) || doing.device != device)
            continue;
        Span span{doing.began, kForever, true};
        for (const auto& later : doings)
            if (later.verb == Verb::rescan && later.began >= doing.began)
                span.to = std::min(span.to, later.ended);
        life.away.push_back(span);
    }
}

} // namespace

Life life_of(const std::vector<Line>& events, const std::vector<Doing>& doings,
             const std::string& device, std::optional<bool> first) {
    Life life;
    const auto told = events_of(events, device);
    if (told.empty()) {
        take_doings(doings, device, first.value_or(false), life);
        take_removals(doings, device, life);
        if (!life.known && first) {
            life.known = true;
            if (*first)
                life.bound.push_back({0, kForever, true});
        }
        return life;
    }
    life.known = true;
    Told reader(doings, device, life);
    for (const auto& event : told)
        reader.take(event);
    reader.end();
    return life;
}

} // namespace dmarace::verdict
