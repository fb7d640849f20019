// SPDX-License-Identifier: GPL-2.0-or-later
// The tables of a job file that have most to say: [[rule]], [type] and [trigger].
#include "base/text.hpp"
#include "catalogue/points.hpp"
#include "job/load_parts.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
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
    section.is_one_line(key, *text);
    return text->value;
}

void load_filters(Section& section, Rule& rule) {
    const auto on = section.text("on");
    remember(section, rule, "on");
    if (on)
        section.listed(*on, {DMARACE_ON_ENTER, DMARACE_ON_EXIT},
                       in_quotes(on->value) + " is neither enter nor exit");
    rule.on = on ? on->value : "enter";
    rule.dev = load_text(section, rule, "dev");
    rule.group = load_text(section, rule, "group");
    rule.task = load_text(section, rule, "task");
    rule.actor = load_text(section, rule, "actor");
    rule.from = load_text(section, rule, "from");
    if (!rule.group.empty() && rule.group.find('{') == std::string::npos && !is_digits(rule.group))
        section.error(rule.places["group"], "'" + rule.group + "' is no number of a group");
    rule.nth = section.count("nth", 1);
    rule.ret = section.integer("ret");
    remember(section, rule, "ret");
    if (rule.ret && rule.on != DMARACE_ON_EXIT)
        section.error(Code::together, rule.places["ret"],
                      "'ret' asks what the function returned; it needs on = "
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
        section.error(Code::together, rule.places["timeout"], "'timeout' without 'wait_for'");
    if (rule.timeout && rule.timeout->count() == 0)
        section.error(Code::no_action, rule.places["timeout"], "a hold of no time holds nothing");
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

void load_blocked(Section& section, Rule& rule) {
    static const std::vector<std::string> kWords{"pass", "fail"};
    const auto word = load_text(section, rule, "blocked");
    rule.blocked_fails = word == kWords.back();
    if (!word.empty() && std::ranges::find(kWords, word) == kWords.end())
        section.error(rule.places["blocked"], "'blocked' is \"pass\" or \"fail\"");
    else if (!word.empty() && !rule.holds())
        section.error(Code::together, rule.places["blocked"], "'blocked' without 'wait_for'");
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
        section.error(Code::name, rule.places["signal"],
                      "'" + rule.signal +
                          "' is no name for a signal; built-in signals are raised "
                          "by the machine");
    load_wait_for(section, rule);
    load_timeout(section, rule);
    load_blocked(section, rule);
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
        section.error(Code::together, point.where,
                      "'" + point.value +
                          "' is inside a function: on = \"exit\" and 'return' need "
                          "one that begins a function");
    if (!(row->facts & DMARACE_SLEEPS) && rule.parks())
        section.error(Code::no_sleep, point.where,
                      "a task cannot sleep at '" + point.value +
                          "', so it cannot be held or delayed there");
}

std::vector<Rule> load_rule(const toml::table& table, Section& top) {
    Section section(table, "[[rule]]", top);
    Rule rule;
    rule.where = section.where();
    rule.name = load_text(section, rule, "name");
    if (!rule.name.empty())
        section.check_name({rule.name, rule.places.at("name")}, "a rule");
    const auto points = section.texts("point");
    load_filters(section, rule);
    load_actions(section, rule);
    rule.optional = section.flag("optional").value_or(false);
    rule.unsafe = section.flag("unsafe").value_or(false);
    rule.arg = section.count("arg", 0, 7);
    remember(section, rule, "arg");
    if (rule.arg && !rule.unsafe)
        section.error(Code::together, rule.places["arg"],
                      "'arg' is only for unsafe = true; points know theirs");
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

// Gives rules without a name one, and refuses two of the same name.
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

constexpr unsigned kWritersMax = 8;

void check_choice(Section& section, std::string_view key, const Text& word,
                  const std::vector<std::string>& choices) {
    section.listed(word, choices, in_quotes(word.value) + " is no " + std::string(key),
                   "; it is " + joined(choices, " or "));
}

// One word out of a few.
std::string load_choice(Section& section, std::string_view key, std::string fallback,
                        const std::vector<std::string>& choices) {
    const auto word = section.text(key);
    if (!word)
        return fallback;
    check_choice(section, key, *word, choices);
    return word->value;
}

void load_groups(Section& section, TypeStorm& storm) {
    const auto* node = section.node("groups");
    if (!node)
        return;
    std::vector<Text> words;
    if (node->is_array())
        words = section.texts("groups");
    else if (auto word = section.word("groups"))
        words.push_back(*std::move(word));
    for (const auto& word : words) {
        if (word.value != "all" && !word.value.starts_with('{') && !is_digits(word.value))
            section.error(word.where,
                          "'" + word.value + "' names no groups; write all, a {param} or a number");
    }
    if (!words.empty())
        storm.groups = values_of(words);
}

void load_selection(Section& section, TypeStorm& storm) {
    load_groups(section, storm);
    storm.devices = values_of(section.texts("devices"));
    storm.drivers = values_of(section.texts("drivers"));
    storm.iommus = values_of(section.texts("iommu"));
    if (const auto size = section.word("size")) {
        storm.size = size->value;
        if (!types::size_range(size->value))
            section.error(size->where,
                          "'" + size->value + "' is no number of devices; write 1, 2.. or 2..4");
    }
}

// 'types' in any order, or a 'sequence' that is gone through as it stands.
void load_types(Section& section, TypeStorm& storm) {
    auto types = section.texts("types");
    const auto sequence = section.texts("sequence");
    if (!types.empty() && !sequence.empty())
        section.error(Code::together, sequence.front().where,
                      "[type] has 'types' or 'sequence', not both");
    if (!sequence.empty())
        types = sequence;
    for (const auto& type : types)
        section.listed(type, names(type_words()), in_quotes(type.value) + " is no type of a group");
    storm.types = types.empty() ? names(type_words()) : values_of(types);
    if (!sequence.empty())
        storm.order = "sequence";
    const auto order = section.text("order");
    if (!order)
        return;
    check_choice(section, "order", *order, types::type_orders());
    if (!sequence.empty() && order->value != "sequence")
        section.error(Code::together, order->where,
                      "a 'sequence' is gone through as it stands; for order = \"" + order->value +
                          "\" write 'types'");
    storm.order = order->value;
}

void load_length(Section& section, const Job& job, TypeStorm& storm) {
    storm.count = section.count("count", 1, types::kTypeWritesMax);
    storm.duration = section.duration("duration");
    if (storm.order == "random" && !storm.count && !storm.duration)
        section.error(Code::together, job.type_where,
                      "order = \"random\" has no end of its own: give 'count' or "
                      "'duration'");
}

bool writes_queue(const TypeStorm& storm) {
    return std::ranges::find(storm.types, "DMA-FQ") != storm.types.end();
}

bool removes(const std::string& side_work) {
    const auto works = types::side_works();
    const auto row = std::ranges::find(works, side_work, &types::SideWork::word);
    return row != works.end() && row->kind == types::TypeWork::Kind::remove;
}

void load_beside(Section& section, const Job& job, TypeStorm& storm) {
    const auto words = texts_of(types::side_works(), &types::SideWork::word);
    for (const auto& word : section.texts("beside")) {
        section.listed(word, words,
                       in_quotes(word.value) + " is nothing that goes on beside writes",
                       "; it is " + joined(words, " or "));
        if (std::ranges::find(storm.beside, word.value) != storm.beside.end())
            section.error(word.where, "'" + word.value + "' is there twice");
        if (removes(word.value) && writes_queue(storm) && job.risk != Risk::reboot)
            section.error(Code::risk, word.where, kQueueBesideRemoval);
        storm.beside.push_back(word.value);
    }
}

void check_names(Section& section, const Job& job, const TypeStorm& storm) {
    for (const auto& name : type_actor_names(storm))
        for (const auto& actor : job.actors)
            if (actor.name == name)
                section.error(Code::twice, actor.where,
                              "[type] makes the actor '" + name + "'; name this one otherwise");
}

// kobject_actions of the kernel.
const std::vector<std::string> kActions{"add",    "remove",  "change", "move",
                                        "online", "offline", "bind",   "unbind"};

// The core takes the driver off before it tells of these.
constexpr std::array<std::string_view, 3> kWithoutDriver{"add", "remove", "unbind"};

// A path below the device's directory that stays there.
bool stays_inside(const std::string& path) {
    return !path.empty() && path.front() != '/' && path.find("..") == std::string::npos;
}

void load_action(Section& section, Trigger& trigger) {
    const auto action = section.text("action");
    if (!action) {
        trigger.action = trigger.driver.empty() ? "add" : "bind";
        return;
    }
    trigger.action = action->value;
    if (section.listed(*action, kActions, in_quotes(action->value) + " is no action of udev") &&
        !trigger.driver.empty() && std::ranges::count(kWithoutDriver, action->value) > 0)
        section.error(Code::together, action->where,
                      "no device has a driver when it is told of by '" + action->value +
                          "', so this event never comes; write action = \"bind\"");
}

void load_attributes(Section& section, Trigger& trigger) {
    const auto* table = section.table("attributes");
    if (!table)
        return;
    Section attributes(*table, "attributes", section);
    for (const auto& [key, node] : *table) {
        const std::string name(key.str());
        const auto value = attributes.text(name);
        if (!value)
            continue;
        if (!stays_inside(name))
            section.error(value->where, "'" + name +
                                            "' is no attribute: write a file's path below "
                                            "the device's directory in /sys");
        trigger.attributes.emplace_back(name, value->value);
    }
}

bool fits(const std::string& glob, const std::string& text) {
    return glob.empty() || ::fnmatch(glob.c_str(), text.c_str(), 0) == 0;
}

} // namespace

void load_rules(Section& top, Job& job) {
    for (const auto* table : top.tables("rule")) {
        auto rules = load_rule(*table, top);
        std::move(rules.begin(), rules.end(), std::back_inserter(job.rules));
    }
    name_rules(job.rules, top.diagnostics());
    if (job.rules.size() > DMARACE_RULES_MAX)
        top.error(Code::limit, job.rules[DMARACE_RULES_MAX].where,
                  "a job has at most " + std::to_string(DMARACE_RULES_MAX) + " rules");
}

void load_type_storm(Section& top, Job& job) {
    const auto* table = top.table("type");
    if (!table)
        return;
    Section section(*table, "[type]", top);
    TypeStorm storm;
    job.type_where = section.where();
    load_selection(section, storm);
    load_types(section, storm);
    storm.driver = load_choice(section, "driver", storm.driver, types::type_drivers());
    load_length(section, job, storm);
    storm.writers = section.count("writers", 1, kWritersMax).value_or(1);
    storm.share = load_choice(section, "share", storm.share, {"same", "split"});
    load_beside(section, job, storm);
    section.done();
    check_names(section, job, storm);
    job.type_storm = std::move(storm);
}

void load_trigger(Section& top, Job& job) {
    const auto* table = top.table("trigger");
    if (!table)
        return;
    Section section(*table, "[trigger]", top);
    Trigger trigger;
    trigger.where = section.where();
    trigger.subsystem = section.required("subsystem").value;
    trigger.driver = section.line("driver");
    trigger.device = section.line("device");
    load_action(section, trigger);
    load_attributes(section, trigger);
    if (trigger.action == "remove" && !trigger.attributes.empty())
        section.error(Code::together, trigger.where,
                      "a device that is removed has no attributes any more, so this "
                      "event never comes; leave [trigger.attributes] out");
    section.done();
    job.trigger = std::move(trigger);
}

bool matches(const Trigger& trigger, const TriggerEvent& event) {
    if (event.action != trigger.action || !fits(trigger.subsystem, event.subsystem) ||
        !fits(trigger.device, event.name) || !fits(trigger.driver, event.driver))
        return false;
    return std::ranges::all_of(trigger.attributes, [&](const auto& wanted) {
        const auto value = event.attribute ? event.attribute(wanted.first) : std::nullopt;
        return value && fits(wanted.second, *value);
    });
}

} // namespace dmarace::job
