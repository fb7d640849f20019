// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/breaker.hpp"

#include <algorithm>
#include <charconv>

namespace dmarace::campaign {

namespace {

bool take_number(std::string_view text, unsigned& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size() && out > 0;
}

} // namespace

Result<CrashLimit> crash_limit_from(std::string_view word) {
    if (word == "none")
        return CrashLimit{0, 0};
    CrashLimit out;
    const auto slash = word.find('/');
    if (slash == std::string_view::npos || !take_number(word.substr(0, slash), out.crashes) ||
        !take_number(word.substr(slash + 1), out.boots))
        return fail(Fault::usage, "--crash-limit takes CRASHES/BOOTS (3/5) or none, not '" +
                                      std::string(word) + "'");
    return out;
}

std::string why_stop(const run::Run& run, const CrashLimit& limit) {
    if (limit.crashes == 0)
        return "";
    const auto boots = std::min<std::size_t>(run.boots.size(), limit.boots);
    const auto first = boots == 0 ? 0 : run.boots[run.boots.size() - boots];
    const auto crashes = std::count_if(
        run.ended.begin() + static_cast<std::ptrdiff_t>(first), run.ended.end(),
        [](const auto& end) { return end.judgement.verdict == verdict::Verdict::crash; });
    if (crashes < static_cast<std::ptrdiff_t>(limit.crashes))
        return "";
    return "stopped: " + std::to_string(crashes) + " crashes in the last " +
           std::to_string(std::max<std::size_t>(boots, 1)) +
           " boots; --crash-limit allows more, and --resume goes on";
}

} // namespace dmarace::campaign
