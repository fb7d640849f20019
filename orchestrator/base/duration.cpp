// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/duration.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <limits>

namespace dmarace {

namespace {

struct Unit {
    std::string_view name;
    std::int64_t nanoseconds;
};

constexpr std::array<Unit, 7> kUnits{{{"d", 86'400'000'000'000},
                                      {"h", 3'600'000'000'000},
                                      {"m", 60'000'000'000},
                                      {"s", 1'000'000'000},
                                      {"ms", 1'000'000},
                                      {"us", 1'000},
                                      {"ns", 1}}};
constexpr const char* kUse = "use ns, us, ms, s, m, h or d";

} // namespace

Result<Nanoseconds> parse_duration(std::string_view text) {
    const std::string shown = "'" + std::string(text) + "'";
    std::int64_t sum = 0, least = std::numeric_limits<std::int64_t>::max();
    for (auto left = text; !left.empty() || text.empty();) {
        std::int64_t count = 0;
        const auto* last = left.data() + left.size();
        const auto [end, ec] = std::from_chars(left.data(), last, count);
        if (ec != std::errc{} || count < 0)
            return fail(Fault::usage,
                        shown + " is no duration; write a whole number and a unit: 250ms");
        left = std::string_view(end, static_cast<std::size_t>(last - end));
        const auto name = left.substr(0, left.find_first_of("0123456789"));
        const auto unit = std::ranges::find(kUnits, name, &Unit::name);
        if (left.empty())
            return fail(Fault::usage, shown + " has no unit; " + kUse);
        if (unit == kUnits.end())
            return fail(Fault::usage,
                        shown + ": unknown unit '" + std::string(left) + "'; " + kUse);
        if (unit->nanoseconds >= least)
            return fail(Fault::usage, shown + " is no duration; write large units first: 1h30m");
        least = unit->nanoseconds;
        if (count > (std::numeric_limits<std::int64_t>::max() - sum) / least)
            return fail(Fault::usage, shown + " is too long");
        sum += count * least;
        left.remove_prefix(name.size());
    }
    return Nanoseconds{sum};
}

Result<DurationRange> parse_duration_range(std::string_view text) {
    const auto dots = text.find("..");
    TRY_AS(const auto min, parse_duration(text.substr(0, dots)));
    if (dots == std::string_view::npos)
        return DurationRange{min, min};
    TRY_AS(const auto max, parse_duration(text.substr(dots + 2)));
    if (max < min)
        return fail(Fault::usage, "'" + std::string(text) + "' ends before it begins");
    return DurationRange{min, max};
}

std::string to_text(Nanoseconds duration) {
    for (const auto& unit : kUnits)
        if (duration.count() != 0 && duration.count() % unit.nanoseconds == 0)
            return std::to_string(duration.count() / unit.nanoseconds) + std::string(unit.name);
    return "0s";
}

std::string utc_now(const char* format) {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::string text(64, '\0');
    text.resize(std::strftime(text.data(), text.size(), format, &parts));
    return text;
}

std::uint64_t monotonic_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

std::chrono::nanoseconds boottime() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

} // namespace dmarace
