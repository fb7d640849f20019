// SPDX-License-Identifier: GPL-2.0-or-later
// This file is what the fuzz targets share.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace fuzz {

inline void require(bool condition) {
    if (!condition)
        std::abort();
}

inline std::string text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

} // namespace fuzz
