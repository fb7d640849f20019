// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "vm/kernels/cache.hpp"
#include "vm/kernels/kernel.hpp"

namespace dmarace::vm {

// The dmarace modules for a kernel (dmarace.ko first), built once for each kernel and
// each state of their source. source holds Kbuild and kmod/. A
// kernel that comes with a dmarace.ko and has nothing to build against uses
// that one.
Result<std::vector<std::filesystem::path>> build_modules(const Cache& cache, const Kernel& kernel,
                                                         const std::filesystem::path& source);

// "14" in CONFIG_GCC_VERSION=140200; 0 when the kernel was not built by gcc. Pure.
unsigned gcc_major(std::string_view config);

} // namespace dmarace::vm
