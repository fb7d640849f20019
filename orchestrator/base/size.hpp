// SPDX-License-Identifier: GPL-2.0-or-later
// Reads and tells sizes of files, in thousands of bytes.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace dmarace {

// "500K", "100M", "2G": a whole number and its unit. Without a unit it is an error that says so.
Result<std::uint64_t> parse_size(std::string_view text);

// "320 KB", "1.4 GB".
std::string size_text(std::uint64_t bytes);

} // namespace dmarace
