// SPDX-License-Identifier: GPL-2.0-or-later
#include "catalogue/log_signs.hpp"
#include "vm/board/control.hpp"
#include "vm/image/guest/words.hpp"

#include <algorithm>
#include <sstream>

namespace dmarace::vm {
namespace {

using catalogue::hinted;
using catalogue::LogHint;

constexpr std::size_t kEvidence = 60;
constexpr std::size_t kTail = 400; // lines from the end in which trouble is looked for
constexpr std::string_view kNoStart = guest::kCannotStart;

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

BootOutcome stopped_by_us(BootEnd end, const std::string& console) {
    switch (end) {
    case BootEnd::hang:
        return {end, 0, "the guest stopped beating", trouble(console, kEvidence)};
    case BootEnd::timeout:
        return {end, 0, "the time for the whole run was over", trouble(console, kEvidence)};
    default:
        return {end, 0, "stopped by the user", {}};
    }
}

} // namespace

std::string_view to_text(BootEnd end) {
    switch (end) {
    case BootEnd::ended:
        return "ended";
    case BootEnd::panic:
        return "panic";
    case BootEnd::rebooted:
        return "rebooted";
    case BootEnd::died:
        return "died";
    case BootEnd::qemu_failed:
        return "qemu-failed";
    case BootEnd::hang:
        return "hang";
    case BootEnd::timeout:
        return "timeout";
    case BootEnd::interrupted:
        return "interrupted";
    case BootEnd::no_start:
        return "no-start";
    case BootEnd::no_qemu:
        return "no-qemu";
    }
    return "died";
}

BootOutcome classify(const BootTraces& traces) {
    if (traces.exit)
        return {BootEnd::ended, *traces.exit, "", {}, traces.program_seconds};
    if (const std::string panic = std::string(hinted(LogHint::panic, traces.console));
        !panic.empty())
        return {BootEnd::panic, 0, panic, trouble(traces.console, kEvidence)};
    if (traces.stopped)
        return stopped_by_us(*traces.stopped, traces.console);
    if (const std::string why = from_words(traces.console, kNoStart); !why.empty())
        return {BootEnd::no_start, 0, why.substr(kNoStart.size()), {}};
    if (!traces.beaten && traces.status != 0 && traces.console.empty())
        return {BootEnd::no_qemu,
                0,
                traces.complaint.empty() ? "QEMU ended with " + std::to_string(traces.status)
                                         : traces.complaint,
                {}};
    if (traces.status != 0)
        return {BootEnd::qemu_failed, 0,
                "QEMU failed or was killed (status " + std::to_string(traces.status) +
                    "): " + traces.complaint,
                trouble(traces.console, kEvidence)};
    if (!hinted(LogHint::restart, traces.console).empty())
        return {BootEnd::rebooted, 0, "the guest was told to boot again", {}};
    return {BootEnd::died, 0,
            "the guest went off before the program ended, and its kernel did not say why",
            trouble(traces.console, kEvidence)};
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
