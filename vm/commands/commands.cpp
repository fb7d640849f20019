// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/commands/commands.hpp"

#include "vm/kernels/say.hpp"

#include <iostream>

namespace dmarace::vm {
namespace {

constexpr Subcommand kSubcommands[] = {
    {"run", "[options] -- ARGS...", "run a dmarace command on a virtual board", run_command},
    {"boards", "", "the boards there are, and what each has", boards_command},
    {"kernels", "[--update] [SERIES...]", "Debian kernels: what is cached, what is newest",
     kernels_command},
    {"matrix", "[--kernel K] [--board B] [--part P]",
     "run parts of the suite on many kernels and boards; one table", matrix_command},
    {"kernel", "build|source TREE", "build a small kernel from source, or fetch the source",
     kernel_command},
    {"bisect", "--job J --board B", "judge the kernel that is checked out, for git bisect run",
     bisect_command},
    {"build", "--kernel K", "build the module for a kernel and print where it is", build_command},
    {"root", "--kernel K [--board B]", "make the root file system of a board with a disk",
     root_command},
};

} // namespace

std::span<const Subcommand> subcommands() {
    return kSubcommands;
}

int exit_code(const Error& error) {
    if (error.os_error == EINTR) // the user's ctrl-c
        return kExitInterrupted;
    switch (error.fault) {
    case Fault::usage:
        return kExitUsage;
    case Fault::untestable:
        return kExitUntestable;
    case Fault::environment:
        break;
    }
    return kExitEnvironment;
}

po::options_description common_options() {
    po::options_description options("Options of every subcommand");
    options.add_options()("help,h", "show this help")(
        "cache", po::value<std::string>()->default_value("")->value_name("DIR"),
        "where kernels and builds are kept [$DMARACE_CACHE; for root /var/cache/dmarace, else "
        "~/.cache/dmarace]")(
        "source", po::value<std::string>()->default_value("")->value_name("DIR"),
        "the dmarace project directory (module source, jobs, boards) [the one this program was "
        "built from]");
    return options;
}

Result<std::optional<po::variables_map>> parse_options(const Arguments& arguments,
                                                       const po::options_description& options,
                                                       bool takes_words, const std::string& help) {
    auto parsed = parse_words(
        arguments, options,
        {.before = "unknown option '",
         .after = "'",
         .nearest = hint,
         .no_words = takes_words ? "" : "too many words; a dmarace command goes after \"--\""});
    if (!parsed)
        return std::unexpected(parsed.error());
    if (!parsed->has("help"))
        return std::move(parsed->values);
    std::cout << help << "\n" << options << std::flush;
    return std::nullopt;
}

} // namespace dmarace::vm
