// SPDX-License-Identifier: GPL-2.0-or-later
// What a test says of a Result, a Status or an optional.
#pragma once

#include "base/error.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string_view>

namespace dmarace {

// What it has. Where it has nothing, the test ends here and shows why.
template <class Maybe>
auto got(Maybe result) {
    if constexpr (requires { result.error().message; }) {
        if (!result)
            throw std::runtime_error(result.error().message);
    } else if (!result) {
        throw std::runtime_error("there is nothing");
    }
    return *std::move(result);
}

inline bool bears(const Error& error, Fault fault) { return error.fault == fault; }
inline bool bears(const Error& error, int os_error) { return error.os_error == os_error; }
inline bool bears(const Error& error, std::string_view words) {
    return error.message.contains(words);
}

// That it has nothing, for a reason with all of these: a Fault, an errno, words of the message.
template <class... Signs>
testing::AssertionResult refused(const auto& result, const Signs&... signs) {
    if (result)
        return testing::AssertionFailure() << "it is not refused";
    const Error& error = result.error();
    if ((bears(error, signs) && ...))
        return testing::AssertionSuccess();
    return testing::AssertionFailure()
           << "it is refused with fault " << static_cast<int>(error.fault) << ", errno "
           << error.os_error << ": " << error.message;
}

} // namespace dmarace
