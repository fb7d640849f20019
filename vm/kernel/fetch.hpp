// SPDX-License-Identifier: GPL-2.0-or-later
// This file keeps Debian's kernels in the cache.
#pragma once

#include "vm/kernel/kernel.hpp"
#include "vm/kernel/series.hpp"

namespace dmarace::vm {

// What a series was last resolved to, by the cache alone; nothing when it
// never was.
std::optional<Choice> cached_choice(const Cache& cache, const std::string& series,
                                    const std::string& arch);
bool is_fetched(const Cache& cache, const Choice& choice);

// Asks the suites for the newest kernel of the series and remembers it.
Result<Choice> resolve(const Cache& cache, const std::filesystem::path& suites,
                       const std::string& series, const std::string& arch);

// The kernel of the series: what it was resolved to before, else the newest;
// fetched and unpacked unless it is there.
Result<Kernel> fetch_kernel(const Cache& cache, const std::filesystem::path& suites,
                            const std::string& series, const std::string& arch);

// A series as a user writes it: "6.12", or "6.12/amd64". Pure.
struct Wanted {
    std::string series;
    const Architecture* architecture;
};
Result<Wanted> read_series(const std::string& text, const Architecture& otherwise);

// What kernels are found and built by: vm/suites and vm/configs.
struct KernelFiles {
    std::filesystem::path suites, configs;
};

// debian:SERIES[/ARCH], a kernel's source (built with the base options), or what
// open_kernel() takes.
Result<Kernel> find_kernel(const Cache& cache, const KernelFiles& files, const std::string& name,
                           const Architecture& otherwise);

} // namespace dmarace::vm
