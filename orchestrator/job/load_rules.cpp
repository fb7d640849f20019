// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "catalogue/points.hpp"
#include "job/load_parts.hpp"
#include "job/reader.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <set>

namespace dmarace::job {

namespace {

constexpr Nanoseconds kHoldMax = std::chrono::milliseconds(DMARACE_HOLD_MAX_MS);
constexpr Nanoseconds kDelayMax = std::chrono::milliseconds(DMARACE_DELAY_MAX_MS);
constexpr Nanoseconds kDefaultTimeout = std::chrono::seconds(2);

// Keeps the place of a key's value for lint().
void remember(Section& section, Rule& rule, std::string_view key) {
    if (const auto* node = section.node(key)) {
        const auto* string = node->as_string();
        rule.places[std::string(key)] =
            string ? text_of(*string, section.file()).where : section.where(*node);
    }
}

std::string load_text(Section& section, Rule& rule, std::string_view key) {
    const auto text = section.word(key);
    remember(section, rule, key);
    if (!text)
        return "";
    if (text->value.empty())
        section.error(text->where, "'" + std::string(key) + "' in [[rule]] is empty");
    if (text->value.size() >= DMARACE_NAME_MAX)
        section.error(Code::limit, text->where,
                      "'" + std::string(key) + "' in [[rule]] is too long");
    const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    if (std::any_of(text->value.begin(), text->value.end(), control))
        section.error(text->where, "'" + std::string(key) + "' in [[rule]] is one line");
    return text->value;
}

void load_filters(Section& section, Rule& rule) {
    const auto on = section.text("on");
    remember(section, rule, "on");
    if (on && on->value != DMARACE_ON_ENTER && on->value != DMARACE_ON_EXIT)
        section.error(on->where, "'" + on->value + "' is neither enter nor exit" +
                                     did_you_mean(on->value, {"enter", "exit"}));
    rule.on = on ? on->value : "enter";
    rule.dev = load_text(section, rule, "dev");
    rule.group = load_text(section, rule, "group");
    rule.task = load_text(section, rule, "task");
    rule.actor = load_text(section, rule, "actor");
    rule.from = load_text(section, rule, "from");
    if (!rule.group.empty() && rule.group.find('{') == std::string::npos &&
        rule.group.find_first_not_of("0123456789") != std::string::npos)
        section.error(rule.places["group"], "'" + rule.group + "' is no number of a group");
    rule.nth = section.count("nth", 1);
    rule.ret = section.integer("ret");
    remember(section, rule, "ret");
    if (rule.ret && rule.on != DMARACE_ON_EXIT)
        section.error(rule.places["ret"], "'ret' asks what the function returned; it needs on = "
                                          "\"exit\"");
    rule.probability = section.count("probability", 1, 100);
    rule.interval = section.count("interval", 1);
    rule.times = section.count("times", 1);
    rule.space = section.count("space", 0);
}

void load_timeout(Section& section, Rule& rule) {
    rule.timeout = section.duration("timeout");
    remember(section, rule, "timeout");
    if (rule.timeout && rule.wait_for.empty())
        section.error(rule.places["timeout"], "'timeout' without 'wait_for'");
    if (rule.timeout && rule.timeout->count() == 0)
        section.error(rule.places["timeout"], "a hold of no time holds nothing");
    if (rule.timeout && *rule.timeout > kHoldMax)
        section.error(Code::limit, rule.places["timeout"],
                      "a hold ends after " + dmarace::to_text(kHoldMax) +
                          " at most; the module refuses longer ones");
    if (!rule.timeout && rule.holds())
        rule.timeout = kDefaultTimeout;
}

void load_wait_for(Section& section, Rule& rule) {
    const auto signals = section.texts("wait_for");
    remember(section, rule, "wait_for");
    for (const auto& signal : signals) {
        if (const auto fault = check_signal(signal.value); !fault.empty())
            section.error(signal.where, fault);
        rule.wait_for.push_back(signal.value);
        rule.places["wait_for:" + signal.value] = signal.where;
    }
    if (signals.size() > DMARACE_WAITS_MAX)
        section.error(Code::limit, rule.places["wait_for"],
                      "a rule waits for at most " + std::to_string(DMARACE_WAITS_MAX) + " signals");
}

void load_actions(Section& section, Rule& rule) {
    rule.delay = section.duration_range("delay");
    remember(section, rule, "delay");
    if (rule.delay && rule.delay->max > kDelayMax)
        section.error(Code::limit, rule.places["delay"],
                      "a delay lasts " + dmarace::to_text(kDelayMax) + " at most");
    rule.signal = load_text(section, rule, "signal");
    const bool plain = rule.signal.find('{') == std::string::npos;
    if (!rule.signal.empty() && plain && !is_name(rule.signal))
        section.error(rule.places["signal"],
                      "'" + rule.signal +
                          "' is no name for a signal; built-in signals are raised "
                          "by the machine");
    load_wait_for(section, rule);
    load_timeout(section, rule);
    rule.override_return = section.integer("return");
    remember(section, rule, "return");
}

bool does_something(const Rule& rule) {
    return rule.delay || !rule.signal.empty() || rule.holds() || rule.override_return;
}

void check_point(Section& section, const Rule& rule, const Text& point) {
    if (rule.unsafe)
        return;
    const auto* row = catalogue::find_point(point.value);
    if (!row) {
        section.error(Code::point, point.where,
                      "unknown point '" + point.value + "'" +
                          did_you_mean(point.value, catalogue::point_names()));
        return;
    }
    if (row->inside && (rule.on == DMARACE_ON_EXIT || rule.override_return))
        section.error(point.where, "'" + point.value +
                                       "' is inside a function: on = \"exit\" and 'return' need "
                                       "one that begins a function");
    if (!(row->facts & DMARACE_SLEEPS) && rule.parks())
        section.error(Code::no_sleep, point.where,
                      "a task cannot sleep at '" + point.value +
                          "', so it cannot be held or delayed there");
}

} // namespace

std::vector<Rule> load_rule(const toml::table& table, Section& parent) {
    Section section(table, "[[rule]]", parent.file(), parent.diagnostics());
    Rule rule;
    rule.where = section.where();
    rule.name = load_text(section, rule, "name");
    if (!rule.name.empty() && !is_name(rule.name))
        section.error(rule.places["name"], "'" + rule.name +
                                               "' is no name for a rule; use "
                                               "letters, digits, '-' and '_'");
    const auto points = section.texts("point");
    load_filters(section, rule);
    load_actions(section, rule);
    rule.optional = section.flag("optional").value_or(false);
    rule.unsafe = section.flag("unsafe").value_or(false);
    rule.arg = section.count("arg", 0, 7);
    remember(section, rule, "arg");
    if (rule.arg && !rule.unsafe)
        section.error(rule.places["arg"], "'arg' is only for unsafe = true; points know theirs");
    section.done();
    if (!table.contains("point"))
        section.error(Code::missing, rule.where, "[[rule]] has no 'point'");
    if (!does_something(rule))
        section.error(Code::no_action, rule.where,
                      "the rule does nothing; give it delay, signal, wait_for or return");
    std::vector<Rule> out;
    for (const auto& point : points) {
        check_point(section, rule, point);
        Rule one = rule;
        one.point = point.value;
        one.places["point"] = point.where;
        if (points.size() > 1 && !rule.name.empty())
            one.name = rule.name + "." + point.value;
        out.push_back(std::move(one));
    }
    return out;
}

void name_rules(std::vector<Rule>& rules, Diagnostics& diagnostics) {
    std::set<std::string> taken;
    for (const auto& rule : rules)
        if (!rule.name.empty() && !taken.insert(rule.name).second)
            add_error(Code::twice, diagnostics, rule.places.at("name"),
                      "two rules are named '" + rule.name + "'");
    for (auto& rule : rules) {
        if (!rule.name.empty())
            continue;
        rule.name = rule.point;
        for (unsigned n = 2; !taken.insert(rule.name).second; ++n)
            rule.name = rule.point + "." + std::to_string(n);
    }
}

} // namespace dmarace::job
