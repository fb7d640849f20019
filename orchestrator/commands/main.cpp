// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/process.hpp"
#include "commands/commands.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <iostream>

int main(int argc, char** argv) {
    // A loader that was called by name leaves its own one.
    ::prctl(PR_SET_NAME, "dmarace");
    dmarace::keep_standard_descriptors();
    const dmarace::commands::Words words(argv + 1, argv + argc);
    if (words.empty()) {
        std::cerr << dmarace::commands::main_help();
        return dmarace::kExitUsage;
    }
    const dmarace::commands::Words rest(words.begin() + 1, words.end());
    if (words[0] == "--help" || words[0] == "-h")
        return dmarace::commands::print(dmarace::commands::main_help());
    if (words[0] == "help")
        return dmarace::commands::run_help(rest);
    // For shells: what may stand in place of the last word.
    if (words[0] == "complete")
        return dmarace::commands::run_complete(rest);
    if (words[0] == "--version")
        return dmarace::commands::run_version();
    const auto table = dmarace::commands::table();
    const auto command = std::ranges::find(table, words[0], &dmarace::commands::CommandRow::name);
    return command == table.end() ? dmarace::commands::unknown_command(words[0])
                                  : command->run(rest);
}
