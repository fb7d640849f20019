// SPDX-License-Identifier: GPL-2.0-or-later
// A job as the text of its file.
#include "base/duration.hpp"
#include "base/toml.hpp"
#include "job/load.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <sstream>

namespace dmarace::job {

namespace {

std::string as_toml(std::string_view text) {
    const auto plain = [](unsigned char c) {
        return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
    };
    if (std::ranges::all_of(text, plain))
        return "\"" + std::string(text) + "\"";
    std::ostringstream out;
    out << toml::value<std::string>(std::string(text));
    return out.str();
}

std::string list_of(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& word : words)
        out += (out.empty() ? "" : ", ") + as_toml(word);
    return "[" + out + "]";
}

// Lines "key = value" of one table, without those that say nothing.
class TableText {
public:
    void add(const char* key, const std::string& text) {
        if (!text.empty())
            line(key, as_toml(text));
    }
    void add(const char* key, const std::vector<std::string>& words) {
        if (!words.empty())
            line(key, words.size() == 1 ? as_toml(words.front()) : list_of(words));
    }
    void add(const char* key, bool flag) {
        if (flag)
            line(key, "true");
    }
    template <class Number>
    void add(const char* key, const std::optional<Number>& number) {
        if (number)
            line(key, std::to_string(*number));
    }
    void line(const char* key, const std::string& value) { lines_.emplace_back(key, value); }
    // Below one another, or in braces.
    std::string text() const {
        std::string out;
        for (const auto& [key, value] : lines_)
            out += key + " = " + value + "\n";
        return out;
    }
    std::string inside() const {
        std::string out;
        for (const auto& [key, value] : lines_)
            out += (out.empty() ? "" : ", ") + key + " = " + value;
        return "{ " + out + " }";
    }

private:
    std::vector<std::pair<std::string, std::string>> lines_;
};

std::string steps_text(const std::vector<Step>& steps, const std::string& indent) {
    std::string out = "[\n";
    for (const auto& step : steps) {
        out += indent + "    ";
        if (step.verb == Verb::repeat)
            out += "{ repeat = " + as_toml(joined(step.args, " ")) +
                   ", steps = " + steps_text(step.body, indent + "    ") + " },\n";
        else
            out += as_toml(step.text) + ",\n";
    }
    return out + indent + "]";
}

std::string param_text(const Param& param) {
    TableText table;
    table.add("type", std::string(to_text(param.type)));
    table.add("behind", param.behind);
    table.add("bus", param.bus);
    table.add("pick", param.pick);
    if (param.value)
        table.line("default",
                   is_list(param.type) ? list_of(split(*param.value, ',')) : as_toml(*param.value));
    table.add("help", param.help);
    return param.name + " = " + table.inside() + "\n";
}

std::string time_text(const DurationRange& range) {
    const auto least = dmarace::to_text(range.min);
    return range.min == range.max ? least : least + ".." + dmarace::to_text(range.max);
}

// The name of the table that a rule of several points was written in, or "".
std::string stem_of(const Rule& rule) {
    const auto end = "." + rule.point;
    return rule.name.ends_with(end) ? rule.name.substr(0, rule.name.size() - end.size()) : "";
}

// Those of one table follow each other and differ in their point.
std::string rule_text(const Rule& rule, const std::vector<std::string>& points) {
    TableText table;
    table.add("name", points.size() > 1 ? stem_of(rule) : rule.name);
    table.add("point", points);
    table.add("on", rule.on == DMARACE_ON_ENTER ? "" : rule.on);
    table.add("actor", rule.actor);
    table.add("task", rule.task);
    table.add("dev", rule.dev);
    table.add("group", rule.group);
    table.add("from", rule.from);
    table.add("nth", rule.nth);
    table.add("ret", rule.ret);
    table.add("probability", rule.probability);
    table.add("interval", rule.interval);
    table.add("times", rule.times);
    table.add("space", rule.space);
    if (rule.delay)
        table.add("delay", time_text(*rule.delay));
    table.add("signal", rule.signal);
    table.add("wait_for", rule.wait_for);
    if (rule.timeout)
        table.add("timeout", dmarace::to_text(*rule.timeout));
    table.add("blocked", std::string(rule.blocked_fails ? "fail" : ""));
    table.add("return", rule.override_return);
    table.add("optional", rule.optional);
    table.add("unsafe", rule.unsafe);
    table.add("arg", rule.arg);
    return "\n[[rule]]\n" + table.text();
}

std::string expect_text(const Expect& expect) {
    TableText table;
    table.add("dma", std::string(to_text(expect.dma)));
    table.add("devices", expect.devices);
    table.add("timeout_is_legal", expect.timeout_is_legal);
    return "\n[expect]\n" + table.text();
}

std::string allow_text(const Allow& allow) {
    TableText table;
    table.add("kind", std::string(catalogue::to_text(allow.kind)));
    table.add("device", allow.device);
    table.add("text", allow.text);
    table.add("reason", allow.reason);
    return "    " + table.inside() + ",\n";
}

} // namespace

std::string save(const Job& job) {
    TableText head;
    head.add("name", job.name);
    head.add("summary", job.summary);
    head.add("source", job.source);
    head.add("risk", std::string(to_text(job.risk)));
    if (!job.needs.empty())
        head.line("needs", list_of(job.needs));
    head.add("at_boot", job.at_boot);
    head.add("iterations", std::optional(job.iterations));
    std::string out = head.text();
    if (!job.allow.empty()) {
        out += "allow = [\n";
        for (const auto& allow : job.allow)
            out += allow_text(allow);
        out += "]\n";
    }
    if (!job.params.empty())
        out += "\n[params]\n";
    for (const auto& param : job.params)
        out += param_text(param);
    if (!job.reset.empty())
        out += "\n[reset]\nsteps = " + steps_text(job.reset, "") + "\n";
    for (const auto& actor : job.actors)
        out += "\n[[actor]]\nname = " + as_toml(actor.name) +
               "\nsteps = " + steps_text(actor.steps, "") + "\n";
    for (auto rule = job.rules.begin(); rule != job.rules.end();) {
        const auto stem = stem_of(*rule);
        const auto end = std::find_if(rule + 1, job.rules.end(), [&](const Rule& next) {
            return stem.empty() || stem_of(next) != stem;
        });
        out += rule_text(*rule, texts_of(std::vector(rule, end), &Rule::point));
        rule = end;
    }
    return out + expect_text(job.expect);
}

} // namespace dmarace::job
