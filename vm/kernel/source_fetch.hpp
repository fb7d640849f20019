// SPDX-License-Identifier: GPL-2.0-or-later
// This file keeps Debian's kernel sources in the cache.
#pragma once

#include "vm/cache/cache.hpp"
#include "vm/kernel/suites.hpp"

namespace dmarace::vm {

// The newest of them; Fault::environment, naming the series, when there is none. Pure.
Result<Package> choose_source(const std::string& series, const std::vector<Package>& packages);

// The unpacked source of a series (6.12, or 7 for the newest 7.x): the one it
// was resolved to before, else the newest that the suites have.
Result<std::filesystem::path> fetch_source(const Cache& cache, const std::filesystem::path& suites,
                                           const std::string& series);

// The series in debian:SERIES, checked; nothing when the name is no such word.
Result<std::optional<std::string>> series_of(const std::string& name);

// The source that the user names: debian:SERIES, fetched, or a directory.
Result<std::filesystem::path> find_source(const Cache& cache, const std::filesystem::path& suites,
                                          const std::string& name);

} // namespace dmarace::vm
