// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/timeline.hpp"

#include "catalogue/failures.hpp"
#include "kmod/dmarace_abi.h"
#include "verdict/checks.hpp"
#include "verdict/happened.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>

namespace dmarace::verdict {

namespace {

constexpr std::array<std::string_view, 9> kSpans{
    "step", "wait", "failed", "parked", "delayed", "unbound", "direct", "translated", "underfoot"};
constexpr std::size_t kDevices = 12; // that have lanes, besides those with failures

std::uint64_t time_of(const Line& line) {
    return static_cast<std::uint64_t>(line.number(DMARACE_K_TS).value_or(0));
}

class Builder {
public:
    Builder(const Observed& observed, const std::vector<Failure>& failures) : seen_(observed) {
        for (const auto& failure : failures) {
            evidence_.insert(failure.evidence.begin(), failure.evidence.end());
            if (!failure.device.empty())
                devices_.insert(failure.device);
        }
        for (const auto& line : seen_.events) {
            const auto what = line.get(DMARACE_K_WHAT);
            if (line.verb == DMARACE_E_SIGNAL)
                raised_[line.get(DMARACE_K_NAME)].push_back(
                    {time_of(line), line.get(DMARACE_K_ACTOR)});
            else if (line.verb == DMARACE_E_BUS &&
                     (what == DMARACE_BUS_UNBOUND || what == DMARACE_BUS_REMOVED))
                left_[line.get(DMARACE_K_DEV)].push_back(time_of(line));
        }
    }

    Timeline build() {
        add_steps();
        for (const auto& line : seen_.events)
            add_event(line);
        add_lost();
        add_devices();
        add_marks();
        std::ranges::stable_sort(out_.spans, {}, &Span::began);
        std::ranges::stable_sort(out_.marks, {}, &Moment::ts);
        close();
        return std::move(out_);
    }

private:
    std::size_t lane(LaneKind of, const std::string& name) {
        for (std::size_t i = 0; i < out_.lanes.size(); ++i)
            if (out_.lanes[i].of == of && out_.lanes[i].name == name)
                return i;
        out_.lanes.push_back({of, name});
        return out_.lanes.size() - 1;
    }

    std::size_t lane_of(const Line& line) {
        const auto actor = line.get(DMARACE_K_ACTOR);
        return actor.empty() ? lane(LaneKind::worker,
                                    line.get(DMARACE_K_COMM) + "[" + line.get(DMARACE_K_TID) + "]")
                             : lane(LaneKind::actor, actor);
    }

    void add_steps() {
        auto steps = seen_.steps;
        std::ranges::stable_sort(steps, {}, &StepResult::began);
        for (const auto& step : steps) {
            if (step.actor.empty()) // of reset and settle
                continue;
            auto& span = out_.spans.emplace_back();
            span.kind = step.verb == catalogue::Verb::wait ? SpanKind::wait
                        : step.os_error != 0               ? SpanKind::failed
                                                           : SpanKind::step;
            span.lane = lane(LaneKind::actor, step.actor);
            span.began = step.began;
            span.ended = step.ended;
            span.open = step.ended == 0;
            span.text = step.text;
            if (step.os_error != 0)
                span.text += ": " + std::string(std::strerror(step.os_error));
        }
    }

    // "step:client:1", "done:client", "blocked:client", or a signal that somebody raised.
    std::size_t who_raised(const std::string& signal, std::uint64_t until) {
        std::string actor;
        const auto& all = raised_[signal];
        if (const auto after = std::ranges::upper_bound(all, until, {}, &Raised::ts);
            after != all.begin())
            actor = std::prev(after)->actor;
        if (const auto colon = signal.find(':'); actor.empty() && colon != std::string::npos)
            actor = signal.substr(colon + 1, signal.find(':', colon + 1) - colon - 1);
        for (std::size_t i = 0; i < out_.lanes.size(); ++i)
            if (out_.lanes[i].of == LaneKind::actor && out_.lanes[i].name == actor)
                return i;
        return SIZE_MAX;
    }

    static std::string place_of(const Line& line) {
        const bool enter = line.get(DMARACE_K_ON) == "enter";
        return "the " + (enter ? "entry" : line.get(DMARACE_K_ON)) + " of " +
               line.get(DMARACE_K_POINT);
    }

    void add_event(const Line& line) {
        if (line.verb == DMARACE_E_HELD) {
            open_[{line.get(DMARACE_K_RULE), line.get(DMARACE_K_TID)}] = out_.spans.size();
            auto& span = out_.spans.emplace_back();
            span.kind = SpanKind::parked;
            span.lane = lane_of(line);
            span.began = time_of(line);
            span.open = true;
            span.place = place_of(line);
            span.rule = line.get(DMARACE_K_RULE);
            span.device = line.get(DMARACE_K_DEV);
            span.text = "held at " + span.place + ", waits for " + line.get(DMARACE_K_WAIT_FOR);
            span.lines = {to_text(line)};
        } else if (line.verb == DMARACE_E_END) {
            end_hold(line);
        } else if (line.verb == DMARACE_E_DELAY) {
            auto& span = out_.spans.emplace_back();
            span.kind = SpanKind::delayed;
            span.lane = lane_of(line);
            span.began = time_of(line);
            span.ended = span.began +
                         static_cast<std::uint64_t>(line.number(DMARACE_K_US).value_or(0)) * 1000;
            span.text = "delayed at " + place_of(line) + " for " + line.get(DMARACE_K_US) + " us";
            span.lines = {to_text(line)};
        }
    }

    // Its length is the module's own measure: the lines are stamped when they are written.
    void end_hold(const Line& line) {
        const auto begun = open_.find({line.get(DMARACE_K_RULE), line.get(DMARACE_K_TID)});
        if (begun == open_.end())
            return;
        auto& span = out_.spans[begun->second];
        open_.erase(begun);
        span.open = false;
        span.ended = time_of(line);
        span.held_us = line.number(DMARACE_K_HELD_US).value_or(0);
        span.began = span.ended - static_cast<std::uint64_t>(span.held_us) * 1000;
        span.how = line.get(DMARACE_K_HOW);
        span.by = line.get(DMARACE_K_BY);
        span.by_lane = who_raised(span.by, span.ended);
        span.text += "; went on after " + std::to_string(span.held_us) + " us (" + span.how +
                     (span.by.empty() ? "" : ": " + span.by) + ")";
        span.lines.push_back(to_text(line));
    }

    // Steps that no actor could tell of: it never came back, or an oops took it.
    void add_lost() {
        for (const auto& end : seen_.actors) {
            using enum ActorEnd::How;
            if (end.how != stuck && end.how != killed)
                continue;
            Span span{.kind = SpanKind::failed, .lane = lane(LaneKind::actor, end.actor)};
            for (const auto& line : seen_.events)
                if (span.began == 0 && line.get(DMARACE_K_ACTOR) == end.actor)
                    span.began = time_of(line);
            for (const auto& step : out_.spans)
                if (step.is_step() && step.lane == span.lane)
                    span.began = std::max(span.began, step.ended);
            span.open = true;
            span.text =
                end.how == stuck ? first_line(end.stack) + ": never came back" : "killed in a step";
            span.lines = lines_in(end.stack);
            if (span.began != 0)
                out_.spans.push_back(std::move(span));
        }
    }

    std::vector<Audit> audits() const {
        std::vector<Audit> all;
        for (const auto& line : seen_.events)
            if (auto audit = to_audit(line))
                all.push_back(*std::move(audit));
        std::ranges::copy(seen_.settled, std::back_inserter(all));
        std::ranges::stable_sort(all, {}, &Audit::ts);
        return all;
    }

    void add_devices() {
        std::set<std::string> others;
        for (const auto& line : seen_.events)
            if (line.verb == DMARACE_E_BUS || line.verb == DMARACE_E_AUDIT)
                others.insert(line.get(DMARACE_K_DEV));
        for (const auto& device : others)
            if (!devices_.contains(device))
                devices_.size() < kDevices ? (void)devices_.insert(device)
                                           : (void)++out_.more_devices;
        const auto all = audits();
        for (const auto& device : devices_) {
            std::vector<const Audit*> its;
            for (const auto& audit : all)
                if (audit.device == device)
                    its.push_back(&audit);
            add_device(lane(LaneKind::device, device), device, its);
        }
    }

    // What the audits say, until the next of them or until its driver leaves it.
    void add_device(std::size_t lane, const std::string& device,
                    const std::vector<const Audit*>& audits) {
        auto was = SpanKind::unbound; // while this driver is bound
        for (std::size_t i = 0; i < audits.size(); ++i) {
            const auto& audit = *audits[i];
            auto& span = out_.spans.emplace_back();
            span.lane = lane;
            span.began = audit.ts;
            span.ended = i + 1 < audits.size() ? audits[i + 1]->ts : audit.ts;
            span.open = i + 1 == audits.size();
            const auto left = left_at(device, audit.ts, span.open ? UINT64_MAX : span.ended);
            if (left) {
                span.ended = *left;
                span.open = false;
            }
            span.kind = SpanKind::unbound;
            if (audit.bound.value_or(false) && audit.via_iommu) {
                const auto now = *audit.via_iommu ? SpanKind::translated : SpanKind::direct;
                span.kind = was != SpanKind::unbound && was != now ? SpanKind::underfoot : now;
                if (was == SpanKind::unbound)
                    was = now;
            }
            if (!audit.bound.value_or(false) || left)
                was = SpanKind::unbound;
            span.text = device + " at " + audit.at + ": " + words(audit);
            span.lines = {to_text(to_line(audit))};
            out_.marks.push_back(
                {lane, audit.ts, span.text, span.lines[0], evidence_.contains(span.lines[0])});
        }
    }

    static std::string words(const Audit& audit) {
        if (!audit.bound.value_or(false))
            return "no driver is bound";
        return audit.driver + " is bound, " +
               (!audit.via_iommu   ? "its DMA is not known"
                : *audit.via_iommu ? "DMA translated"
                                   : "DMA direct") +
               ", domain " + (audit.domain.empty() ? "not known" : audit.domain);
    }

    std::optional<std::uint64_t> left_at(const std::string& device, std::uint64_t from,
                                         std::uint64_t to) {
        const auto& all = left_[device];
        const auto next = std::ranges::upper_bound(all, from);
        return next != all.end() && *next < to ? std::optional(*next) : std::nullopt;
    }

    void add_marks() {
        for (const auto& one : happened(seen_, evidence_))
            if (one.what == HappenedKind::log)
                out_.marks.push_back({lane(LaneKind::log, "kernel log"), one.ts, one.text, one.line,
                                      evidence_.contains(one.line)});
        for (const auto& line : seen_.events)
            if (line.verb == DMARACE_E_BUS && devices_.contains(line.get(DMARACE_K_DEV)))
                out_.marks.push_back(
                    {lane(LaneKind::device, line.get(DMARACE_K_DEV)), time_of(line),
                     line.get(DMARACE_K_DEV) + " " + line.get(DMARACE_K_WHAT) +
                         (line.get(DMARACE_K_ACTOR).empty() ? ""
                                                            : " by " + line.get(DMARACE_K_ACTOR)),
                     to_text(line), false});
    }

    // What did not end lasts as long as the rest.
    void close() {
        out_.began = UINT64_MAX;
        for (const auto& span : out_.spans) {
            out_.began = std::min(out_.began, span.began);
            out_.ended = std::max({out_.ended, span.began, span.ended});
        }
        for (const auto& mark : out_.marks) {
            out_.began = std::min(out_.began, mark.ts);
            out_.ended = std::max(out_.ended, mark.ts);
        }
        out_.began = std::min(out_.began, out_.ended);
        for (auto& span : out_.spans)
            if (span.open)
                span.ended = out_.ended;
    }

    struct Raised {
        std::uint64_t ts;
        std::string actor;
    };

    const Observed& seen_;
    std::set<std::string> evidence_, devices_;
    std::map<std::string, std::vector<Raised>> raised_;      // by signal, in order
    std::map<std::string, std::vector<std::uint64_t>> left_; // when a driver left it, or it the bus
    std::map<std::pair<std::string, std::string>, std::size_t> open_; // holds, by rule and task
    Timeline out_;
};

} // namespace

std::string_view to_text(SpanKind kind) { return kSpans.at(static_cast<std::size_t>(kind)); }

Timeline timeline(const Observed& observed, const std::vector<Failure>& failures) {
    return Builder(observed, failures).build();
}

} // namespace dmarace::verdict
