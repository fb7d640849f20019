// SPDX-License-Identifier: GPL-2.0-or-later
// This file builds, boots and tries the kernel that a git tree has checked out.
#pragma once

#include "vm/bisect/judge.hpp"
#include "vm/board/board.hpp"
#include "vm/commands/bisect_options.hpp"
#include "vm/commands/places.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/source.hpp"

namespace dmarace::vm {

class Bench {
public:
    static Result<Bench> open(const BisectOptions& options);

    // The build directory; Fault::untestable when the tree, or the module for it,
    // does not build, or when the kernel lacks what the board needs.
    Result<std::filesystem::path> build(const std::filesystem::path& tree) const;

    // Trials of a built kernel. Results go to DIR/1, DIR/2 and so on.
    Trials trials(const std::filesystem::path& kernel, const std::filesystem::path& out) const;

private:
    Bench(BisectOptions options, Places places, Cache cache, KernelOptions kernel, Board board)
        : options_(std::move(options)), places_(std::move(places)), cache_(std::move(cache)),
          kernel_(std::move(kernel)), board_(std::move(board)) {}
    Result<Tally> run(const std::filesystem::path& kernel, const std::filesystem::path& out,
                      unsigned trials) const;

    BisectOptions options_;
    Places places_;
    Cache cache_;
    KernelOptions kernel_;
    Board board_;
};

} // namespace dmarace::vm
