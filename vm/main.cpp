// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/help.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "vm/board/board.hpp"
#include "vm/commands/commands.hpp"
#include "vm/kernels/say.hpp"

#include <algorithm>

namespace {

namespace vm = dmarace::vm;

std::string main_help() {
    auto out = fmt::format(
        "{0} runs dmarace on a board, virtual or on a desk: it brings kernel, module and\n"
        "programs there, boots it, again when it dies, and hands back the command's\n"
        "output, files and exit code. dmarace-vm and dmarace-board are one program.\n\n",
        vm::program_name());
    for (const vm::Subcommand* command : vm::subcommands())
        out += fmt::format("  {} {:<8} {:<23} {}\n", vm::program_name(), command->name,
                           command->synopsis, command->summary);
    return out + fmt::format(
                     "\nTry:  {0} run --board virtio-iommu --kernel debian:6.12 -- "
                     "run instance-lookup --iterations 20\n"
                     "      {0} run --board desk.toml -- audit   (docs/boards.md: your own board)\n"
                     "Each subcommand explains itself with --help.\n",
                     vm::program_name());
}

std::vector<std::string> names_of_commands() {
    std::vector<std::string> names;
    for (const vm::Subcommand* command : vm::subcommands())
        names.emplace_back(command->name);
    return names;
}

// One page for all, in the name that people call it by.
std::string man_page() {
    std::string help = main_help();
    for (const vm::Subcommand* command : vm::subcommands())
        help += "\n" + vm::help_text(*command);
    return to_text(dmarace::ManPage{vm::program_name(), 1, "run dmarace on a board", help,
                                    "dmarace(8), dmarace-run(8)"});
}

// For shells: what may stand in place of the last word.
int complete(const vm::Arguments& given) {
    if (const auto behind = std::ranges::find(given, "--");
        behind != given.end() && behind + 1 != given.end()) {
        std::vector<std::string> words{"dmarace", "complete"};
        words.insert(words.end(), behind + 1, given.end());
        const auto said = dmarace::run_to_end({.argv = words});
        fmt::print("{}", said ? said->output : "");
        return 0;
    }
    if (given.size() < 2) {
        fmt::print("{}", dmarace::completions(given, "", names_of_commands()));
        return 0;
    }
    const auto* command = vm::find_subcommand(given[0]);
    if (command == nullptr)
        return 0;
    const auto help = vm::help_text(*command);
    const auto options = dmarace::options_in(help);
    const auto option =
        std::ranges::find(options, given[given.size() - 2], &dmarace::HelpOption::name);
    if (option == options.end() || !option->takes_value)
        fmt::print("{}", dmarace::completions(given, help, {}));
    else if (const auto places = vm::find_places(""); places && option->name == "--board")
        fmt::print("{}", dmarace::completions(given, "", vm::board_names(places->boards())));
    return 0;
}

int usage_error(const std::string& word) {
    vm::say("unknown subcommand '{}'{}", word, dmarace::hint(word, names_of_commands()));
    return dmarace::kExitUsage;
}

} // namespace

int main(int argc, char** argv) {
    dmarace::keep_standard_descriptors();
    const vm::Arguments words(argv + 1, argv + argc);
    vm::program_name(argv[0]);
    if (words.empty() || words[0] == "--help" || words[0] == "-h" ||
        (words[0] == "help" && words.size() == 1)) {
        fmt::print("{}", main_help());
        return words.empty() ? dmarace::kExitUsage : 0;
    }
    if (words[0] == "help" && words[1] == "--man") {
        fmt::print("{}", man_page());
        return 0;
    }
    if (words[0] == "help") {
        const vm::Subcommand* command = vm::find_subcommand(words[1]);
        return command != nullptr ? vm::run_subcommand(*command, {"--help"})
                                  : usage_error(words[1]);
    }
    if (words[0] == "complete")
        return complete({words.begin() + 1, words.end()});
    if (words[0] == "--version") {
        fmt::print("{} {}\n", vm::program_name(), DMARACE_VERSION);
        return 0;
    }
    if (const vm::Subcommand* command = vm::find_subcommand(words[0]))
        return vm::run_subcommand(*command, {words.begin() + 1, words.end()});
    return usage_error(words[0]);
}
