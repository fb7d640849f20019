// SPDX-License-Identifier: GPL-2.0-or-later
// This file is the build root: a small Debian trixie in the cache that kernel
// modules are built in, so that this host's compiler and C library need not
// match those of the kernel. Making it and building in it take root.
#pragma once

#include "vm/board/architecture.hpp"
#include "vm/cache/cache.hpp"
#include "vm/process/process.hpp"

namespace dmarace::vm {

class Toolchain {
public:
    // Makes the build root for kernels of that architecture unless it is in the
    // cache.
    static Result<Toolchain> open(const Cache& cache, const Architecture& target);

    const std::filesystem::path& root() const { return root_; }
    // A jail that shows host directories inside. The mount points are made.
    Result<Jail>
    jail(std::vector<std::pair<std::filesystem::path, std::filesystem::path>> binds) const;

private:
    explicit Toolchain(std::filesystem::path root) : root_(std::move(root)) {}
    std::filesystem::path root_;
};

} // namespace dmarace::vm
