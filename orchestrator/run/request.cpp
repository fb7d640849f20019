// SPDX-License-Identifier: GPL-2.0-or-later
#include "run/request.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace dmarace::run {
namespace {

using Command = std::vector<std::string>;

std::string dashed(const char* name) {
    return std::string("--") + name;
}

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

} // namespace

std::optional<ExitStyle> exit_style_from(std::string_view word) {
    constexpr std::array<std::pair<std::string_view, ExitStyle>, 3> kStyles{
        {{"plain", ExitStyle::plain}, {"bisect", ExitStyle::bisect}, {"ksft", ExitStyle::ksft}}};
    for (const auto& [name, style] : kStyles)
        if (name == word)
            return style;
    return std::nullopt;
}

bool has_option(const Command& command, const char* name) {
    return std::ranges::any_of(command,
                               [&](const std::string& word) { return is_option(word, name); });
}

std::optional<RunRequest> read_request(const Command& command) {
    if (command.empty() || command.front() != words::kRun)
        return std::nullopt;
    RunRequest request;
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
