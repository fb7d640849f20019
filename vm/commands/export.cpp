// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/commands/commands.hpp"

namespace dmarace::vm {
namespace {

constexpr const char* kHelp =
    "dmarace-vm export --out DIR [--board B] [--kernel K] [-- ARGS...]: writes what a run of\n"
    "`dmarace ARGS...` on that board would boot, for who boots boards himself: a farm, or you.\n\n"
    "DIR/kernel, DIR/initramfs: its kernel; modules of board and dmarace, dmarace, its jobs\n"
    "DIR/qemu: the QEMU command that boots them, a word a line, the console on its stdio\n"
    "DIR/share: what that guest sees as /run/out\n\n"
    "  dmarace-vm export --out here --board virtio-iommu --kernel debian:7 -- audit\n"
    "  mapfile -t words < here/qemu && \"${words[@]}\"\n\n"
    "The guest runs the command and powers off; without one it audits. docs/farms.md puts a shell\n"
    "into such an initramfs.\n";

po::options_description export_options() {
    po::options_description options("Options of export");
    const auto text = [](const char* fallback, const char* name) {
        return po::value<std::string>()->default_value(fallback)->value_name(name);
    };
    options.add_options()("out", text("", "DIR"), "where it is written")(
        "board", text("smmuv3", "B"), "a board's name or file")(
        "kernel", text("", "K"), "as run takes it [debian:6.12]")("append", text("", "\"WORDS\""),
                                                                  "more kernel arguments")(
        "program", text("", "FILE"),
        "a program to run as dmarace: a file, or one below build/ARCH [its dmarace]")(
        "also", po::value<std::vector<std::string>>()->value_name("FILE"),
        "a program to put beside it, in /usr/bin; repeatable");
    options.add(common_options());
    return options;
}

Result<int> export_command(const CommandLine& line) {
    BoardRunOptions options{.board = line.text("board"),
                            .kernel = line.text("kernel"),
                            .out = line.text("out"),
                            .cache = line.text("cache"),
                            .source = line.text("source"),
                            .program = line.text("program"),
                            .append = line.text("append"),
                            .also = line.texts("also"),
                            .command = line.behind};
    if (options.out.empty())
        return fail(Fault::usage, "say with --out DIR where it is to be written");
    if (options.command.empty())
        options.command = {"audit"};
    TRY(check_command(options.command));
    TRY(export_board(options));
    return 0;
}

} // namespace

const Subcommand kExport{.name = "export",
                         .synopsis = "--out DIR [options] [-- ARGS...]",
                         .summary = "write what a run would boot, for a farm to boot it",
                         .help = kHelp,
                         .options = export_options,
                         .takes = Subcommand::Takes::command,
                         .run = export_command};

} // namespace dmarace::vm
