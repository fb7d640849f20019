// SPDX-License-Identifier: GPL-2.0-or-later
// Words and lines: as people read them, in columns, and as the module writes them. Pure.
#pragma once

#include "base/error.hpp"

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dmarace {

// Where in a file something stands; line and column count from 1.
struct Place {
    std::string file;
    unsigned line = 0;
    unsigned column = 0;
    bool operator==(const Place&) const = default;
};

// "FILE:LINE:COLUMN"
std::string shown(const Place& place);

// A value and where it stands; for a string, where its first letter stands.
struct Text {
    std::string value;
    Place where;
};

// 'text'
std::string in_quotes(std::string_view text);

std::string joined(const std::vector<std::string>& words, std::string_view between);

// What stands between the separators; a text that ends in one has nothing after it.
std::vector<std::string> split(std::string_view text, char separator);

// A text of several lines as one, its ends of lines written as \n; and as it was.
std::string on_one_line(std::string_view text);
std::string with_newlines(std::string_view text);

// At least one decimal digit, and nothing else.
bool is_digits(std::string_view text);

// A part of each, as texts.
template <class Range, class Part>
std::vector<std::string> texts_of(const Range& range, Part part) {
    std::vector<std::string> out;
    for (const auto& one : range)
        out.emplace_back(std::invoke(part, one));
    return out;
}

// The one of that name, or null.
template <class T>
const T* named(const std::vector<T>& list, std::string_view name) {
    const auto found = std::ranges::find(list, name, &T::name);
    return found == list.end() ? nullptr : &*found;
}

// The enumerator whose row has that text; rows are in the order of the enum.
template <class Enum, class Rows, class Part = std::identity>
std::optional<Enum> enum_from(const Rows& rows, std::string_view text, Part part = {}) {
    const auto found = std::ranges::find(rows, text, part);
    if (found == std::ranges::end(rows))
        return std::nullopt;
    return static_cast<Enum>(found - std::ranges::begin(rows));
}

// Up to the first '\n'.
std::string first_line(std::string_view text);
// All of them, without their ends; an empty one after the last '\n' is none.
std::vector<std::string> lines_in(std::string_view text);
// What stands between spaces, tabs and ends of lines.
std::vector<std::string> words_in(std::string_view text);

// The number that a text is, or nothing; and the one that it begins with, or 0.
template <std::integral T>
std::optional<T> to_number(std::string_view text) {
    T number = 0;
    const auto* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    return error == std::errc() && end == last ? std::optional(number) : std::nullopt;
}
template <std::integral T = std::uint64_t>
T leading_number(std::string_view text, int base = 10) {
    T number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number, base);
    return number;
}

// The text with everything that a terminal or a parser could take for a
// command written as \n, \t or \xNN; valid UTF-8 stays.
std::string printable(std::string_view text);

// How many letters must be put in, left out, changed or swapped with their
// neighbour to turn one word into the other. Letter case does not count.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate closest to word, or "" when none is close enough to be meant.
// Of equally close ones the one that begins like word wins, then the first.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

// "; did you mean 'WORD'?", or "" when nothing is close: ends an error message.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);
// .. or all that there is when nothing is.
std::string hint(std::string_view word, const std::vector<std::string>& candidates);

// Text in columns.
class Columns {
public:
    Columns() = default; // without heads
    explicit Columns(std::vector<std::string> heads);
    // One row, as long as all others; cells are made printable.
    void add(std::vector<std::string> row);
    // The table, each line after indent, columns two spaces apart, without
    // those that hold nothing and have no head.
    std::string text(const std::string& indent) const;

private:
    std::vector<std::vector<std::string>> rows_;
};

// One line of the control device. Words keep their order; a key may occur once.
struct Line {
    std::string verb;
    std::vector<std::pair<std::string, std::string>> words;

    // The value of a key, or nothing.
    std::optional<std::string> find(std::string_view key) const;
    // The value of a key, or "" (facts that could not be had are left out).
    std::string get(std::string_view key) const;
    // The value as a number (decimal, or hexadecimal after 0x), or nothing.
    std::optional<std::int64_t> number(std::string_view key) const;
    Line& add(std::string key, std::string value);

    bool operator==(const Line&) const = default;
};

// Parses one line without its '\n'. Errors are Fault::environment: only the
// module writes such lines to us.
Result<Line> parse_line(std::string_view text);

// The line as text, without '\n', values quoted where they must be.
std::string to_text(const Line& line);

} // namespace dmarace
