// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/commands/commands.hpp"

namespace dmarace::vm {
namespace {

constexpr Subcommand kSubcommands[] = {
    {"run", "[options] -- ARGS...", "run a dmarace command on a virtual board", run_command},
    {"boards", "", "the boards there are, and what each has", boards_command},
    {"kernels", "[--update] [SERIES...]", "Debian kernels: what is cached, what is newest",
     kernels_command},
    {"build", "--kernel K", "build the module for a kernel and print where it is", build_command},
    {"root", "--kernel K [--board B]", "make the root file system of a board with a disk",
     root_command},
};

} // namespace

std::span<const Subcommand> subcommands() {
    return kSubcommands;
}

int exit_code(const Error& error) {
    switch (error.fault) {
    case Fault::usage:
        return 2;
    case Fault::untestable:
        return 4;
    case Fault::environment:
        break;
    }
    return 3;
}

} // namespace dmarace::vm
