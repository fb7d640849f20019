// SPDX-License-Identifier: GPL-2.0-or-later
// Feeds any bytes to the reader of the module's lines, and what it
// makes of them to the judge: a line comes back as it was written, and every
// history of events has a judgement with a reason.
#include "base/text.hpp"
#include "campaign/wire.hpp"
#include "fuzz.hpp"
#include "verdict/verdict.hpp"

#include <sstream>

namespace {

using namespace dmarace;
using fuzz::require;

// What to_text() writes reads back as the same line, unless a value held what a
// line cannot hold.
void check_round_trip(const Line& line) {
    const auto again = parse_line(to_text(line));
    require(again && *again == line);
}

void check_wire(const Line& line) {
    const auto step = campaign::wire::to_step(line);
    require(campaign::wire::to_step(campaign::wire::to_line(step)).text == step.text);
    (void)campaign::wire::to_group(line);
}

void take(const Line& line, verdict::Observed& observed) {
    if (const auto audit = verdict::to_audit(line)) {
        require(to_text(verdict::to_line(*audit)).starts_with("audit"));
        if (audit->at == "demand")
            observed.settled.push_back(*audit);
    }
    if (line.verb == "done")
        observed.steps.push_back(campaign::wire::to_step(line));
    else if (line.verb == "group")
        observed.groups.push_back(campaign::wire::to_group(line));
    else
        observed.events.push_back(line);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    verdict::Observed observed;
    std::istringstream text(fuzz::text_of(data, size));
    for (std::string one; std::getline(text, one);) {
        const auto line = parse_line(one);
        if (!line) {
            require(!line.error().message.empty());
            continue;
        }
        check_round_trip(*line);
        check_wire(*line);
        take(*line, observed);
    }
    const auto judgement = verdict::judge({}, {}, {}, observed);
    require(judgement.verdict == verdict::Verdict::pass || !judgement.reason.empty());
    return 0;
}
