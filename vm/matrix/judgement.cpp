// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/matrix/judgement.hpp"

#include "catalogue/log_signs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace dmarace::vm {
namespace {

constexpr int kSkipped = 4;

std::string_view last_line(std::string_view text) {
    const auto end = text.find_last_not_of('\n');
    if (end == std::string_view::npos)
        return {};
    text = text.substr(0, end + 1);
    return text.substr(text.rfind('\n') + 1);
}

// What a board said that is not well; "" for nothing.
std::string_view complaint(std::string_view console) {
    while (!console.empty()) {
        const auto line = console.substr(0, console.find('\n'));
        if (const auto* sign = catalogue::console_sign(line); sign && sign->is_failure())
            return line;
        console.remove_prefix(std::min(line.size() + 1, console.size()));
    }
    return {};
}

} // namespace

PartResult judge(const Part& part, const Cell& cell, const Left& left) {
    if (left.status == kSkipped)
        return {Came::skipped, std::string(last_line(left.output))};
    if (left.status != 0)
        return {Came::failed, fmt::format("exit {}: {}", left.status, last_line(left.output))};
    for (const std::string& word : expected(part, cell))
        if (left.output.find(word) == std::string_view::npos)
            return {Came::failed, fmt::format("nothing says '{}'", word)};
    if (const auto said = complaint(left.console); part.quiet && !said.empty())
        return {Came::failed, fmt::format("console: {}", said)};
    return {Came::passed, ""};
}

int exit_code(std::span<const PartResult> outcomes) {
    const auto has = [&](Came came) {
        return std::ranges::any_of(outcomes, [&](const auto& one) { return one.came == came; });
    };
    if (has(Came::failed))
        return 1;
    return has(Came::passed) ? 0 : kSkipped; // nothing that ran nothing is green
}

std::string_view to_text(Came came) {
    constexpr std::array<std::string_view, 3> words{"pass", "fail", "skip"};
    return words[static_cast<std::size_t>(came)];
}

} // namespace dmarace::vm
