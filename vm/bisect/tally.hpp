// SPDX-License-Identifier: GPL-2.0-or-later
// This file counts what the trials of one kernel showed. Pure.
#pragma once

#include "base/error.hpp"

#include <optional>
#include <set>
#include <string>

namespace dmarace::vm {

struct Tally {
    unsigned passes = 0, failures = 0; // failures: fail, crash and hang
    unsigned inconclusive = 0;
    std::set<std::string> kinds{}; // of the failures: dma-direct, kernel-oops ..
    // Why this kernel cannot be judged at all: it does not boot, or has nothing
    // that the job could test.
    std::optional<std::string> untestable{};
    std::string note{}; // what failed, or why trials said nothing; one line
};

// From a run's result.json and vm.json ("" for a file that is not there), and
// the exit code of dmarace-vm run. An error is the harness's: os_error EINTR
// after ctrl-c.
Result<Tally> read_tally(const std::string& result_json, const std::string& vm_json, int exit);

} // namespace dmarace::vm
