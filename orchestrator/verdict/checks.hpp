// SPDX-License-Identifier: GPL-2.0-or-later
// This file lists the checks. One row is one family of rules; docs/verdicts.md
// tells what each kind means.
#pragma once

#include "verdict/facts.hpp"
#include "verdict/findings.hpp"

#include <span>

namespace dmarace::verdict {

struct Check {
    void (*run)(const Facts&, Findings&);
    bool standing; // also holds for a state that was found, as a baseline is
};

std::span<const Check> checks();

void check_underfoot(const Facts& facts, Findings& findings);
void check_direct(const Facts& facts, Findings& findings);
void check_no_group(const Facts& facts, Findings& findings);
void check_not_owned(const Facts& facts, Findings& findings);
void check_type_mismatch(const Facts& facts, Findings& findings);
void check_map(const Facts& facts, Findings& findings);
void check_fwspec(const Facts& facts, Findings& findings);
void check_log(const Facts& facts, Findings& findings);
void check_taint(const Facts& facts, Findings& findings);
void check_io(const Facts& facts, Findings& findings);
void check_types(const Facts& facts, Findings& findings);
void check_machine(const Facts& facts, Findings& findings);
void check_expect(const Facts& facts, Findings& findings);
void check_baseline(const Facts& facts, Findings& findings);
void check_leak(const Facts& facts, Findings& findings);

} // namespace dmarace::verdict
