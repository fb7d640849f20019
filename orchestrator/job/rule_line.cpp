// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/rule_line.hpp"

#include "kmod/dmarace_abi.h"

namespace dmarace::job {

namespace {

void add_text(Line& line, const char* key, const std::string& value) {
    if (!value.empty())
        line.add(key, value);
}

template <class Number>
void add_number(Line& line, const char* key, const std::optional<Number>& value) {
    if (value)
        line.add(key, std::to_string(*value));
}

// The module has no unit above the second.
std::string to_time(Nanoseconds time) {
    if (time >= std::chrono::minutes(1) && time % std::chrono::seconds(1) == Nanoseconds{0})
        return std::to_string(time / std::chrono::seconds(1)) + "s";
    return dmarace::to_text(time);
}

std::string to_time(const DurationRange& range) {
    if (range.min == range.max)
        return to_time(range.min);
    return to_time(range.min) + ".." + to_time(range.max);
}

std::string joined(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& name : names)
        out += (out.empty() ? "" : ",") + name;
    return out;
}

} // namespace

Line to_rule_line(const Rule& rule) {
    Line line{DMARACE_V_RULE, {}};
    add_text(line, DMARACE_K_NAME, rule.name);
    line.add(DMARACE_K_POINT, rule.point).add(DMARACE_K_ON, rule.on);
    add_text(line, DMARACE_K_DEV, rule.dev);
    add_text(line, DMARACE_K_GROUP, rule.group);
    add_text(line, DMARACE_K_TASK, rule.task);
    add_text(line, DMARACE_K_ACTOR, rule.actor);
    add_text(line, DMARACE_K_FROM, rule.from);
    add_number(line, DMARACE_K_NTH, rule.nth);
    add_number(line, DMARACE_K_RET, rule.ret);
    add_number(line, DMARACE_K_PROBABILITY, rule.probability);
    add_number(line, DMARACE_K_INTERVAL, rule.interval);
    add_number(line, DMARACE_K_TIMES, rule.times);
    add_number(line, DMARACE_K_SPACE, rule.space);
    if (rule.delay)
        line.add(DMARACE_K_DELAY, to_time(*rule.delay));
    add_text(line, DMARACE_K_SIGNAL, rule.signal);
    if (rule.holds())
        line.add(DMARACE_K_WAIT_FOR, joined(rule.wait_for))
            .add(DMARACE_K_TIMEOUT, to_time(rule.timeout.value_or(std::chrono::seconds(2))));
    add_number(line, DMARACE_K_RETURN, rule.override_return);
    if (rule.optional)
        line.add(DMARACE_K_OPTIONAL, "1");
    if (rule.unsafe)
        line.add(DMARACE_K_UNSAFE, "1");
    add_number(line, DMARACE_K_ARG, rule.arg);
    return line;
}

} // namespace dmarace::job
