// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/iteration.hpp"

#include "base/draw.hpp"
#include "campaign/inspect.hpp"
#include "job/rule_line.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <cerrno>

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
    const auto rule = std::ranges::find(plan.rules, count.rule, &job::Rule::name);
    if (rule != plan.rules.end()) {
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

Status arm_and_act(Machine& machine, Progress& progress, Interrupts& interrupts,
                   const job::Plan& plan, const IterationOptions& options,
                   verdict::Observed& observed) {
    Stage stage(machine, progress, interrupts, options.limits);
    if (auto ready =
            stage.prepare(plan.actors, options.holds, seed_of(options.seed, options.number));
        !ready)
        return ready;
    (void)machine.control.take();
    if (auto armed = arm(machine, progress, plan, options); !armed)
        return armed;
    auto played = stage.introduce();
    if (played)
        played = stage.play(observed, true);
    const auto disarmed = machine.control.request(Line{DMARACE_V_DISARM, {}});
    if (auto taken = take_events(machine, observed); !taken)
        return taken;
    if (!played)
        return played;
    if (!disarmed)
        return std::unexpected(disarmed.error());
    return {};
}

void read_log(Machine& machine, verdict::Observed& observed) {
    auto records = machine.log.read_new();
    if (!records) {
        observed.error = records.error().message;
        return;
    }
    for (auto& record : *records)
        observed.log.push_back(
            {record.ts, record.level, std::move(record.text), std::move(record.device)});
}

bool anyone(const verdict::Observed& observed, verdict::ActorEnd::How how) {
    return std::ranges::any_of(observed.actors,
                               [how](const auto& actor) { return actor.how == how; });
}

bool anyone_stuck(const verdict::Observed& observed) {
    return anyone(observed, verdict::ActorEnd::How::stuck);
}

// A task that is stuck or died in the kernel keeps its locks: whoever settles,
// audits or resets would wait for them.
bool is_trusted(const verdict::Observed& observed) {
    return !anyone_stuck(observed) && !anyone(observed, verdict::ActorEnd::How::killed_by_oops);
}

} // namespace

std::uint64_t read_taint(const board::Devices& devices) {
    const auto text = devices.files().read("/proc/sys/kernel/tainted").value_or("0");
    return std::strtoull(text.c_str(), nullptr, 10);
}

void sort_events(verdict::Observed& observed, const job::Plan& plan) {
    order_by_time(observed.events);
    std::erase_if(observed.events, [&](const Line& line) {
        if (line.verb == DMARACE_E_COUNT) {
            // A stage that gave up has disarmed before: the last word counts.
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
    auto lines = machine.control.take();
    if (!lines)
        return std::unexpected(lines.error());
    std::ranges::move(*lines, std::back_inserter(observed.events));
    return {};
}

std::uint64_t seed_of(std::uint64_t seed, unsigned iteration) {
    return mixed(seed + iteration * kDrawStep) >> 1;
}

Result<std::vector<job::Rule>> load_rules(Machine& machine, Progress& progress,
                                          const job::Plan& plan) {
    if (const auto cleared = machine.control.request(Line{DMARACE_V_CLEAR, {}});
        !cleared && cleared.error().os_error != EPERM)
        return std::unexpected(cleared.error());
    std::vector<job::Rule> accepted;
    for (const auto& rule : plan.rules) {
        const auto added = machine.control.request(job::to_rule_line(rule));
        if (added) {
            accepted.push_back(rule);
            continue;
        }
        const auto& why = added.error();
        if (why.os_error != ENOENT)
            return std::unexpected(why);
        if (!rule.optional)
            return fail(Fault::untestable, "point " + rule.point + ": " + why.message);
        progress.note("rule " + rule.name + " left out: " + why.message);
    }
    if (accepted.empty() && !plan.rules.empty())
        return fail(Fault::untestable, "this kernel has none of the job's points");
    return accepted;
}

Status arm(Machine& machine, Progress& progress, const job::Plan& plan,
           const IterationOptions& options) {
    const Line line{DMARACE_V_ARM,
                    {{"iter", std::to_string(options.number)},
                     {"seed", std::to_string(seed_of(options.seed, options.number))}}};
    auto armed = machine.control.request(line);
    if (!armed && armed.error().os_error == EPERM) {
        progress.note("rules added again: " + armed.error().message);
        if (auto loaded = load_rules(machine, progress, plan); !loaded)
            return std::unexpected(loaded.error());
        (void)machine.control.take();
        armed = machine.control.request(line);
    }
    return armed ? Status{} : Status(std::unexpected(armed.error()));
}

Result<verdict::Observed> reset(Machine& machine, Progress& progress, Interrupts& interrupts,
                                const job::Plan& plan) {
    verdict::Observed observed;
    if (plan.reset.empty())
        return observed;
    Stage stage(machine, progress, interrupts, StageLimits{});
    if (auto ready = stage.prepare({job::Actor{"reset", plan.reset, {}}}, true); !ready)
        return std::unexpected(ready.error());
    if (auto played = stage.play(observed, false); !played)
        return std::unexpected(played.error());
    for (const auto& step : observed.steps)
        if (step.os_error != 0 && observed.error.empty() && !plan.reset.at(step.index - 1).may_fail)
            observed.error = "reset: '" + step.text + "' failed: " + step.detail;
    if (anyone_stuck(observed) && observed.error.empty())
        observed.error = "reset did not return: " + observed.actors.front().stack;
    return observed;
}

std::string mark_of(const std::string& run_id, unsigned iteration) {
    return "run=" + run_id + " iter=" + std::to_string(iteration) + " begin";
}

verdict::Observed iterate(Machine& machine, Progress& progress, Interrupts& interrupts,
                          const job::Plan& plan, const IterationOptions& options) {
    verdict::Observed observed;
    observed.iteration = options.number;
    observed.holds = options.holds;
    observed.taint_before = read_taint(machine.devices);
    (void)machine.log.read_new();
    (void)machine.log.mark(mark_of(options.run_id, options.number));
    auto acted = inspect_before(machine, observed);
    if (acted && !anyone_stuck(observed))
        acted = arm_and_act(machine, progress, interrupts, plan, options, observed);
    if (!acted)
        observed.error = acted.error().message;
    sort_events(observed, plan);
    if (interrupts.count() > 0)
        return observed;
    if (is_trusted(observed)) {
        progress.doing("settle and audit");
        if (auto looked =
                inspect(machine, put_off_binds(machine, observed), options.holds, observed);
            !looked)
            observed.error = looked.error().message;
    }
    if (is_trusted(observed)) {
        progress.doing("reset");
        const auto again = reset(machine, progress, interrupts, plan);
        observed.reset_failed = again ? again->error : again.error().message;
    }
    (void)machine.log.mark("run=" + options.run_id + " iter=" + std::to_string(options.number) +
                           " end");
    read_log(machine, observed);
    observed.taint_after = read_taint(machine.devices);
    return observed;
}

} // namespace dmarace::campaign
