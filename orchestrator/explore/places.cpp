// SPDX-License-Identifier: GPL-2.0-or-later
// Candidates whose places to park know their device.
#include "base/hex.hpp"
#include "board/kernel.hpp"
#include "explore/record.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace dmarace::explore {

namespace {

// Where a call is that returns there. A place that cannot be told is none.
void place_calls(std::vector<search::Park>& parks) {
    const auto machine = board::kernel_machine();
    const unsigned length = machine == "aarch64" ? 4 : machine == "x86_64" ? 5 : 0;
    std::erase_if(parks, [=](const auto& park) {
        return park.returns > 0 && (length == 0 || park.returns < length);
    });
    for (auto& park : parks)
        if (const auto returns = std::exchange(park.returns, 0); returns > 0)
            park.function += "+" + in_hex(returns - length);
}

} // namespace

std::vector<search::Candidate> candidates_of(const ActRecords& records) {
    auto out = search::candidates(records.records);
    for (auto& candidate : out) {
        place_calls(candidate.parks_a);
        place_calls(candidate.parks_b);
    }
    auto layouts = records.layouts;
    if (!layouts && !out.empty())
        if (auto loaded = board::Layouts::load())
            layouts = std::move(*loaded);
    if (!layouts)
        return out;
    using As = board::DeviceArgument::As;
    std::map<std::string, std::optional<board::DeviceArgument>> known;
    for (auto& candidate : out)
        for (auto* parks : {&candidate.parks_a, &candidate.parks_b})
            for (auto& park : *parks) {
                const auto [at, is_new] = known.try_emplace(park.function);
                if (is_new)
                    at->second = layouts->device_argument(park.function);
                if (!at->second)
                    continue;
                park.device_argument = at->second->number;
                park.pci = at->second->as == As::pci_dev;
                park.device = at->second->as == As::group ? "" : records.device;
            }
    return out;
}

} // namespace dmarace::explore
