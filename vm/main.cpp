// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/process.hpp"
#include "base/text.hpp"
#include "vm/commands/commands.hpp"
#include "vm/kernels/say.hpp"

namespace {

namespace vm = dmarace::vm;

void print_help() {
    fmt::print("{0} runs dmarace on a board, virtual or on a desk: it brings kernel, module and\n"
               "programs there, boots it, again when it dies, and hands back the command's\n"
               "output, files and exit code. dmarace-vm and dmarace-board are one program.\n\n",
               vm::program_name());
    for (const vm::Subcommand* command : vm::subcommands())
        fmt::print("  {} {:<8} {:<23} {}\n", vm::program_name(), command->name, command->synopsis,
                   command->summary);
    fmt::print("\nTry:  {0} run --board virtio-iommu --kernel debian:6.12 -- "
               "run instance-lookup --iterations 20\n"
               "      {0} run --board desk.toml -- audit   (docs/boards.md: your own board)\n"
               "Each subcommand explains itself with --help.\n",
               vm::program_name());
}

int usage_error(const std::string& word) {
    std::vector<std::string> names;
    for (const vm::Subcommand* command : vm::subcommands())
        names.emplace_back(command->name);
    vm::say("unknown subcommand '{}'{}", word, dmarace::hint(word, names));
    return dmarace::kExitUsage;
}

} // namespace

int main(int argc, char** argv) {
    dmarace::keep_standard_descriptors();
    const vm::Arguments words(argv + 1, argv + argc);
    vm::program_name(argv[0]);
    if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
        print_help();
        return words.empty() ? dmarace::kExitUsage : 0;
    }
    if (words[0] == "--version") {
        fmt::print("{} {}\n", vm::program_name(), DMARACE_VERSION);
        return 0;
    }
    if (const vm::Subcommand* command = vm::find_subcommand(words[0]))
        return vm::run_subcommand(*command, {words.begin() + 1, words.end()});
    return usage_error(words[0]);
}
