// SPDX-License-Identifier: GPL-2.0-or-later
// Says how a function that can fail answers: Result<T>, and the one
// Error that travels up to main().
#pragma once

#include <cerrno>
#include <cstring>
#include <expected>
#include <string>
#include <utility>

namespace dmarace {

// The exit codes of all programs; report::exit_code() has those of verdicts.
inline constexpr int kExitUsage = 2, kExitEnvironment = 3, kExitUntestable = 4, kExitTimeout = 124,
                     kExitBisectBroken = 128, kExitInterrupted = 130;

// What kind of failure it is, and the exit code that main() makes of it.
enum class Fault {
    usage = kExitUsage,             // bad command line or bad job file
    environment = kExitEnvironment, // no root, no module, no device, full disk
    untestable = kExitUntestable,   // nothing here can be tested
};
constexpr int exit_code_of(Fault fault) { return static_cast<int>(fault); }

// An error with a place and, where there is one, a remedy in its message.
// os_error is the errno behind it, 0 if none.
struct [[nodiscard]] Error {
    Fault fault = Fault::environment;
    std::string message;
    int os_error = 0;

    // The same error, told from one level further up: "CONTEXT: message".
    Error within(const std::string& context) && {
        message = context + ": " + message;
        return std::move(*this);
    }
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(Fault fault, std::string message) {
    return std::unexpected(Error{fault, std::move(message), 0});
}

// The failure that errno (or a saved copy of it) tells of: "WHAT: strerror".
inline std::unexpected<Error> fail_errno(const std::string& what, int os_error = errno) {
    return std::unexpected(
        Error{Fault::environment, what + ": " + std::strerror(os_error), os_error});
}

} // namespace dmarace

// Ends the function with the error of a Result, if that is what the expression gives.
#define TRY(...)                                                                                   \
    if (auto outcome_ = (__VA_ARGS__); !outcome_)                                                  \
    return std::unexpected(std::move(outcome_).error())

// The same, and declares what a good Result holds: TRY_AS(const auto text, read_text(path));
#define TRY_AS(declaration, ...) TRY_AS_(declaration, TRY_NAME_(tried_at_, __LINE__), __VA_ARGS__)
#define TRY_AS_(declaration, tried, ...)                                                           \
    auto tried = (__VA_ARGS__);                                                                    \
    if (!tried)                                                                                    \
        return std::unexpected(std::move(tried).error());                                          \
    declaration = *std::move(tried)
#define TRY_NAME_(prefix, line) TRY_NAME_AT_(prefix, line)
#define TRY_NAME_AT_(prefix, line) prefix##line
