// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/watch/outcome.hpp"

#include "catalogue/log_signs.hpp"

#include <algorithm>
#include <sstream>

namespace dmarace::vm {
namespace {

using catalogue::hinted;
using catalogue::LogHint;

constexpr std::size_t kEvidence = 60;
constexpr std::size_t kTail = 400; // lines from the end in which trouble is looked for
constexpr std::string_view kNoStart = "dmarace-init: cannot start: ";

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    std::istringstream in{std::string(text)};
    std::string line;
    while (std::getline(in, line)) {
        while (!line.empty() && line.back() == '\r')
            line.pop_back();
        lines.push_back(line);
    }
    return lines;
}

bool is_trouble(const std::string& line) {
    const auto* sign = catalogue::console_sign(line);
    return sign != nullptr && sign->effect == catalogue::LogSign::Effect::broke;
}

// The line that holds the words, from them on; "" if none does.
std::string from_words(std::string_view text, std::string_view words) {
    const auto at = text.rfind(words);
    if (at == std::string_view::npos)
        return {};
    const auto end = text.find_first_of("\r\n", at);
    return std::string(text.substr(at, end == std::string_view::npos ? end : end - at));
}

Outcome stopped_by_us(End end, const std::string& console) {
    switch (end) {
    case End::hang:
        return {end, 0, "the guest stopped beating", trouble(console, kEvidence)};
    case End::timeout:
        return {end, 0, "the time for the whole run was over", trouble(console, kEvidence)};
    default:
        return {end, 0, "stopped by the user", {}};
    }
}

} // namespace

std::string_view to_text(End end) {
    switch (end) {
    case End::ended:
        return "ended";
    case End::panic:
        return "panic";
    case End::rebooted:
        return "rebooted";
    case End::died:
        return "died";
    case End::qemu_failed:
        return "qemu-failed";
    case End::hang:
        return "hang";
    case End::timeout:
        return "timeout";
    case End::interrupted:
        return "interrupted";
    case End::no_start:
        return "no-start";
    case End::no_qemu:
        return "no-qemu";
    }
    return "died";
}

Outcome classify(const Sight& sight) {
    if (sight.exit)
        return {End::ended, *sight.exit, "", {}, sight.program_seconds};
    if (const std::string panic = std::string(hinted(LogHint::panic, sight.console));
        !panic.empty())
        return {End::panic, 0, panic, trouble(sight.console, kEvidence)};
    if (sight.stopped)
        return stopped_by_us(*sight.stopped, sight.console);
    if (const std::string why = from_words(sight.console, kNoStart); !why.empty())
        return {End::no_start, 0, why.substr(kNoStart.size()), {}};
    if (!sight.beaten && sight.qemu_status != 0 && sight.console.empty())
        return {End::no_qemu,
                0,
                sight.qemu_errors.empty() ? "QEMU ended with " + std::to_string(sight.qemu_status)
                                          : sight.qemu_errors,
                {}};
    if (sight.qemu_status != 0)
        return {End::qemu_failed, 0,
                "QEMU failed or was killed (status " + std::to_string(sight.qemu_status) +
                    "): " + sight.qemu_errors,
                trouble(sight.console, kEvidence)};
    if (!hinted(LogHint::restart, sight.console).empty())
        return {End::rebooted, 0, "the guest was told to boot again", {}};
    return {End::died, 0,
            "the guest went off before the program ended, and its kernel did not say why",
            trouble(sight.console, kEvidence)};
}

std::vector<std::string> trouble(std::string_view console, std::size_t most) {
    auto lines = lines_of(console);
    const auto tail =
        lines.size() > kTail ? lines.end() - static_cast<std::ptrdiff_t>(kTail) : lines.begin();
    auto first = std::find_if(tail, lines.end(), is_trouble);
    if (first == lines.end()) // nothing said: what came last is all there is
        first = lines.end() - static_cast<std::ptrdiff_t>(std::min(lines.size(), most / 3));
    lines.erase(lines.begin(), first);
    if (lines.size() > most)
        lines.resize(most);
    return lines;
}

} // namespace dmarace::vm
