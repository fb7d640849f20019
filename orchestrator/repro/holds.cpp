// SPDX-License-Identifier: GPL-2.0-or-later
#include "catalogue/points.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"
#include "repro/repro.hpp"

#include <algorithm>
#include <chrono>

namespace dmarace::repro {

namespace {

using std::chrono::milliseconds;

// Long enough for an act that was not seen, and for one that took so long under other conditions.
constexpr milliseconds kSleep{2000}, kLeastSleep{1000}, kMostSleep{20000};
constexpr int kTimesAsSeen = 4;
constexpr int kFirstMark = 11;

std::unexpected<Error> refuse(const job::Rule& rule, const std::string& why) {
    return fail(Fault::usage, shown(rule.where) + ": rule '" + rule.name + "': " + why);
}

std::string without_bus(const std::string& device) {
    return device.substr(device.find('/') + 1); // all of it where there is none
}

// As it stands in a source: without module and what the compiler put behind.
std::string source_name(std::string symbol) {
    symbol.erase(0, symbol.find(':') + 1);
    return symbol.substr(0, symbol.find('.'));
}

Result<std::vector<std::string>> functions_of(const job::Rule& rule) {
    const auto* point = catalogue::find_point(rule.point);
    if (rule.point.find('+') != std::string::npos || (point && point->inside))
        return refuse(rule, rule.point + " is between two instructions of a function, and no line "
                                         "of a source is; hold at its entry or exit");
    if (!point)
        return std::vector{source_name(rule.point)};
    if (rule.parks() && (point->facts & DMARACE_SLEEPS) == 0)
        return refuse(rule, "nobody may sleep at " + rule.point +
                                ": it can come with a spinlock held or interrupts off "
                                "(dmarace list points)");
    std::vector<std::string> out;
    for (const auto& symbol : point->symbols) {
        if (symbol.starts_with("ops:"))
            return refuse(rule, rule.point + " is another function in each IOMMU driver; name "
                                             "that of the driver (viommu_probe_device, say)");
        if (const auto name = source_name(symbol); std::ranges::find(out, name) == out.end())
            out.push_back(name);
    }
    return out;
}

milliseconds sleep_for(const job::Rule& rule, const SeenRun* seen) {
    if (!rule.holds())
        return rule.delay ? std::chrono::ceil<milliseconds>(rule.delay->max) : milliseconds(0);
    if (seen)
        if (const auto held = seen->held_us.find(rule.name); held != seen->held_us.end())
            return std::clamp(milliseconds(kTimesAsSeen * held->second / 1000 / 100 * 100),
                              kLeastSleep, kMostSleep);
    return kSleep;
}

} // namespace

int mark_of(const job::Plan& plan, std::string_view actor) {
    for (std::size_t i = 0; i < plan.actors.size(); ++i)
        if (plan.actors[i].name == actor)
            return kFirstMark + static_cast<int>(i);
    return 0;
}

Result<std::vector<Hold>> holds_of(const job::Job& job, const job::Plan& plan, const SeenRun* seen,
                                   std::optional<milliseconds> sleep) {
    std::vector<Hold> out;
    for (const auto& rule : plan.rules) {
        if (rule.override_return)
            return refuse(rule, "it changes what " + rule.point + " returns, and a sleep does not");
        if (!rule.parks() && rule.signal.empty())
            continue; // it counts
        if (!rule.group.empty() || !rule.task.empty() || rule.ret)
            return refuse(rule, "it is for a group, a task's name or a returned value; a patch "
                                "knows actor and device alone");
        TRY_AS(auto functions, functions_of(rule));
        const auto* point = catalogue::find_point(rule.point);
        const bool sleeps = rule.parks();
        out.push_back({rule.name, rule.signal.empty() ? rule.name : rule.signal, rule.actor,
                       std::move(functions), without_bus(rule.dev), rule.on == DMARACE_ON_EXIT,
                       point != nullptr, rule.nth.value_or(1), mark_of(plan, rule.actor), rule.arg,
                       sleeps ? sleep.value_or(sleep_for(rule, seen)) : milliseconds(0),
                       rule.wait_for, point ? catalogue::lock_names(point->locks) : "-",
                       rule.where});
    }
    if (out.empty())
        return fail(Fault::usage, shown(job.where) + ": " + job.name +
                                      " holds nobody: there is nothing to put a sleep in for");
    return out;
}

Result<SeenRun> seen_in(const run::Run& run,
                        const std::map<unsigned, run::RecordedIteration>& all) {
    const auto failed = std::ranges::find_if(
        run.ended, [](const auto& end) { return !end.judgement.failures.empty(); });
    const auto end = failed == run.ended.end() ? run.ended.begin() : failed;
    if (end == run.ended.end())
        return fail(Fault::usage, "no iteration of it has ended");
    SeenRun out{run.head.kernel,
                run.head.arch,
                run.head.board,
                run.head.tool_version,
                run.head.params,
                {},
                {},
                end->judgement};
    if (const auto recorded = all.find(end->iteration); recorded != all.end())
        out.observed = recorded->second.observed;
    for (const auto& line : out.observed.events)
        if (const auto held = line.number(DMARACE_K_HELD_US); line.verb == DMARACE_E_END && held)
            out.held_us[line.get(DMARACE_K_RULE)] = *held;
    return out;
}

} // namespace dmarace::repro
