// SPDX-License-Identifier: GPL-2.0-or-later
// When a device was bound, and in no group, as the bus events and the steps tell.
#include "kmod/dmarace_abi.h"
#include "types/judge.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace dmarace::types {

namespace {

using catalogue::does;
using catalogue::Effects;
using catalogue::Verb;
namespace effect = catalogue::effect;

constexpr std::string_view kClaim = "dmarace:claim", kClaimed = "dmarace:claimed",
                           kGive = "dmarace:give", kGiven = "dmarace:given",
                           kLeave = "dmarace:leave", kCome = "dmarace:come", kCame = "dmarace:came";

constexpr std::array<TypeWitness, 7> kWitnesses{{
    {kClaim, "iommu_device_use_default_domain", DMARACE_ON_ENTER},
    {kClaimed, "iommu_device_use_default_domain", DMARACE_ON_EXIT},
    {kGive, "iommu_device_unuse_default_domain", DMARACE_ON_ENTER},
    {kGiven, "iommu_device_unuse_default_domain", DMARACE_ON_EXIT},
    {kLeave, "iommu_release_device", DMARACE_ON_ENTER},
    {kCome, "iommu_probe_device", DMARACE_ON_ENTER},
    {kCame, "iommu_probe_device", DMARACE_ON_EXIT},
}};

// What was told of one device.
struct DeviceEvent {
    std::string_view what; // of a bus, or the rule of a witness
    std::uint64_t ts = 0;
    bool good = true; // what it tells of went well
    bool bus = true;
};

std::vector<DeviceEvent> events_of(const std::vector<Line>& lines, const std::string& device) {
    constexpr std::array<std::string_view, 8> kBus{
        DMARACE_BUS_ADDED,     DMARACE_BUS_REMOVED, DMARACE_BUS_BINDING,  DMARACE_BUS_BOUND,
        DMARACE_BUS_UNBINDING, DMARACE_BUS_UNBOUND, DMARACE_BUS_DEFERRED, DMARACE_BUS_FAILED};
    std::vector<DeviceEvent> out;
    for (const auto& line : lines) {
        if (line.get(DMARACE_K_DEV) != device)
            continue;
        const auto ts = static_cast<std::uint64_t>(line.number(DMARACE_K_TS).value_or(0));
        const auto* witness = witness_of(line);
        const auto bus = std::ranges::find(kBus, line.get(DMARACE_K_WHAT));
        if (line.verb == DMARACE_E_BUS && bus != kBus.end())
            out.push_back({*bus, ts});
        else if (witness != nullptr)
            out.push_back({witness->rule, ts, line.number(DMARACE_K_RET).value_or(0) == 0, false});
    }
    std::ranges::stable_sort(out, {}, &DeviceEvent::ts);
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

bool ends_binding(const DeviceEvent& event) {
    return event.what != DMARACE_BUS_BINDING && event.what != DMARACE_BUS_BOUND &&
           event.what != DMARACE_BUS_UNBINDING;
}

// Takes out the bindings of drivers that manage their DMA: these own no group. Audits say
// which; of one that began before all events, the first look does.
void leave_out_managed(std::vector<DeviceEvent>& events, const std::vector<std::uint64_t>& managed,
                       std::optional<bool> first) {
    std::vector<DeviceEvent> kept;
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
        std::copy_if(begin, end, std::back_inserter(kept), [&](const DeviceEvent& event) {
            return !out || event.what == DMARACE_BUS_REMOVED || event.what == DMARACE_BUS_ADDED;
        });
        since = until;
        begin = end;
    }
    events = std::move(kept);
}

// Stretches of one kind, one after the other.
class Stretches {
public:
    explicit Stretches(std::vector<LifeSpan>& out) : out_(out) {}

    bool is_open() const { return open_; }
    void open(std::uint64_t from, bool sure) {
        close(from);
        span_ = {from, kForever, sure};
        open_ = true;
    }
    void close(std::uint64_t to) {
        if (open_) {
            span_.to = to;
            out_.push_back(span_);
        }
        open_ = false;
    }

private:
    std::vector<LifeSpan>& out_;
    LifeSpan span_{};
    bool open_ = false;
};

// The step that an event was part of, or null.
const TimedStep* covering(const std::vector<TimedStep>& steps, const std::string& device,
                          std::uint64_t ts, Effects effects) {
    for (const auto& step : steps)
        if (step.overlaps(ts, ts) && (step.device.empty() || step.device == device) &&
            does(step.verb, effects))
            return &step;
    return nullptr;
}

// The moment at which that step began, not before 'least'.
std::uint64_t start(const std::vector<TimedStep>& steps, const std::string& device,
                    std::uint64_t ts, Effects effects, std::uint64_t least) {
    const auto* step = covering(steps, device, ts, effects);
    return step == nullptr ? least : std::max(step->began, least);
}

// Who owned the group, as the witnesses saw it.
void read_claims(const std::vector<DeviceEvent>& events, DeviceLife& life) {
    Stretches owned(life.owned);
    bool first = true;
    for (const auto& event : events) {
        if (event.what == kClaim) {
            owned.open(event.ts, false);
        } else if (event.what == kClaimed) {
            owned.close(event.ts);
            if (event.good)
                owned.open(event.ts, true);
        } else if (event.what == kGive) {
            if (first)
                owned.open(0, true);
            owned.open(event.ts, false);
        } else if (event.what == kGiven) {
            owned.close(event.ts);
        } else {
            continue;
        }
        first = false;
    }
    owned.close(kForever);
}

bool is_of_owner(const DeviceEvent& event) { return event.what == kClaim || event.what == kGive; }

// .. as the buses tell it: the driver core claims before 'binding', and gives up between
// 'unbinding' and 'unbound'.
void read_owner(std::vector<DeviceEvent> events, const std::vector<TimedStep>& steps,
                const std::string& device, const std::vector<std::uint64_t>& managed,
                std::optional<bool> owned_first, DeviceLife& life) {
    if (events.empty())
        return;
    leave_out_managed(events, managed, owned_first);
    if (events.empty() && owned_first == true)
        life.owned.push_back({0, kForever, true});
    Stretches owned(life.owned);
    std::uint64_t last = 0;
    bool first = true;
    for (const auto& event : events) {
        if (event.what == DMARACE_BUS_BINDING) {
            owned.open(start(steps, device, event.ts, effect::binds, last), false);
            owned.open(event.ts, true);
        } else if (event.what == DMARACE_BUS_BOUND) {
            if (!owned.is_open())
                owned.open(last, false);
            owned.open(event.ts, true);
        } else if (event.what == DMARACE_BUS_UNBINDING) {
            if (first)
                owned.open(0, true);
            owned.open(event.ts, false);
        } else if (event.what != DMARACE_BUS_ADDED) {
            owned.close(event.ts);
        }
        last = event.ts;
        first = false;
    }
    owned.close(kForever);
}

// What device_is_bound() says, and when the driver core owns the device's lock.
void read_driver(const std::vector<DeviceEvent>& events, DeviceLife& life) {
    Stretches bound(life.bound), locked(life.locked);
    std::uint64_t last = 0;
    bool first = true;
    for (const auto& event : events) {
        if (event.what == DMARACE_BUS_BINDING) {
            locked.open(event.ts, true);
        } else if (event.what == DMARACE_BUS_BOUND) {
            if (!locked.is_open())
                locked.open(last, true);
            locked.close(event.ts);
            bound.open(event.ts, true);
        } else if (event.what == DMARACE_BUS_UNBINDING) {
            if (first)
                bound.open(0, true);
            bound.close(event.ts);
            locked.open(event.ts, true);
        } else if (event.what != DMARACE_BUS_ADDED) {
            bound.close(event.ts);
            locked.close(event.ts);
        }
        last = event.ts;
        first = false;
    }
    bound.close(kForever);
    locked.close(kForever);
}

// When the device was in its group. What the witnesses did not see is as the buses tell: up
// to 6.14 a device of a device tree gets its group only when it is bound: it is away until
// then; one that is not bound, until its finder returned.
class MemberReader {
public:
    MemberReader(const std::vector<TimedStep>& steps, const std::string& device, DeviceLife& life)
        : steps_(steps), device_(device), life_(life) {}

    void take(const DeviceEvent& event) {
        if (event.what == kLeave)
            leave_ = event.ts;
        else if (event.what == kCome)
            come(event.ts);
        else if (event.what == kCame)
            came(event);
        else if (event.what == DMARACE_BUS_REMOVED)
            removed(event.ts);
        else if (event.what == DMARACE_BUS_ADDED && !seen_)
            added(event.ts);
        else if (event.what == DMARACE_BUS_BOUND && out_)
            in(last_);
        if (event.what == DMARACE_BUS_BOUND && !seen_)
            back(event.ts);
        if (event.bus && event.what != DMARACE_BUS_BINDING)
            last_ = event.ts;
    }

    void end() {
        in(kForever);
        back(added_ ? added_by_ : kForever);
    }

private:
    // It may be in a group again from here on.
    void in(std::uint64_t ts) {
        if (out_ && ts > out_from_)
            life_.out.push_back({out_from_, ts == kForever ? ts : ts - 1, true});
        out_ = false;
    }
    void back(std::uint64_t ts) {
        if (away_)
            life_.away.push_back({gone_, ts, true});
        away_ = false;
    }
    void come(std::uint64_t ts) {
        leave_ = 0; // one told after 'removed' is of that removal
        in(ts);
        seen_ = true;
    }
    void came(const DeviceEvent& event) {
        if (!away_ || !seen_)
            return;
        if (event.good)
            return back(event.ts);
        out_ = true;
        out_from_ = event.ts;
    }
    void removed(std::uint64_t ts) {
        back(ts);
        in(ts);
        gone_ = leave_ > last_ ? leave_ : start(steps_, device_, ts, effect::removes, last_);
        away_ = out_ = true;
        out_from_ = ts;
        added_ = seen_ = false;
        leave_ = 0;
    }
    void added(std::uint64_t ts) {
        const auto* finder = covering(steps_, device_, ts, effect::adds);
        const auto began = start(steps_, device_, ts, effect::adds, last_);
        added_by_ = finder == nullptr ? ts : finder->ended;
        in(began);
        if (!away_)
            gone_ = began;
        away_ = true;
        added_ = true;
    }

    const std::vector<TimedStep>& steps_;
    const std::string& device_;
    DeviceLife& life_;
    std::uint64_t last_ = 0, leave_ = 0, gone_ = 0, added_by_ = 0, out_from_ = 0;
    bool away_ = false, out_ = false, added_ = false;
    bool seen_ = false; // the witnesses saw it come since it was removed
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
            life.owned.push_back(span);
        }
        life.owned.push_back({step.began, step.ended, false});
        if (step.os_error == 0)
            bound = does(step.verb, effect::leaves_bound);
        span = {step.ended, kForever, true};
    }
    if (bound && life.known)
        life.owned.push_back(span);
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

std::span<const TypeWitness> type_witnesses() { return kWitnesses; }

const TypeWitness* witness_of(const Line& line) {
    if (line.verb != DMARACE_E_HIT && line.verb != DMARACE_E_COUNT)
        return nullptr;
    const auto found = std::ranges::find(kWitnesses, line.get(DMARACE_K_RULE), &TypeWitness::rule);
    return found == kWitnesses.end() ? nullptr : &*found;
}

// From 6.4 on the group's owner count decides, which claims and gives change under the group's
// mutex; up to 6.3 device_is_bound(), which changes under the device's lock, and a write takes
// that lock too: it is decided before a bind or an unbind, or after it.
DeviceLife life_of(const std::vector<Line>& events, const std::vector<TimedStep>& steps,
                   const std::string& device, const FirstSeen& first) {
    DeviceLife life;
    const auto told = events_of(events, device);
    auto buses = told;
    std::erase_if(buses, [](const DeviceEvent& event) { return !event.bus; });
    if (buses.empty()) {
        bound_by_steps(steps, device, first.owned.value_or(false), life);
        removed_by_steps(steps, device, life);
        if (!life.known && first.owned == true)
            life.owned.push_back({0, kForever, true});
        life.known = life.known || first.owned.has_value();
        life.bound = first.managed ? std::vector{LifeSpan{0, kForever, true}} : life.owned;
        return life;
    }
    life.known = true;
    read_driver(buses, life);
    if (std::ranges::any_of(told, is_of_owner))
        read_claims(told, life);
    else
        read_owner(buses, steps, device, managed_at(events, device), first.owned, life);
    MemberReader reader(steps, device, life);
    for (const auto& event : told)
        reader.take(event);
    reader.end();
    return life;
}

} // namespace dmarace::types
