// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/step_words.hpp"

#include "base/duration.hpp"
#include "base/nearest.hpp"
#include "job/signals.hpp"
#include "job/words.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

namespace dmarace::job {

namespace {

bool is_word(std::string_view text, std::string_view also) {
    const auto fits = [&](unsigned char c) {
        return std::isalnum(c) || also.find(static_cast<char>(c)) != std::string_view::npos;
    };
    return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

bool is_device(std::string_view text) {
    const auto slash = text.find('/');
    const bool one_slash = slash == std::string_view::npos ||
                           (slash > 0 && text.find('/', slash + 1) == std::string_view::npos);
    const auto bus = text.substr(0, slash);
    const auto name = slash == std::string_view::npos ? text : text.substr(slash + 1);
    const auto dots = [](std::string_view part) { return part == "." || part == ".."; };
    return one_slash && is_word(text, "-_.:,@+!/") && !name.empty() && !dots(name) && !dots(bus);
}

bool is_number(std::string_view text) {
    return !text.empty() && text.size() <= 9 &&
           text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string in_quotes(std::string_view text) {
    return "'" + std::string(text) + "'";
}

// "" when the word is one of the list, else a message with the nearest.
std::string check_listed(std::string_view word, const std::vector<Word>& words,
                         const std::string& what) {
    if (contains(words, word))
        return "";
    return in_quotes(word) + " is no " + what + did_you_mean(word, names(words));
}

std::string check_time(std::string_view word) {
    const auto time = parse_duration(word);
    return time ? "" : time.error().message;
}

std::string check_setting(std::string_view word) {
    const auto equals = word.find('=');
    if (equals != std::string_view::npos && is_word(word.substr(0, equals), "_-."))
        return "";
    return in_quotes(word) + " is no module parameter; write name=value";
}

} // namespace

std::string check_kind(std::string_view kind, std::string_view word) {
    if (word.find('{') != std::string_view::npos || kind == "VALUE")
        return "";
    if (kind == "MODULE" || kind == "IOMMU")
        return is_word(word, "_-./") ? "" : in_quotes(word) + " is no module name";
    if (kind == "DEVICE")
        return is_device(word) ? "" : in_quotes(word) + " is no device; write BUS/NAME";
    if (kind == "DRIVER")
        return is_word(word, "_-.:+") ? "" : in_quotes(word) + " is no driver name";
    if (kind == "BUS")
        return check_listed(word, bus_words(), "bus that can have an IOMMU");
    if (kind == "GROUP|DEVICE")
        return is_number(word) || is_device(word)
                   ? ""
                   : in_quotes(word) + " is neither the number of a group nor a device";
    if (kind == "GROUP")
        return is_number(word) ? "" : in_quotes(word) + " is no number of a group";
    if (kind == "TYPE")
        return check_listed(word, type_words(), "type of a group");
    if (kind == "SIZE")
        return types::size_range(word)
                   ? ""
                   : in_quotes(word) + " is no number of devices; write 1, 2.. or 2..4";
    if (kind == "STATE")
        return check_listed(word, type_state_words(), "type of a group");
    if (kind == "N")
        return is_number(word) ? "" : in_quotes(word) + " is no whole number";
    if (kind == "TIME")
        return check_time(word);
    if (kind == "SIGNAL")
        return check_signal(word);
    if (kind == "NAME")
        return is_name(word) ? "" : in_quotes(word) + " is no name for a signal of the job's own";
    if (kind == "PATH")
        return word.starts_with('/') ? "" : in_quotes(word) + " is no path; write it from the root";
    return check_setting(word);
}

} // namespace dmarace::job
