// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/size.hpp"

#include "base/text.hpp"

#include <array>
#include <limits>
#include <utility>

namespace dmarace {

namespace {

constexpr std::array<std::pair<char, std::uint64_t>, 3> kUnits{
    {{'G', 1'000'000'000}, {'M', 1'000'000}, {'K', 1'000}}};

} // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
    for (const auto& [letter, bytes] : kUnits) {
        if (!text.ends_with(letter))
            continue;
        const auto number = to_number<std::uint64_t>(text.substr(0, text.size() - 1));
        if (number && *number <= std::numeric_limits<std::uint64_t>::max() / bytes)
            return *number * bytes;
    }
    return fail(Fault::usage, in_quotes(text) + " is no size; write a whole number and its unit, "
                                                "500K, 100M or 2G");
}

std::string size_text(std::uint64_t bytes) {
    for (const auto& [letter, unit] : kUnits)
        if (bytes >= unit) {
            const auto tenths = bytes * 10 / unit;
            const auto whole = std::to_string(tenths / 10);
            return whole + (tenths < 100 ? "." + std::to_string(tenths % 10) : "") + " " + letter +
                   "B";
        }
    return std::to_string(bytes) + " bytes";
}

} // namespace dmarace
