// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/board.hpp"

#include <fmt/format.h>

namespace dmarace::vm {

Status check_board(const Kernel& kernel, const Board& board) {
    if (kernel.architecture != board.architecture)
        return fail(Fault::usage, fmt::format("board {} is {}, and kernel {} ({}) is for {}",
                                              board.name, board.architecture->name, kernel.name,
                                              kernel.release, kernel.architecture->name));
    for (const Need& need : board.needs)
        if (!has_driver(kernel, need))
            return fail(Fault::untestable,
                        fmt::format("board {} cannot run kernel {} ({}): it needs {}, which that "
                                    "kernel does not have{}",
                                    board.name, kernel.name, kernel.release,
                                    need.option + (need.as_module ? "=m" : ""),
                                    need.as_module ? " (dmarace-vm kernel build makes one)" : ""));
    for (const Need& need :
         {Need{"CONFIG_9P_FS", "9p"}, Need{"CONFIG_NET_9P_VIRTIO", "9pnet_virtio"},
          Need{std::string(board.architecture->wire_option),
               std::string(board.architecture->wire_module)}})
        if (!has_driver(kernel, need))
            return fail(Fault::environment,
                        fmt::format("kernel {} ({}) cannot share a directory with the host: build "
                                    "it with CONFIG_9P_FS, CONFIG_NET_9P_VIRTIO and {} ({} is "
                                    "missing)",
                                    kernel.name, kernel.release, board.architecture->wire_option,
                                    need.option));
    return {};
}

} // namespace dmarace::vm
