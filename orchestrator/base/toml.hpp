// SPDX-License-Identifier: GPL-2.0-or-later
// Tables of the TOML files that people write: typed values with their places, and every
// key that nobody knows named. Pure.
#pragma once

#include "base/duration.hpp"
#include "base/text.hpp"

#include <toml++/toml.h>

#include <cstdint>
#include <expected>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace {

// Its place is its first letter.
Text text_of(const toml::value<std::string>& node, const std::string& file);

// Where a text stops being TOML, and why.
struct NoToml {
    Place where;
    std::string message;
};
std::expected<toml::table, NoToml> parse_toml(std::string_view text, const std::string& file);

enum class TomlFault { key, missing, kind, value, unit };

// Remembers which keys it was asked for, so that every other key can be named as unknown.
class TomlTable {
public:
    // 'shown' is how messages call the table: "[[rule]]".
    TomlTable(const toml::table& table, std::string shown, std::string file);
    virtual ~TomlTable() = default;

    Place where() const;
    Place where(const toml::node& node) const;
    const std::string& file() const { return file_; }
    const std::string& shown() const { return shown_; }

    // Each of these makes the key a known one. A missing key is nothing, a
    // value of the wrong type is an error and nothing.
    const toml::node* node(std::string_view key);
    std::optional<Text> text(std::string_view key);
    // A string, or a whole number as text.
    std::optional<Text> word(std::string_view key);
    // One string or a list of them; a list alone.
    std::vector<Text> texts(std::string_view key) { return strings(key, true); }
    std::vector<Text> list(std::string_view key) { return strings(key, false); }
    std::optional<std::int64_t>
    integer(std::string_view key, std::int64_t min = std::numeric_limits<std::int64_t>::min(),
            std::int64_t max = std::numeric_limits<std::int64_t>::max());
    std::optional<unsigned> count(std::string_view key, unsigned min, unsigned max = 1'000'000'000);
    std::optional<bool> flag(std::string_view key);
    std::optional<Nanoseconds> duration(std::string_view key);
    std::optional<DurationRange> duration_range(std::string_view key);
    const toml::table* table(std::string_view key);
    // The tables of [[key]].
    std::vector<const toml::table*> tables(std::string_view key);

    // A text of one line, or "".
    std::string line(std::string_view key);

    // An error when the key is missing.
    std::optional<Text> needed(std::string_view key);
    // .. or its text is empty or more than one line.
    Text required(std::string_view key);

    // No control characters; an error otherwise.
    bool is_one_line(std::string_view key, const Text& text);

    // Names every key but these, or that nobody asked for.
    void only(const std::vector<std::string>& keys);
    void done() { only(known_); }

    void error(Place where, const std::string& message) {
        wrong(TomlFault::value, std::move(where), message);
    }
    // Is the text one of these words? An error otherwise: the message, the nearest, and the end.
    bool listed(const Text& text, const std::vector<std::string>& words, const std::string& message,
                const std::string& end = "");

private:
    virtual void wrong(TomlFault fault, Place where, const std::string& message) = 0;
    // How a program words what is usual.
    virtual void is_missing(std::string_view key);
    virtual void is_unknown(const toml::key& key, const toml::node& node,
                            const std::vector<std::string>& known);
    virtual void is_not(std::string_view key, const toml::node& node, std::string_view wanted);
    virtual std::string tables_of(std::string_view key) const;

    template <class T>
    const toml::value<T>* value(std::string_view key, std::string_view wanted);
    std::vector<Text> strings(std::string_view key, bool one_will_do);
    std::optional<Text> duration_text(std::string_view key);
    template <class T>
    std::optional<T> parsed(std::string_view key, Result<T> (*parse)(std::string_view));

    const toml::table& table_;
    std::string shown_, file_;
    std::vector<std::string> known_;
};

// The values alone.
std::vector<std::string> values_of(const std::vector<Text>& texts);

// In few words, and only the first thing that is wrong in a file.
class BriefTable final : public TomlTable {
public:
    // 'first' is "FILE:LINE:COLUMN: MESSAGE" after that, "" before.
    BriefTable(const toml::table& table, const std::string& file, std::string& first)
        : TomlTable(table, "", file), first_(first) {}
    // Its text must be there; "" when it is not.
    std::string must(std::string_view key) { return needed(key).value_or(Text{}).value; }
    // A table of the same file.
    BriefTable below(const toml::table& table) const { return {table, file(), first_}; }

private:
    void wrong(TomlFault fault, Place where, const std::string& message) override;
    void is_missing(std::string_view key) override;
    void is_unknown(const toml::key& key, const toml::node& node,
                    const std::vector<std::string>& known) override;
    void is_not(std::string_view key, const toml::node& node, std::string_view wanted) override;
    std::string tables_of(std::string_view key) const override;

    std::string& first_;
};

} // namespace dmarace
