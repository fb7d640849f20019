// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/commands/commands.hpp"

#include "vm/kernels/say.hpp"

#include <iostream>

namespace dmarace::vm {
namespace po = boost::program_options;
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
                                                       const char* positional,
                                                       const std::string& help) {
    po::options_description all;
    all.add(options);
    po::positional_options_description names;
    if (positional) {
        all.add_options()(positional, po::value<std::vector<std::string>>());
        names.add(positional, -1);
    }
    po::variables_map values;
    try {
        namespace style = po::command_line_style;
        // No guessing: --kern is not --kernel, so new options break no script.
        const int exact = style::unix_style & ~style::allow_guessing;
        po::store(
            po::command_line_parser(arguments).options(all).positional(names).style(exact).run(),
            values);
        po::notify(values);
    } catch (const po::unknown_option& error) {
        std::vector<std::string> known;
        for (const auto& option : options.options())
            known.push_back("--" + option->long_name());
        return fail(Fault::usage, fmt::format("unknown option '{}'{}", error.get_option_name(),
                                              hint(error.get_option_name(), known)));
    } catch (const po::too_many_positional_options_error&) {
        return fail(Fault::usage, "too many words; a dmarace command goes after \"--\"");
    } catch (const po::error& error) {
        return fail(Fault::usage, error.what());
    }
    if (!values.contains("help"))
        return values;
    std::cout << help << "\n" << options << std::flush;
    return std::nullopt;
}

} // namespace dmarace::vm
