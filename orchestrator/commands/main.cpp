// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/process.hpp"
#include "base/text.hpp"
#include "commands/commands.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <iostream>
#include <sstream>
#include <string>

namespace {

using namespace dmarace;

std::string help() {
    std::ostringstream out;
    out << "dmarace makes the races of Linux IOMMU probing happen on purpose on this machine, and\n"
           "says whether each device's DMA still goes where it must.\n\n"
           "usage: dmarace COMMAND [OPTION..] [WORD..]\n\n";
    for (const auto& command : commands::table()) {
        std::string name(command.name);
        name.resize(9, ' ');
        out << "  " << name << command.summary << "\n";
    }
    out << "\nStart with 'dmarace check'. 'dmarace COMMAND --help' tells more, 'dmarace run JOB "
           "--help'\nshows a job's own parameters.\n"
           "Exit: 0 pass, 1 fail, crash or hang, 2 usage or bad job, 3 environment, 4 skipped,\n"
           "5 inconclusive, 124 timeout, 130 interrupted.\n";
    return out.str();
}

} // namespace

int main(int argc, char** argv) {
    // A loader that was called by name leaves its own one.
    ::prctl(PR_SET_NAME, "dmarace");
    keep_standard_descriptors();
    const commands::Words words(argv + 1, argv + argc);
    if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
        if (!words.empty())
            return commands::print(help());
        std::cerr << help();
        return dmarace::kExitUsage;
    }
    if (words[0] == "--version")
        return commands::print("dmarace " DMARACE_VERSION "\n");
    const auto table = commands::table();
    const auto command = std::ranges::find(table, words[0], &commands::CommandRow::name);
    if (command != table.end())
        return command->run({words.begin() + 1, words.end()});
    const auto names = dmarace::texts_of(table, &commands::CommandRow::name);
    std::cerr << "dmarace: no command '" << words[0] << "'" << did_you_mean(words[0], names)
              << " (dmarace --help)\n";
    return dmarace::kExitUsage;
}
