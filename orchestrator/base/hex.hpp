// SPDX-License-Identifier: GPL-2.0-or-later
// Addresses as text.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <string>

namespace dmarace {

// "0x1f"
inline std::string in_hex(std::uint64_t number) {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.begin(), digits.end(), number, 16).ptr;
    return "0x" + std::string(digits.begin(), end);
}

} // namespace dmarace
