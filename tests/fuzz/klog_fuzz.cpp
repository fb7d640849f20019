// SPDX-License-Identifier: GPL-2.0-or-later
// Feeds any bytes to all that reads a kernel log: records of /dev/kmsg
// (here one a line that begins with '|', what continues it without), what the
// judge makes of them, and the last words of a machine in a pstore.
#include "board/kernel.hpp"
#include "fuzz.hpp"
#include "verdict/verdict.hpp"

#include <algorithm>

namespace {

using namespace dmarace;
using fuzz::require;

constexpr std::size_t kMost = 60;

void check_last_words(const std::string& text) {
    const auto lines = board::after_mark({text}, "iter=1 begin", kMost);
    require(lines.size() <= kMost);
    for (const auto& line : lines)
        require(!line.empty() && line.find('\n') == std::string::npos &&
                text.find(line) != std::string::npos);
}

verdict::LogLine read(const std::string& record) {
    auto out = board::parse_kernel_record(record);
    require(out.level >= 0 && out.level <= 7);
    require(out.text.find('\n') == std::string::npos);
    return {out.ts, out.level, std::move(out.text), std::move(out.device)};
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    check_last_words(text);
    verdict::Observed observed;
    for (std::size_t begin = 0; begin < text.size();) {
        const auto next = std::min(text.find("\n|", begin), text.size());
        observed.log.push_back(read(text.substr(begin, next - begin)));
        begin = next + 2;
    }
    const auto judgement = verdict::judge({}, {}, {}, observed);
    for (const auto& failure : judgement.failures)
        require(!failure.detail.empty() && !failure.evidence.empty());
    return 0;
}
