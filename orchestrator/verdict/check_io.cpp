// SPDX-License-Identifier: GPL-2.0-or-later
// wrong-data: checked I/O that read other bytes than it wrote, or failed.
#include "job/steps.hpp"
#include "verdict/checks.hpp"

#include <cerrno>

namespace dmarace::verdict {

void check_io(const Facts& facts, Findings& findings) {
    for (const auto& step : facts.observed.steps) {
        if (step.os_error != EILSEQ && step.os_error != EIO)
            continue;
        const auto written = job::parse_step(step.text, {});
        if (!written || !job::does(*written, catalogue::effect::checks_data))
            continue;
        const auto text = "'" + step.text + "' of " + step.actor + ": " + step.detail;
        findings.add({.kind = FailureKind::wrong_data,
                      .device = step.device,
                      .driver = facts.driver_of(step.device),
                      .detail = text,
                      .evidence = {text}});
    }
}

} // namespace dmarace::verdict
