// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/reader.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace dmarace::job {

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

} // namespace

Text text_of(const toml::value<std::string>& node, const std::string& file) {
    Place where = place_of(node.source(), file);
    if (node.source().begin.line == node.source().end.line)
        ++where.column; // past the quote
    return {node.get(), std::move(where)};
}

Section::Section(const toml::table& table, std::string shown, const std::string& file,
                 Diagnostics& diagnostics)
    : table_(table), shown_(std::move(shown)), file_(file), diagnostics_(diagnostics) {}

Place Section::where() const {
    Place place = place_of(table_.source(), file_);
    place.line = std::max(place.line, 1U);
    place.column = std::max(place.column, 1U);
    return place;
}

Place Section::where(const toml::node& node) const {
    return place_of(node.source(), file_);
}

void Section::error(Place where, const std::string& message) {
    error(Code::value, std::move(where), message);
}

void Section::error(Code code, Place where, const std::string& message) {
    add_error(code, diagnostics_, std::move(where), message);
}

void Section::wrong_type(std::string_view key, const toml::node& node, std::string_view wanted) {
    error(Code::kind, where(node),
          "'" + std::string(key) + "' in " + shown_ + " is " + std::string(wanted) + ", not " +
              std::string(type_name(node)));
}

const toml::node* Section::node(std::string_view key) {
    known_.emplace_back(key);
    return table_.get(key);
}

std::optional<Text> Section::text(std::string_view key) {
    const auto* found = node(key);
    if (!found)
        return std::nullopt;
    if (const auto* string = found->as_string())
        return text_of(*string, file_);
    wrong_type(key, *found, "a string");
    return std::nullopt;
}

std::optional<Text> Section::word(std::string_view key) {
    const auto* found = node(key);
    if (!found)
        return std::nullopt;
    if (const auto* integer = found->as_integer())
        return Text{std::to_string(integer->get()), where(*found)};
    if (const auto* string = found->as_string())
        return text_of(*string, file_);
    wrong_type(key, *found, "a string or a whole number");
    return std::nullopt;
}

std::vector<Text> Section::texts(std::string_view key) {
    const auto* found = node(key);
    std::vector<Text> out;
    if (!found)
        return out;
    if (const auto* string = found->as_string())
        return {text_of(*string, file_)};
    const auto* list = found->as_array();
    if (!list) {
        wrong_type(key, *found, "a string or a list of strings");
        return out;
    }
    for (const auto& element : *list) {
        if (const auto* string = element.as_string())
            out.push_back(text_of(*string, file_));
        else
            wrong_type(key, element, "a list of strings");
    }
    return out;
}

std::optional<std::int64_t> Section::integer(std::string_view key, std::int64_t min,
                                             std::int64_t max) {
    const auto* found = node(key);
    if (!found)
        return std::nullopt;
    const auto* integer = found->as_integer();
    if (!integer) {
        wrong_type(key, *found, "a whole number");
        return std::nullopt;
    }
    if (integer->get() < min || integer->get() > max) {
        error(where(*found), "'" + std::string(key) + "' in " + shown_ + " is " +
                                 std::to_string(integer->get()) + "; it goes from " +
                                 std::to_string(min) + " to " + std::to_string(max));
        return std::nullopt;
    }
    return integer->get();
}

std::optional<unsigned> Section::count(std::string_view key, unsigned min, unsigned max) {
    const auto value = integer(key, min, max);
    return value ? std::optional(static_cast<unsigned>(*value)) : std::nullopt;
}

std::optional<bool> Section::flag(std::string_view key) {
    const auto* found = node(key);
    if (!found)
        return std::nullopt;
    if (const auto* flag = found->as_boolean())
        return flag->get();
    wrong_type(key, *found, "true or false");
    return std::nullopt;
}

// A number without a unit is the usual slip: say what to write.
std::optional<Text> Section::duration_text(std::string_view key) {
    const auto* found = node(key);
    if (found && found->is_integer()) {
        error(Code::unit, where(*found),
              "'" + std::string(key) + "' in " + shown_ + " has no unit; write it as a string: \"" +
                  std::to_string(found->as_integer()->get()) + "ms\"");
        return std::nullopt;
    }
    return text(key);
}

std::optional<Nanoseconds> Section::duration(std::string_view key) {
    const auto written = duration_text(key);
    if (!written)
        return std::nullopt;
    const auto parsed = parse_duration(written->value);
    if (parsed)
        return *parsed;
    error(Code::unit, written->where, parsed.error().message);
    return std::nullopt;
}

std::optional<DurationRange> Section::duration_range(std::string_view key) {
    const auto written = duration_text(key);
    if (!written)
        return std::nullopt;
    const auto parsed = parse_duration_range(written->value);
    if (parsed)
        return *parsed;
    error(Code::unit, written->where, parsed.error().message);
    return std::nullopt;
}

const toml::table* Section::table(std::string_view key) {
    const auto* found = node(key);
    if (found && !found->is_table())
        wrong_type(key, *found, "a table");
    return found ? found->as_table() : nullptr;
}

std::vector<const toml::table*> Section::tables(std::string_view key) {
    const auto* found = node(key);
    std::vector<const toml::table*> out;
    if (!found)
        return out;
    const auto* list = found->as_array();
    if (!list) {
        wrong_type(key, *found, "a list of tables, [[" + std::string(key) + "]]");
        return out;
    }
    for (const auto& element : *list) {
        if (const auto* one = element.as_table())
            out.push_back(one);
        else
            wrong_type(key, element, "a list of tables, [[" + std::string(key) + "]]");
    }
    return out;
}

bool Section::is_one_line(std::string_view key, const Text& text) {
    const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    if (std::none_of(text.value.begin(), text.value.end(), control))
        return true;
    error(text.where, "'" + std::string(key) + "' in " + shown_ + " is one line");
    return false;
}

std::string Section::line(std::string_view key) {
    const auto found = text(key);
    return found && is_one_line(key, *found) ? found->value : "";
}

Text Section::required(std::string_view key) {
    const bool there = table_.contains(key);
    const auto found = text(key);
    if (found && !found->value.empty() && is_one_line(key, *found))
        return *found;
    if (!there)
        error(Code::missing, where(), shown_ + " has no '" + std::string(key) + "'");
    else if (found && found->value.empty())
        error(Code::missing, found->where, "'" + std::string(key) + "' in " + shown_ + " is empty");
    return {"", where()};
}

void Section::done() {
    for (const auto& [key, value] : table_) {
        const std::string name(key.str());
        if (std::find(known_.begin(), known_.end(), name) == known_.end())
            error(Code::key, place_of(key.source(), file_),
                  "unknown key '" + name + "' in " + shown_ + did_you_mean(name, known_));
    }
}

} // namespace dmarace::job
