// SPDX-License-Identifier: GPL-2.0-or-later
// This file builds kernels from source, each tree and configuration in a
// directory of the cache of its own, which make brings up to date.
#pragma once

#include "vm/cache/cache.hpp"
#include "vm/kernel/kernel.hpp"
#include "vm/kernel/source_tree.hpp"

namespace dmarace::vm {

struct KernelOptions {
    std::vector<std::string> variants; // for the name alone
    std::string fragment;              // merged: what allnoconfig is to leave on
    unsigned jobs = 0;                 // of make; 0: one for each processor
};

// The build directory of a tree with these options: its name is the tree's, the
// variants', and a key of path, options and compiler. Pure.
std::string build_name(const SourceTree& tree, const KernelOptions& options,
                       const std::string& compiler);

// Builds Image and modules; a second call builds what changed in the source. The
// directory is what open_kernel() takes. Fault::untestable when the source does
// not build; Fault::environment when it is this host's fault; os_error EINTR
// after ctrl-c, with all that was compiled kept.
Result<std::filesystem::path> build_kernel(const Cache& cache, const SourceTree& tree,
                                           const KernelOptions& options);

} // namespace dmarace::vm
