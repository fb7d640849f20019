// SPDX-License-Identifier: GPL-2.0-or-later
#include "run/request.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace dmarace::run {
namespace {

using Command = std::vector<std::string>;

std::string dashed(const char* name) { return std::string("--") + name; }

bool is_option(const std::string& word, const char* name) {
    const std::string option = dashed(name);
    return word == option || word.starts_with(option + "=");
}

// The value of its last occurrence, as a word of its own or after a '='; "" for none.
std::string value_of(const Command& command, const char* name) {
    const std::string option = dashed(name);
    std::string value;
    for (std::size_t i = 0; i < command.size(); ++i) {
        if (command[i] == option && i + 1 < command.size())
            value = command[i + 1];
        else if (is_option(command[i], name))
            value = command[i].substr(std::min(option.size() + 1, command[i].size()));
    }
    return value;
}

// In the order of their enums.
constexpr std::array<std::string_view, 3> kFresh{"never", "risky", "always"};
constexpr std::array<std::string_view, 3> kStyles{"plain", "bisect", "ksft"};

template <class Value>
std::optional<Value> nth(const std::array<std::string_view, 3>& names, std::string_view word) {
    const auto* found = std::ranges::find(names, word);
    return found == names.end() ? std::nullopt
                                : std::optional(static_cast<Value>(found - names.begin()));
}

} // namespace

std::string_view to_text(Fresh fresh) { return kFresh.at(static_cast<std::size_t>(fresh)); }

std::optional<Fresh> fresh_from(std::string_view word) { return nth<Fresh>(kFresh, word); }

std::optional<ExitStyle> exit_style_from(std::string_view word) {
    return nth<ExitStyle>(kStyles, word);
}

bool has_option(const Command& command, const char* name) {
    return std::ranges::any_of(command,
                               [&](const std::string& word) { return is_option(word, name); });
}

std::vector<std::string> words_of_starter(const std::string& out, Fresh fresh) {
    return {dashed(words::kOut), out, dashed(words::kResume), dashed(words::kFresh),
            std::string(to_text(fresh))};
}

bool is_of_starter(const std::string& word) {
    constexpr std::array kTheirs{words::kOut,  words::kResume, words::kFresh,  words::kDryRun,
                                 words::kJson, words::kKtap,   words::kCompare};
    return word == "-h" || is_option(word, "help") ||
           std::ranges::any_of(kTheirs, [&](const char* name) { return is_option(word, name); });
}

Command words_to_go_on(const Command& command, const std::string& out) {
    Command kept{dashed(words::kResume)};
    for (std::size_t i = 0; i < command.size(); ++i)
        if (command[i] == dashed(words::kOut))
            ++i;
        else if (!is_option(command[i], words::kResume) && !is_option(command[i], words::kOut))
            kept.push_back(command[i]);
    kept.insert(kept.end(), {dashed(words::kOut), out});
    return kept;
}

std::optional<RunRequest> read_request(const Command& command) {
    const std::string first = command.empty() ? "" : command.front();
    if (first != words::kRun && first != words::kExplore && first != words::kSweep)
        return std::nullopt;
    RunRequest request;
    request.page = first == words::kExplore ? kExplorePage
                   : first == words::kSweep ? kSweepPage
                                            : "";
    request.out = has_option(command, words::kOut);
    request.resume = has_option(command, words::kResume);
    request.fresh = has_option(command, words::kFresh);
    request.exit_style =
        exit_style_from(value_of(command, words::kExitStyle)).value_or(ExitStyle::plain);
    request.shown = has_option(command, words::kJson)   ? Shown::json
                    : has_option(command, words::kKtap) ? Shown::ktap
                                                        : Shown::summary;
    return request;
}

} // namespace dmarace::run
