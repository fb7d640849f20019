// SPDX-License-Identifier: GPL-2.0-or-later
// What is made of the text that a program says to --help: man pages, and words for shells to
// complete. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dmarace {

struct ManPage {
    std::string name; // "dmarace-run"
    int section = 8;
    std::string summary; // of a line
    std::string help;
    std::string see; // "dmarace(8), dmarace-vm(1)"
};
// In man(7), the help as it is.
std::string to_text(const ManPage& page);

struct HelpOption {
    std::string name; // "--iterations"
    bool takes_value = false;
};
// Those that a help lists.
std::vector<HelpOption> options_in(const std::string& help);

// What may stand in place of the last word, a line each: options when
// it begins with "-", else words.
std::string completions(const std::vector<std::string>& given, const std::string& help,
                        const std::vector<std::string>& words);

} // namespace dmarace
