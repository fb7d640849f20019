// SPDX-License-Identifier: GPL-2.0-or-later
// What there is to boot: boards, kernels, the module for one, root file systems.
#include "vm/board/qemu.hpp"
#include "vm/campaign/run.hpp"
#include "vm/commands/commands.hpp"
#include "vm/kernels/debian.hpp"
#include "vm/kernels/say.hpp"
#include "vm/kernels/source.hpp"

namespace dmarace::vm {
namespace {

constexpr const char* kBoardsHelp =
    "dmarace-vm boards: the virtual boards there are. A board is a file "
    "vm/boards/NAME.toml;\nmake your own and give its path to --board.\n";

std::string needs_of(const Board& board) {
    std::vector<std::string> options;
    for (const Need& need : board.needs)
        options.push_back(need.option + (need.as_module ? "=m" : ""));
    return fmt::format("{}", fmt::join(options, ", "));
}

Result<int> boards_command(const CommandLine& line) {
    TRY_AS(const auto places, find_places(line.text("source")));
    for (const std::string& name : board_names(places.boards())) {
        TRY_AS(const auto board, find_board(name, places.boards()));
        fmt::print("{:<21} {}\n", name, board.summary);
        if (const std::string needs = needs_of(board); !needs.empty())
            fmt::print("{:<21} needs {}\n", "", needs);
    }
    return 0;
}

constexpr const char* kKernelsHelp =
    "dmarace-vm kernels [--update] [SERIES...]: what debian:SERIES stands for. A series is\n"
    "resolved once and then kept, so that runs can be compared; --update asks the suites\n"
    "(vm/suites) for the newest kernel again. SERIES may name an architecture (6.12/amd64),\n"
    "else it is arm64. Without SERIES: 6.1, 6.12 and 7.\n";

po::options_description kernels_options() {
    po::options_description options = common_options();
    options.add_options()("update", po::bool_switch(), "ask the suites for newer kernels");
    return options;
}

Result<int> kernels_command(const CommandLine& line) {
    TRY_AS(const auto places, find_places(line.text("source")));
    TRY_AS(const auto cache, Cache::open(line.text("cache")));
    TRY_AS(const auto lock, cache.lock("kernels"));
    const Arguments all{"6.1", "6.12", "7"};
    for (const std::string& name : line.words.empty() ? all : line.words) {
        TRY_AS(const auto wanted, read_series(name, arm64()));
        const std::string arch(wanted.architecture->name);
        auto choice = cached_choice(cache, wanted.series, arch);
        if (line.flag("update") || !choice) {
            TRY_AS(auto newest, resolve(cache, places.suites(), wanted.series, arch));
            choice = newest;
        }
        fmt::print("debian:{:<11} {}-{}  {}  {}  {}\n", name, choice->abi, arch, choice->version,
                   choice->suite, is_fetched(cache, *choice) ? "cached" : "not fetched yet");
    }
    return 0;
}

constexpr const char* kKernelHelp =
    "dmarace-vm kernel build [options] TREE: build a small kernel that every board but the\n"
    "ACPI one boots in a second or two, and print the directory to give to --kernel.\n"
    "dmarace-vm kernel source debian:SERIES: fetch Debian's linux-source, print where it is.\n\n"
    "  tree=$(dmarace-vm kernel source debian:6.12)\n"
    "  dmarace-vm kernel build --variant kasan,lockdep $tree\n"
    "  dmarace-vm kernel build --variant gki $tree LLVM=-19\n"
    "  dmarace-vm run --board smmuv3-module --kernel $tree -- run instance-lookup\n\n"
    "TREE is a git tree, an unpacked source, or debian:SERIES; nothing is written to it. Options\n"
    "are those of vm/configs/base.config, where IOMMU drivers and clients are modules. Each tree\n"
    "and configuration has a build directory in the cache, where only what changed is built\n"
    "again. Exit codes: 0 built, 4 the source does not build, 3 this host cannot build it,\n"
    "130 interrupted.\n";

po::options_description kernel_options() {
    po::options_description options("Options of kernel build");
    options.add_options()("variant", po::value<std::vector<std::string>>()->value_name("V"),
                          "more options: kasan, lockdep, kmemleak, gki (vm/configs); several with "
                          "commas or repeated")(
        "config", po::value<std::vector<std::string>>()->value_name("FILE"),
        "a fragment of your own, CONFIG_X=y a line; it wins over the others; repeatable")(
        "arch", po::value<std::string>()->default_value("arm64")->value_name("A"),
        "arm64 or amd64")("jobs", po::value<unsigned>()->default_value(0)->value_name("N"),
                          "of make; 0: one for each processor");
    add_kernel_source(options);
    options.add(common_options());
    return options;
}

Result<std::filesystem::path> build(const Cache& cache, const Places& places,
                                    const CommandLine& line, const std::filesystem::path& source) {
    TRY_AS(const auto architecture, find_architecture(line.text("arch")));
    TRY_AS(const auto options,
           choose_options(places.configs(), {.variants = line.texts("variant"),
                                             .configs = line.texts("config"),
                                             .defconfig = line.text("defconfig"),
                                             .llvm = line.text("llvm"),
                                             .architecture = architecture,
                                             .jobs = line.values["jobs"].as<unsigned>()}));
    TRY_AS(const auto tree, open_source_tree(source, *architecture));
    return build_kernel(cache, tree, options);
}

Result<int> kernel_command(const CommandLine& line) {
    const Arguments& words = line.words;
    if (words.empty() || (words[0] != "build" && words[0] != "source"))
        return fail(Fault::usage, "say dmarace-vm kernel build TREE or kernel source debian:6.12");
    if (words.size() != 2)
        return fail(Fault::usage, fmt::format("kernel {} takes one source: a directory or "
                                              "debian:SERIES",
                                              words[0]));
    TRY_AS(const auto places, find_places(line.text("source")));
    TRY_AS(const auto cache, Cache::open(line.text("cache")));
    TRY_AS(auto made, find_source(cache, places.suites(), words[1]));
    if (words[0] == "build") {
        TRY_AS(made, build(cache, places, line, made));
    }
    fmt::print("{}\n", made.string());
    return 0;
}

constexpr const char* kBuildHelp =
    "dmarace-vm build --kernel K: fetch the kernel if need be, build the module for it and\n"
    "print the path of dmarace.ko. The same kernel and source are built once.\n";

po::options_description build_options() {
    po::options_description options = common_options();
    options.add_options()(
        "kernel", po::value<std::string>()->default_value("")->value_name("K"),
        "debian:SERIES[/ARCH], a directory with an Image and modules, a build tree, or a source");
    return options;
}

Result<int> build_command(const CommandLine& line) {
    if (line.text("kernel").empty())
        return fail(Fault::usage, "which kernel? say --kernel debian:6.12, DIR or TREE");
    TRY_AS(const auto places, find_places(line.text("source")));
    TRY_AS(const auto cache, Cache::open(line.text("cache")));
    TRY_AS(const auto kernel,
           find_kernel(cache, places.kernel_files(), line.text("kernel"), arm64()));
    TRY_AS(const auto modules, build_modules(cache, kernel, places.source));
    fmt::print("{}\n", modules.front().string());
    return 0;
}

constexpr const char* kRootHelp =
    "dmarace-vm root --kernel K: make the root file system of a board with a disk and print the\n"
    "path of its image: Debian with systemd and udev, and the board's modules of that kernel.\n"
    "It is made once, by debootstrap and a guest that configures the packages; that takes root\n"
    "rights, the network and some minutes. Each run works on a copy.\n";

po::options_description root_options() {
    po::options_description options = common_options();
    options.add_options()("kernel",
                          po::value<std::string>()->default_value("debian:6.12")->value_name("K"),
                          "debian:SERIES, a directory with an Image and modules, or a build tree")(
        "board", po::value<std::string>()->default_value("disk")->value_name("B"),
        "a board's name or file");
    add_accel(options);
    return options;
}

Result<int> root_command(const CommandLine& line) {
    TRY_AS(const auto places, find_places(line.text("source")));
    TRY_AS(const auto cache, Cache::open(line.text("cache")));
    TRY_AS(auto board, find_board(line.text("board"), places.boards()));
    TRY_AS(board.accel, accel_from(line.text("accel")));
    if (board.root.empty())
        return fail(Fault::usage, fmt::format("board {} has no root disk", board.name));
    TRY_AS(const auto init, places.init(*board.architecture));
    TRY_AS(const auto kernel,
           find_kernel(cache, places.kernel_files(), line.text("kernel"), *board.architecture));
    TRY(check_board(kernel, board));
    board.cpu = cpu_for(board, kernel.config);
    Contents contents{};
    contents.kernel = &kernel;
    contents.board = &board;
    contents.init = init;
    TRY_AS(const auto image, find_root(cache, contents, places.source, boots_of(board)));
    fmt::print("{}\n", image.string());
    return 0;
}

} // namespace

const Subcommand kBoards{.name = "boards",
                         .synopsis = "",
                         .summary = "the boards there are, and what each has",
                         .help = kBoardsHelp,
                         .options = common_options,
                         .takes = Subcommand::Takes::options,
                         .run = boards_command};

const Subcommand kKernels{.name = "kernels",
                          .synopsis = "[--update] [SERIES...]",
                          .summary = "Debian kernels: what is cached, what is newest",
                          .help = kKernelsHelp,
                          .options = kernels_options,
                          .takes = Subcommand::Takes::words,
                          .run = kernels_command};

const Subcommand kKernel{.name = "kernel",
                         .synopsis = "build|source TREE",
                         .summary = "build a small kernel from source, or fetch the source",
                         .help = kKernelHelp,
                         .options = kernel_options,
                         .takes = Subcommand::Takes::words,
                         .run = kernel_command};

const Subcommand kBuild{.name = "build",
                        .synopsis = "--kernel K",
                        .summary = "build the module for a kernel and print where it is",
                        .help = kBuildHelp,
                        .options = build_options,
                        .takes = Subcommand::Takes::options,
                        .run = build_command};

const Subcommand kRoot{.name = "root",
                       .synopsis = "--kernel K [--board B]",
                       .summary = "make the root file system of a board with a disk",
                       .help = kRootHelp,
                       .options = root_options,
                       .takes = Subcommand::Takes::options,
                       .run = root_command};

} // namespace dmarace::vm
