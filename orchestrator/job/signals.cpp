// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/signals.hpp"

#include "base/nearest.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace dmarace::job {

namespace {

bool is_device_signal_text(std::string_view text) {
    return text.find_first_of(" \t\"\\,") == std::string_view::npos;
}

// Parses the N of ACTOR:N; 0 when it is none.
unsigned step_number(std::string_view text) {
    unsigned number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    return ec == std::errc{} && end == text.data() + text.size() ? number : 0;
}

} // namespace

bool Signal::about_actor() const {
    return prefix == DMARACE_S_DONE || prefix == DMARACE_S_STEP || prefix == DMARACE_S_BLOCKED;
}

std::vector<std::string> signal_prefixes() {
    return {DMARACE_S_DONE,    DMARACE_S_STEP,    DMARACE_S_BLOCKED,
            DMARACE_S_BINDING, DMARACE_S_BOUND,   DMARACE_S_UNBOUND,
            DMARACE_S_ADDED,   DMARACE_S_REMOVED, DMARACE_S_DEFERRED};
}

bool is_name(std::string_view text) {
    const auto fits = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; };
    return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

std::string check_signal(std::string_view text) {
    const std::string shown = "'" + std::string(text) + "'";
    if (text.empty())
        return "a signal has a name";
    if (text.size() >= DMARACE_NAME_MAX)
        return shown + " is too long for a signal";
    if (text.find('{') != std::string_view::npos)
        return "";
    const auto colon = text.find(':');
    if (colon == std::string_view::npos)
        return is_name(text) ? ""
                             : shown + " is no signal; names have letters, digits, '-' and '_'";
    const std::string prefix(text.substr(0, colon));
    const auto known = signal_prefixes();
    if (std::find(known.begin(), known.end(), prefix) == known.end())
        return "unknown kind of signal '" + prefix + ":'" + did_you_mean(prefix, known);
    const auto subject = text.substr(colon + 1);
    if (subject.empty())
        return shown + " does not say of whom; write " + prefix + ":NAME";
    if (prefix == DMARACE_S_STEP) {
        const auto last = subject.rfind(':');
        if (last == std::string_view::npos || step_number(subject.substr(last + 1)) == 0)
            return shown + " does not say which step; write step:ACTOR:N, N from 1";
    }
    return is_device_signal_text(subject) ? "" : shown + " is no signal";
}

Signal parse_signal(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos)
        return {"", std::string(text), 0};
    Signal signal{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1)), 0};
    if (signal.prefix == DMARACE_S_STEP) {
        const auto last = signal.subject.rfind(':');
        if (last != std::string::npos) {
            signal.step = step_number(std::string_view(signal.subject).substr(last + 1));
            signal.subject.resize(last);
        }
    }
    return signal;
}

} // namespace dmarace::job
