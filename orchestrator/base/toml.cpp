// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/toml.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace dmarace {

namespace {

std::string_view type_name(const toml::node& node) {
    switch (node.type()) {
    case toml::node_type::table:
        return "a table";
    case toml::node_type::array:
        return "a list";
    case toml::node_type::string:
        return "a string";
    case toml::node_type::integer:
        return "a whole number";
    case toml::node_type::floating_point:
        return "a fraction";
    case toml::node_type::boolean:
        return "true or false";
    default:
        return "a date or time";
    }
}

Place place_of(const toml::source_region& source, const std::string& file) {
    return {file, source.begin.line, source.begin.column};
}

Place within_file(Place place) {
    place.line = std::max(place.line, 1U);
    place.column = std::max(place.column, 1U);
    return place;
}

} // namespace

Text text_of(const toml::value<std::string>& node, const std::string& file) {
    Place where = place_of(node.source(), file);
    if (node.source().begin.line == node.source().end.line)
        ++where.column; // past the quote
    return {node.get(), std::move(where)};
}

std::vector<std::string> values_of(const std::vector<Text>& texts) {
    return texts_of(texts, &Text::value);
}

std::expected<toml::table, NoToml> parse_toml(std::string_view text, const std::string& file) {
    try {
        return toml::parse(text, file);
    } catch (const toml::parse_error& error) {
        return std::unexpected(
            NoToml{within_file(place_of(error.source(), file)), std::string(error.description())});
    }
}

TomlTable::TomlTable(const toml::table& table, std::string shown, std::string file)
    : table_(table), shown_(std::move(shown)), file_(std::move(file)) {}

Place TomlTable::where() const { return within_file(place_of(table_.source(), file_)); }

Place TomlTable::where(const toml::node& node) const { return place_of(node.source(), file_); }

bool TomlTable::listed(const Text& text, const std::vector<std::string>& words,
                       const std::string& message, const std::string& end) {
    if (std::ranges::find(words, text.value) != words.end())
        return true;
    error(text.where, message + did_you_mean(text.value, words) + end);
    return false;
}

void TomlTable::is_missing(std::string_view key) {
    wrong(TomlFault::missing, where(), shown_ + " has no " + in_quotes(key));
}

void TomlTable::is_unknown(const toml::key& key, const toml::node& /*node*/,
                           const std::vector<std::string>& known) {
    wrong(TomlFault::key, place_of(key.source(), file_),
          "unknown key " + in_quotes(key.str()) + " in " + shown_ + did_you_mean(key.str(), known));
}

void TomlTable::is_not(std::string_view key, const toml::node& node, std::string_view wanted) {
    wrong(TomlFault::kind, where(node),
          in_quotes(key) + " in " + shown_ + " is " + std::string(wanted) + ", not " +
              std::string(type_name(node)));
}

std::string TomlTable::tables_of(std::string_view key) const {
    return "a list of tables, [[" + std::string(key) + "]]";
}

const toml::node* TomlTable::node(std::string_view key) {
    known_.emplace_back(key);
    return table_.get(key);
}

template <class T>
const toml::value<T>* TomlTable::value(std::string_view key, std::string_view wanted) {
    const auto* found = node(key);
    const auto* value = found ? found->as<T>() : nullptr;
    if (found && !value)
        is_not(key, *found, wanted);
    return value;
}

std::optional<Text> TomlTable::text(std::string_view key) {
    const auto* found = value<std::string>(key, "a string");
    return found ? std::optional(text_of(*found, file_)) : std::nullopt;
}

std::optional<Text> TomlTable::word(std::string_view key) {
    if (const auto* found = node(key); found && found->is_integer())
        return Text{std::to_string(found->as_integer()->get()), where(*found)};
    const auto* found = value<std::string>(key, "a string or a whole number");
    return found ? std::optional(text_of(*found, file_)) : std::nullopt;
}

std::vector<Text> TomlTable::strings(std::string_view key, bool one_will_do) {
    const auto* found = node(key);
    std::vector<Text> out;
    if (!found)
        return out;
    if (const auto* string = found->as_string(); string && one_will_do)
        return {text_of(*string, file_)};
    if (!found->is_array())
        is_not(key, *found, one_will_do ? "a string or a list of strings" : "a list of strings");
    else
        for (const auto& element : *found->as_array())
            if (const auto* string = element.as_string())
                out.push_back(text_of(*string, file_));
            else
                is_not(key, element, "a list of strings");
    return out;
}

std::optional<std::int64_t> TomlTable::integer(std::string_view key, std::int64_t min,
                                               std::int64_t max) {
    const auto* found = value<std::int64_t>(key, "a whole number");
    if (!found)
        return std::nullopt;
    if (found->get() >= min && found->get() <= max)
        return found->get();
    error(where(*found), in_quotes(key) + " in " + shown_ + " is " + std::to_string(found->get()) +
                             "; it goes from " + std::to_string(min) + " to " +
                             std::to_string(max));
    return std::nullopt;
}

std::optional<unsigned> TomlTable::count(std::string_view key, unsigned min, unsigned max) {
    const auto value = integer(key, min, max);
    return value ? std::optional(static_cast<unsigned>(*value)) : std::nullopt;
}

std::optional<bool> TomlTable::flag(std::string_view key) {
    const auto* found = value<bool>(key, "true or false");
    return found ? std::optional(found->get()) : std::nullopt;
}

// A number without a unit is the usual slip: say what to write.
std::optional<Text> TomlTable::duration_text(std::string_view key) {
    const auto* found = node(key);
    if (!found || !found->is_integer())
        return text(key);
    wrong(TomlFault::unit, where(*found),
          in_quotes(key) + " in " + shown_ + " has no unit; write it as a string: \"" +
              std::to_string(found->as_integer()->get()) + "ms\"");
    return std::nullopt;
}

template <class T>
std::optional<T> TomlTable::parsed(std::string_view key, Result<T> (*parse)(std::string_view)) {
    const auto written = duration_text(key);
    if (!written)
        return std::nullopt;
    auto value = parse(written->value);
    if (value)
        return *value;
    wrong(TomlFault::unit, written->where, value.error().message);
    return std::nullopt;
}

std::optional<Nanoseconds> TomlTable::duration(std::string_view key) {
    return parsed(key, parse_duration);
}

std::optional<DurationRange> TomlTable::duration_range(std::string_view key) {
    return parsed(key, parse_duration_range);
}

const toml::table* TomlTable::table(std::string_view key) {
    const auto* found = node(key);
    if (found && !found->is_table())
        is_not(key, *found, "a table");
    return found ? found->as_table() : nullptr;
}

std::vector<const toml::table*> TomlTable::tables(std::string_view key) {
    const auto* found = node(key);
    std::vector<const toml::table*> out;
    if (!found)
        return out;
    const auto* list = found->as_array();
    if (!list) {
        is_not(key, *found, tables_of(key));
        return out;
    }
    for (const auto& element : *list) {
        if (const auto* one = element.as_table())
            out.push_back(one);
        else
            is_not(key, element, tables_of(key));
    }
    return out;
}

bool TomlTable::is_one_line(std::string_view key, const Text& text) {
    const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    if (std::none_of(text.value.begin(), text.value.end(), control))
        return true;
    error(text.where, in_quotes(key) + " in " + shown_ + " is one line");
    return false;
}

std::string TomlTable::line(std::string_view key) {
    const auto found = text(key);
    return found && is_one_line(key, *found) ? found->value : "";
}

std::optional<Text> TomlTable::needed(std::string_view key) {
    if (!table_.contains(key))
        is_missing(key);
    return text(key);
}

Text TomlTable::required(std::string_view key) {
    const auto found = needed(key);
    if (found && !found->value.empty() && is_one_line(key, *found))
        return *found;
    if (found && found->value.empty())
        wrong(TomlFault::missing, found->where, in_quotes(key) + " in " + shown_ + " is empty");
    return {"", where()};
}

void TomlTable::only(const std::vector<std::string>& keys) {
    for (const auto& [key, value] : table_)
        if (std::ranges::find(keys, key.str()) == keys.end())
            is_unknown(key, value, keys);
}

void BriefTable::wrong(TomlFault /*fault*/, Place where, const std::string& message) {
    if (first_.empty())
        first_ = dmarace::shown(where) + ": " + message;
}

void BriefTable::is_missing(std::string_view key) {
    error(where(), in_quotes(key) + " is missing");
}

void BriefTable::is_unknown(const toml::key& key, const toml::node& node,
                            const std::vector<std::string>& known) {
    error(where(node), "unknown key " + in_quotes(key.str()) + hint(key.str(), known));
}

void BriefTable::is_not(std::string_view key, const toml::node& node, std::string_view wanted) {
    error(where(node), in_quotes(key) + " must be " + std::string(wanted));
}

std::string BriefTable::tables_of(std::string_view key) const {
    return "written as [[" + std::string(key) + "]] tables";
}

} // namespace dmarace
