// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/duration.hpp"
#include "vm/commands/commands.hpp"

namespace dmarace::vm {
namespace {

constexpr const char* kHelp =
    "dmarace-vm run [options] -- ARGS...: run `dmarace ARGS...` on a board.\n\n"
    "  dmarace-vm run -- audit\n"
    "  dmarace-vm run --board desk.toml -- audit      (hardware: docs/boards.md)\n"
    "  dmarace-vm run --board virtio-iommu --kernel debian:7 --out late -- run late-probe\n\n"
    "The exit code is the command's. DIR gets the run's files while it runs (journal.jsonl,\n"
    "result.json, ...), console.log (the guest's console) and vm.json (kernel, boots and how\n"
    "each ended). A guest that panics or hangs in an iteration costs that iteration: it is\n"
    "recorded, and a fresh guest goes on. So it does after an oops, and for every iteration of a\n"
    "job with risk = \"reboot\"; --fresh does it for all jobs. A fresh guest is the one that was\n"
    "kept once the board was up, restored; where that cannot be (an nvme) the board boots. 3: the\n"
    "guest died outside an iteration; 4: the kernel lacks what the board needs; 124: --timeout; "
    "130: interrupted.\n"
    "Ctrl-C is passed on to the command; the second one ends the guest.\n";

po::options_description run_options() {
    po::options_description options("Options of run");
    const auto text = [](const char* fallback, const char* name) {
        return po::value<std::string>()->default_value(fallback)->value_name(name);
    };
    options.add_options()("board", text("smmuv3", "B"), "a board's name or file")(
        "kernel", text("", "K"),
        "debian:SERIES[/ARCH], a directory with an Image and modules, a build tree, or a source "
        "tree, which is built first (dmarace-vm kernel build) [debian:6.12; on hardware what runs "
        "there]")("out", text("", "DIR"),
                  "where the results go [a new directory in the temporary one]")(
        "timeout", text("", "T"), "stop after this long, all boots together (90s, 20m)")(
        "fresh", po::bool_switch(), "a fresh guest for every iteration")(
        "no-snapshot", po::bool_switch(),
        "boot for each fresh guest; do not restore the one that was kept after the first boot")(
        "boots", po::value<unsigned>()->default_value(0),
        "boot at most so often [as often as it takes]")("append", text("", "\"WORDS\""),
                                                        "more kernel arguments")(
        "program", text("", "FILE"),
        "a program to run as dmarace: a file, or one below build/ARCH [its dmarace]")(
        "also", po::value<std::vector<std::string>>()->value_name("FILE"),
        "a program to put beside it, in /usr/bin; repeatable");
    add_accel(options);
    options.add(common_options());
    return options;
}

Result<int> run_command(const CommandLine& line) {
    TRY_AS(const auto options, read_run(line));
    return run_on_board(options);
}

} // namespace

const Subcommand kRun{.name = "run",
                      .synopsis = "[options] -- ARGS...",
                      .summary = "run a dmarace command on a board",
                      .help = kHelp,
                      .options = run_options,
                      .takes = Subcommand::Takes::command,
                      .run = run_command};

Result<BoardRunOptions> read_run(const CommandLine& line) {
    BoardRunOptions options{.board = line.text("board"),
                            .kernel = line.text("kernel"),
                            .out = line.text("out"),
                            .cache = line.text("cache"),
                            .source = line.text("source"),
                            .program = line.text("program"),
                            .append = line.text("append"),
                            .accel = line.text("accel"),
                            .also = line.texts("also"),
                            .fresh = line.flag("fresh"),
                            .no_snapshot = line.flag("no-snapshot"),
                            .boots = line.values["boots"].as<unsigned>(),
                            .command = line.behind};
    TRY(check_command(options.command));
    if (const std::string timeout = line.text("timeout"); !timeout.empty()) {
        const auto duration = parse_duration(timeout);
        if (!duration)
            return std::unexpected(Error(duration.error()).within("--timeout"));
        options.timeout = *duration;
    }
    return options;
}

} // namespace dmarace::vm
