// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "vm/commands/commands.hpp"
#include "vm/kernels/say.hpp"

namespace {

namespace vm = dmarace::vm;

void print_help() {
    fmt::print("dmarace-vm runs dmarace on virtual boards: it fetches the kernel, builds the\n"
               "module for it, boots QEMU, and hands back the command's output, files and exit "
               "code.\n\n");
    for (const vm::Subcommand* command : vm::subcommands())
        fmt::print("  dmarace-vm {:<8} {:<23} {}\n", command->name, command->synopsis,
                   command->summary);
    fmt::print("\nTry:  dmarace-vm run --board virtio-iommu --kernel debian:6.12 -- "
               "run instance-lookup --iterations 20\n"
               "Each subcommand explains itself with --help.\n");
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
    const vm::Arguments words(argv + 1, argv + argc);
    if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
        print_help();
        return words.empty() ? dmarace::kExitUsage : 0;
    }
    if (words[0] == "--version") {
        fmt::print("dmarace-vm {}\n", DMARACE_VERSION);
        return 0;
    }
    if (const vm::Subcommand* command = vm::find_subcommand(words[0]))
        return vm::run_subcommand(*command, {words.begin() + 1, words.end()});
    return usage_error(words[0]);
}
