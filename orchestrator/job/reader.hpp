// SPDX-License-Identifier: GPL-2.0-or-later
// Reads typed values out of a TOML table and remembers which keys it
// was asked for, so that every other key can be named as unknown. Inside this
// room only.
#pragma once

#include "base/duration.hpp"
#include "job/diagnostic.hpp"

#include <toml++/toml.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::job {

// A value and where it stands; for a string, where its first letter stands.
struct Text {
    std::string value;
    Place where;
};

class Section {
public:
    // 'shown' is how messages call the table: "[[rule]]".
    Section(const toml::table& table, std::string shown, const std::string& file,
            Diagnostics& diagnostics);

    Place where() const;
    Place where(const toml::node& node) const;
    Diagnostics& diagnostics() { return diagnostics_; }
    const std::string& file() const { return file_; }
    const std::string& shown() const { return shown_; }

    // Each of these makes the key a known one. A missing key is nothing, a
    // value of the wrong type is an error and nothing.
    const toml::node* node(std::string_view key);
    std::optional<Text> text(std::string_view key);
    // A string, or a whole number as text.
    std::optional<Text> word(std::string_view key);
    std::vector<Text> texts(std::string_view key); // one string or a list of them
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

    // An error when the key is missing, its text empty or more than one line.
    Text required(std::string_view key);

    // Names every key that nobody asked for.
    void done();

    void error(Place where, const std::string& message);
    void error(Code code, Place where, const std::string& message);

private:
    bool is_one_line(std::string_view key, const Text& text);
    void wrong_type(std::string_view key, const toml::node& node, std::string_view wanted);
    std::optional<Text> duration_text(std::string_view key);

    const toml::table& table_;
    std::string shown_;
    const std::string& file_;
    Diagnostics& diagnostics_;
    std::vector<std::string> known_;
};

// The text of a string node; its place is the first letter.
Text text_of(const toml::value<std::string>& node, const std::string& file);

} // namespace dmarace::job
