// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/entry.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

namespace dmarace::daemon {

namespace {

constexpr std::array<std::string_view, 9> kOurs{
    "--out", "--resume", "--fresh", "--dry-run", "--help", "-h", "--json", "--ktap", "--compare"};
constexpr std::size_t kNameMax = 120;

bool is_ours(const std::string& arg) {
    return std::ranges::any_of(kOurs, [&](auto known) {
        return arg == known || arg.starts_with(std::string(known) + "=");
    });
}

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '+';
}

Result<std::vector<std::string>> read_args(const toml::table& table, const std::string& file) {
    std::vector<std::string> out;
    const auto* node = table.get("args");
    if (!node)
        return out;
    if (!node->is_array())
        return fail(Fault::usage, file + ": args is a list of texts");
    for (const auto& item : *node->as_array()) {
        const auto text = item.value<std::string>();
        if (!text)
            return fail(Fault::usage, file + ": args is a list of texts");
        if (is_ours(*text))
            return fail(Fault::usage, file + ": " + *text + " is given by the daemon itself");
        out.push_back(*text);
    }
    return out;
}

} // namespace

Result<Entry> parse_entry(const std::string& text, const std::string& file) {
    toml::table table;
    try {
        table = toml::parse(text, file);
    } catch (const toml::parse_error& error) {
        return fail(Fault::usage, file + ":" + std::to_string(error.source().begin.line) + ": " +
                                      std::string(error.description()));
    }
    if (!table.contains("job"))
        return Entry{};
    for (const auto& [key, value] : table)
        if (key.str() != "job" && key.str() != "args" && key.str() != "trigger" &&
            key.str() != "event")
            return fail(Fault::usage, file + ": unknown key '" + std::string(key.str()) +
                                          "'; an entry has job and args");
    Entry out;
    out.job = table["job"].value_or(std::string());
    if (out.job.empty() || out.job.starts_with("-"))
        return fail(Fault::usage, file + ": job is the name or the path of a job");
    auto args = read_args(table, file);
    if (!args)
        return std::unexpected(args.error());
    out.args = *std::move(args);
    out.trigger = table["trigger"].value_or(std::string());
    out.event = table["event"].value_or(std::string());
    return out;
}

std::string to_text(const Entry& entry) {
    toml::array args;
    for (const auto& arg : entry.args)
        args.push_back(arg);
    toml::table table{{"job", entry.job}, {"args", args}};
    if (!entry.trigger.empty()) {
        table.insert("trigger", entry.trigger);
        table.insert("event", entry.event);
    }
    std::ostringstream out;
    out << table << "\n";
    return out.str();
}

std::string entry_name(std::uint64_t stamp, const std::string& job) {
    std::string word;
    for (const char c : job.substr(job.rfind('/') + 1))
        word += is_plain(c) ? c : '-';
    if (word.ends_with("-toml"))
        word.resize(word.size() - 5);
    auto number = std::to_string(stamp);
    number.insert(0, 20 - std::min<std::size_t>(number.size(), 20), '0');
    return number + "-" + word.substr(0, kNameMax - 30) + ".toml";
}

bool is_entry_name(const std::string& name) {
    return name.size() > 5 && name.size() <= kNameMax && name.ends_with(".toml") &&
           name.front() != '.' &&
           std::ranges::all_of(name, [](char c) { return is_plain(c) || c == '.'; });
}

} // namespace dmarace::daemon
