// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/output.hpp"

#include "commands/table.hpp"

#include <iostream>

namespace dmarace::commands {

int report_error(std::string_view command, const Error& error) {
    std::cerr << "dmarace " << command << ": " << error.message << "\n";
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

bool print(std::string_view text) {
    std::cout << text;
    if (std::cout.flush())
        return true;
    std::cerr << "dmarace: cannot write to standard output\n";
    return false;
}

} // namespace dmarace::commands
