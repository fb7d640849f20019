// SPDX-License-Identifier: GPL-2.0-or-later
// This file is the table of kernel log lines that mean something.
#pragma once

#include <string_view>

namespace dmarace::verdict {

struct LogPattern {
    std::string_view kind; // a failure kind; "note"; "" for a line to overlook
    std::string_view text; // as a word of its own
    std::string_view also; // somewhere in the line, "" for nothing more
    bool at_start;         // the line begins with text
};

// The first row that matches, or null.
const LogPattern* match_log(std::string_view line);

} // namespace dmarace::verdict
