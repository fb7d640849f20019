// SPDX-License-Identifier: GPL-2.0-or-later
// What a board file says of a board that stands on a desk: the commands by which it is
// reached. Pure.
#pragma once

#include "base/error.hpp"

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace {
class BriefTable;
}

namespace dmarace::vm {

using Words = std::vector<std::string>; // of a command; no shell reads them

struct Hardware {
    Words console;                      // whose stdin and stdout are the console
    Words power_on, power_off;          // or, in one,
    Words power_cycle;                  // ..
    Words ssh;                          // options of ssh and whom to ask; none: the console
    Words deploy;                       // {kernel}, {modules} ..: deploy_words()
    Words deploy_modules;               // that {modules} has; none: all
    bool deploy_alive = false;          // it talks to the board
    std::string login, password;        // who logs in on the console
    std::string prompt;                 // how a line of the shell there begins; "": any
    std::string dmarace;                // where the board has it; "" brings it there
    std::string module;                 // a dmarace.ko, here; "": of the kernel, or the board
    std::string place = "/tmp/dmarace"; // a directory of ours, there
    std::vector<std::string> boots_with{"U-Boot SPL",     "U-Boot 20",
                                        "NOTICE:  BL",    "Booting Linux on physical CPU",
                                        "Linux version ", "EFI stub: Booting Linux"};
    std::chrono::seconds boot_timeout{300};    // from power to shell
    std::chrono::seconds silence{60};          // it hangs
    std::chrono::seconds command_timeout{600}; // power, deploy
};

// As a POSIX shell splits them, quotes and backslashes too, and nothing else of it: no
// variables, no patterns. Fault::usage for a quote without an end.
Result<Words> split_words(std::string_view text);

// The table [hardware].
Hardware read_hardware(BriefTable& table);

// {NAME} replaced in each word. Fault::usage names a word between braces that is none.
Result<Words> deploy_words(const Words& words, const std::map<std::string, std::string>& known);

} // namespace dmarace::vm
