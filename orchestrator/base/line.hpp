// SPDX-License-Identifier: GPL-2.0-or-later
// Reads and writes the lines of kmod/dmarace_abi.h: a verb and
// key=value words. Pure.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dmarace {

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
