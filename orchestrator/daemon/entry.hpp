// SPDX-License-Identifier: GPL-2.0-or-later
// This file is one entry of the queue: a file that names a job and the options
// of its run, or that is a job itself. Pure.
#pragma once

#include "base/error.hpp"

#include <string>
#include <vector>

namespace dmarace::daemon {

struct Entry {
    std::string job; // a name of the library, or a path; "" when the file is the job itself
    std::vector<std::string> args;
    // Of one that an event has started: the entry in trigger/, and the event.
    std::string trigger{}, event{};
};

// Reads an entry:   job = "late-probe"   args = ["--iterations", "20"]
// A file without 'job' is taken for a job, which dmarace itself will check. An
// option that the daemon gives itself (--out, --resume ..) is Fault::usage.
Result<Entry> parse_entry(const std::string& text, const std::string& file);
std::string to_text(const Entry& entry);

// A file's name for an entry: it sorts by time, and holds no odd letter.
// 'stamp' is nanoseconds since 1970.
std::string entry_name(std::uint64_t stamp, const std::string& job);
// Ends in .toml and holds only letters, digits, '.', '-', '_' and '+'.
bool is_entry_name(const std::string& name);

} // namespace dmarace::daemon
