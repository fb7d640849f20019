// SPDX-License-Identifier: GPL-2.0-or-later
// Makes runs for the tests of report/.
#pragma once

#include "report/report.hpp"

#include <string>
#include <vector>

namespace dmarace::report::testing {

using namespace run;

using verdict::Verdict;

// A run of late-probe on kernel 7 that ended, one iteration for each verdict;
// a bad one has a domain-underfoot of pci/0000:00:02.0.
Run run_of(const std::vector<Verdict>& verdicts);
verdict::Failure failure();
types::TypeCell type_write(const std::string& before, const std::string& asked,
                           const std::string& result, const std::string& after);
// Its journal, every record with its '\n'.
std::string journal_of(const Run& run);

} // namespace dmarace::report::testing
