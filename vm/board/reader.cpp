// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/reader.hpp"

#include "vm/kernels/say.hpp"

#include <algorithm>

namespace dmarace::vm {

Result<toml::table> parse_toml(std::string_view text, const std::string& file) {
    try {
        return toml::parse(text, file);
    } catch (const toml::parse_error& error) {
        return fail(Fault::usage, fmt::format("{}:{}:{}: {}", file, error.source().begin.line,
                                              error.source().begin.column, error.description()));
    }
}

void BoardReader::only(const toml::table& table, const std::vector<std::string>& keys) {
    for (const auto& [key, node] : table)
        if (std::find(keys.begin(), keys.end(), key.str()) == keys.end())
            wrong(node, fmt::format("unknown key '{}'{}", key.str(), hint(key.str(), keys)));
}

std::string BoardReader::text(const toml::table& table, std::string_view key) {
    const toml::node* node = table.get(key);
    if (!node) {
        wrong(table, fmt::format("'{}' is missing", key));
        return {};
    }
    if (const auto value = node->value_exact<std::string>())
        return *value;
    wrong(*node, fmt::format("'{}' must be a string", key));
    return {};
}

unsigned BoardReader::number(const toml::table& table, std::string_view key, std::int64_t most) {
    const toml::node* node = table.get(key);
    const auto value = node ? node->value_exact<std::int64_t>() : std::nullopt;
    if (value && *value >= 1 && *value <= most)
        return static_cast<unsigned>(*value);
    wrong(node ? *node : table, fmt::format("'{}' must be a number from 1 to {}", key, most));
    return 1;
}

bool BoardReader::flag(const toml::table& table, std::string_view key) {
    const toml::node* node = table.get(key);
    const auto value = node ? node->value_exact<bool>() : std::optional(false);
    if (!value)
        wrong(*node, fmt::format("'{}' must be true or false", key));
    return value.value_or(false);
}

const toml::table& BoardReader::table(const toml::table& parent, std::string_view key) {
    static const toml::table empty;
    const toml::node* node = parent.get(key);
    if (node && node->is_table())
        return *node->as_table();
    wrong(node ? *node : parent, fmt::format("table [{}] is missing", key));
    return empty;
}

std::vector<std::string> BoardReader::list(const toml::table& table, std::string_view key) {
    const toml::node* node = table.get(key);
    std::vector<std::string> words;
    if (!node)
        return words;
    if (!node->is_array()) {
        wrong(*node, fmt::format("'{}' must be a list of strings", key));
        return words;
    }
    for (const toml::node& element : *node->as_array()) {
        if (const auto word = element.value_exact<std::string>())
            words.push_back(*word);
        else
            wrong(element, fmt::format("'{}' must be a list of strings", key));
    }
    return words;
}

std::vector<const toml::table*> BoardReader::tables(const toml::table& parent,
                                                    std::string_view key) {
    const toml::node* node = parent.get(key);
    std::vector<const toml::table*> found;
    if (!node)
        return found;
    if (!node->is_array_of_tables()) {
        wrong(*node, fmt::format("'{0}' must be written as [[{0}]] tables", key));
        return found;
    }
    for (const toml::node& element : *node->as_array())
        found.push_back(element.as_table());
    return found;
}

void BoardReader::wrong(const toml::node& node, const std::string& what) {
    if (first_.empty())
        first_ = fmt::format("{}:{}:{}: {}", file_, node.source().begin.line,
                             node.source().begin.column, what);
}

} // namespace dmarace::vm
