// SPDX-License-Identifier: GPL-2.0-or-later
// What the module and the kernel told of an iteration, in order.
#include "base/text.hpp"
#include "campaign/iteration.hpp"
#include "job/plan.hpp"
#include "kmod/dmarace_abi.h"
#include "types/judge.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace dmarace::campaign {

namespace {

std::uint64_t count_of(const Line& line, std::string_view key) {
    return static_cast<std::uint64_t>(line.number(key).value_or(0));
}

verdict::RuleCount to_count(const Line& line, const job::Plan& plan) {
    verdict::RuleCount count;
    count.rule = line.get(DMARACE_K_RULE);
    count.point = line.get(DMARACE_K_POINT);
    count.armed = line.get(DMARACE_K_ARMED) != "0";
    if (const auto* rule = named(plan.rules, count.rule)) {
        count.optional = rule->optional;
        count.holds = rule->holds();
    }
    count.hits = count_of(line, DMARACE_K_HITS);
    count.met = count_of(line, DMARACE_K_MET);
    count.blocked = count_of(line, DMARACE_K_BLOCKED);
    count.timeout = count_of(line, DMARACE_K_TIMEOUT);
    count.unhit = count_of(line, DMARACE_K_UNHIT);
    count.released = count_of(line, DMARACE_K_RELEASED);
    count.atomic = count_of(line, DMARACE_K_ATOMIC);
    count.nmissed = count_of(line, DMARACE_K_NMISSED);
    return count;
}

// What an actor asked of the module comes by another way than what the module
// tells the owner: both in order of time. A line without a time stays behind
// the one before it.
void order_by_time(std::vector<Line>& events) {
    std::vector<std::pair<std::uint64_t, Line>> timed;
    std::uint64_t last = 0;
    for (auto& line : events) {
        if (line.find(DMARACE_K_TS))
            last = count_of(line, DMARACE_K_TS);
        timed.emplace_back(last, std::move(line));
    }
    std::ranges::stable_sort(timed, {}, [](const auto& entry) { return entry.first; });
    events.clear();
    for (auto& [ts, line] : timed)
        events.push_back(std::move(line));
}

} // namespace

verdict::LogLine to_log_line(board::KernelRecord record) {
    return {record.ts,   record.level, std::move(record.text), std::move(record.device),
            record.user, record.lost};
}

void read_log(Machine& machine, verdict::Observed& observed) {
    auto records = machine.log.read_new();
    if (!records) {
        if (observed.error.empty())
            observed.error = records.error().message;
        return;
    }
    for (auto& record : *records)
        observed.log.push_back(to_log_line(std::move(record)));
    observed.log_shift = machine.log.clock_shift();
}

std::uint64_t read_taint(const board::Devices& devices) {
    return leading_number(devices.files().read("/proc/sys/kernel/tainted").value_or(""));
}

void sort_events(verdict::Observed& observed, const job::Plan& plan) {
    order_by_time(observed.events);
    // A witness that missed a call makes nonsense of the others.
    const bool blind = std::ranges::any_of(observed.events, [](const Line& line) {
        return line.verb == DMARACE_E_COUNT && types::witness_of(line) != nullptr &&
               count_of(line, DMARACE_K_NMISSED) > 0;
    });
    std::erase_if(observed.events, [&](const Line& line) {
        if (types::witness_of(line) != nullptr)
            return blind || line.verb == DMARACE_E_COUNT;
        if (line.verb == DMARACE_E_COUNT) {
            // A runner that gave up has disarmed before: the last word counts.
            std::erase_if(observed.counts, [&](const auto& count) {
                return count.rule == line.get(DMARACE_K_RULE);
            });
            observed.counts.push_back(to_count(line, plan));
            return true;
        }
        if (line.verb == DMARACE_E_LOST)
            observed.lost_events += count_of(line, DMARACE_K_N);
        if (line.verb == DMARACE_E_LEASE && line.get(DMARACE_K_STATE) == DMARACE_STATE_LOST)
            observed.lease_lost = true;
        return false;
    });
}

Status take_events(Machine& machine, verdict::Observed& observed) {
    TRY_AS(auto lines, machine.control.take());
    std::ranges::move(lines, std::back_inserter(observed.events));
    return {};
}

} // namespace dmarace::campaign
