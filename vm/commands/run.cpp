// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/process.hpp"
#include "vm/commands/commands.hpp"
#include "vm/commands/given.hpp"
#include "vm/commands/places.hpp"
#include "vm/commands/run_options.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/debian.hpp"
#include "vm/kernels/module_build.hpp"
#include "vm/kernels/say.hpp"
#include "vm/kernels/temporary.hpp"
#include "vm/watch/boot_once.hpp"
#include "vm/watch/campaign.hpp"
#include "vm/watch/vm_json.hpp"

#include <unistd.h>

#include <sys/ioctl.h>

#include <algorithm>
#include <cstdlib>
#include <future>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

// The directory for the results: empty, or with a run that is to be resumed.
struct Out {
    fs::path path;
    std::optional<TemporaryDirectory> ours; // when nobody named one
};

Result<Out> open_out(const RunOptions& options) {
    if (options.out.empty()) {
        auto made = TemporaryDirectory::make();
        if (!made)
            return std::unexpected(made.error());
        const fs::path path = made->path();
        return Out{path, *std::move(made)};
    }
    const fs::path out = fs::absolute(options.out);
    std::error_code error;
    fs::create_directories(out, error);
    if (error || access(out.c_str(), W_OK) != 0)
        return fail(Fault::environment, "--out " + out.string() + ": " +
                                            (error ? error.message() : std::strerror(errno)));
    const bool resumes = std::find(options.command.begin(), options.command.end(), "--resume") !=
                         options.command.end();
    if (!resumes && !find_journals(out).empty())
        return fail(Fault::usage, out.string() + " already holds a run: choose another --out, or "
                                                 "add --resume to the command to go on with it");
    for (const char* old : {"console.log", "data.img"})
        if (!resumes)
            fs::remove(out / old, error);
    return Out{out, std::nullopt};
}

std::map<std::string, std::string> guest_environment(const Board& board) {
    const char* path = board.root.empty() ? "/usr/bin" : "/usr/sbin:/usr/bin:/sbin:/bin";
    std::map<std::string, std::string> environment{{"PATH", path},
                                                   {"HOME", "/tmp"},
                                                   {"DMARACE_BOARD", board.name},
                                                   {"DMARACE_JOBS", "/usr/share/dmarace/jobs"}};
    if (isatty(STDERR_FILENO) != 1)
        return environment;
    environment["DMARACE_TTY"] = "1";
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        environment["COLUMNS"] = std::to_string(size.ws_col);
    if (const char* term = std::getenv("TERM"))
        environment["TERM"] = term;
    return environment;
}

// Asked for beside the boot: QEMU takes a tenth of a second to say it.
std::string qemu_version(const Board& board) {
    const auto version = run_checked({.argv = {std::string(board.architecture->qemu), "--version"}},
                                     "QEMU's version");
    return version ? version->substr(0, version->find('\n')) : "";
}

// What is needed before anything is fetched or booted.
Status check_tools(const Board& board) {
    const Architecture& architecture = *board.architecture;
    for (const auto& [program, package] :
         {std::pair{architecture.qemu, architecture.qemu_package},
          std::pair<std::string_view, std::string_view>{"depmod", "kmod"},
          std::pair<std::string_view, std::string_view>{"mke2fs", "e2fsprogs"}})
        if (find_program(std::string(program)).empty())
            return fail(Fault::environment,
                        fmt::format("{} is not installed: apt-get install {}, or run "
                                    "scripts/setup.sh",
                                    program, package));
    return {};
}

Status check_firmware(const Board& board) {
    if (board.firmware.empty() || fs::exists(board.firmware))
        return {};
    return fail(Fault::environment,
                fmt::format("board {} boots {}, which is not installed: run scripts/setup.sh",
                            board.name, board.firmware));
}

// All that a run stands on; Contents points into it.
struct Ground {
    Places places;
    Board board;
    Kernel kernel;
    fs::path init, program;
    std::vector<fs::path> also;
    std::vector<fs::path> modules;
    Cache cache;
};

Result<Ground> prepare(const RunOptions& options) {
    const auto places = find_places(options.source);
    if (!places)
        return std::unexpected(places.error());
    const auto board = find_board(options.board, places->boards());
    if (!board)
        return std::unexpected(board.error());
    if (auto tools = check_tools(*board); !tools)
        return std::unexpected(tools.error());
    if (auto firmware = check_firmware(*board); !firmware)
        return std::unexpected(firmware.error());
    const auto init = places->init(*board->architecture);
    const auto program = places->program(options.program, *board->architecture);
    if (!init || !program)
        return std::unexpected(init ? program.error() : init.error());
    std::vector<fs::path> also;
    for (const auto& name : options.also) {
        const auto found = places->program(name, *board->architecture);
        if (!found)
            return std::unexpected(found.error());
        also.push_back(*found);
    }
    const auto cache = Cache::open(options.cache);
    if (!cache)
        return std::unexpected(cache.error());
    const auto kernel =
        find_kernel(*cache, places->kernel_files(), options.kernel, *board->architecture);
    if (!kernel)
        return std::unexpected(kernel.error());
    if (auto fits = check_board(*kernel, *board); !fits)
        return std::unexpected(fits.error());
    const auto modules = build_modules(*cache, *kernel, places->source);
    if (!modules)
        return std::unexpected(modules.error());
    return Ground{*places, *board, *kernel, *init, *program, also, *modules, *cache};
}

// A board with a disk gets one of its own for this run.
Status ready_root(const Ground& ground, const Setup& setup) {
    if (ground.board.root.empty())
        return {};
    const auto parts = ground.places.root_parts();
    if (!parts)
        return std::unexpected(parts.error());
    const auto image = find_root(ground.cache, setup.contents, *parts, boots_of(ground.board));
    if (!image)
        return std::unexpected(image.error());
    return install_root(*image, setup.contents, *parts, setup.scratch);
}

Result<int> boot_and_report(const RunOptions& options, const Ground& ground, const fs::path& out) {
    const auto start = Clock::now();
    const auto scratch = TemporaryDirectory::make();
    if (!scratch)
        return std::unexpected(scratch.error());
    const auto given = find_given(options.command);
    if (!given)
        return std::unexpected(given.error());
    Setup setup{.contents = {&ground.kernel, &ground.board, ground.init, ground.program,
                             ground.also, ground.places.jobs(), given->files, ground.modules},
                .board = &ground.board,
                .command = given->command,
                .environment = guest_environment(ground.board),
                .out = out,
                .scratch = scratch->path(),
                .append = options.append,
                .fresh = options.fresh,
                .most_boots = options.boots,
                .accel = find_accel(*ground.board.architecture)};
    if (options.timeout.count() > 0)
        setup.deadline = start + std::chrono::duration_cast<Clock::duration>(options.timeout);
    say("board {}, kernel {} ({}), {}", ground.board.name, ground.kernel.name,
        ground.kernel.release, setup.accel.kvm ? "KVM" : "TCG");
    if (auto ready = ready_root(ground, setup); !ready)
        return std::unexpected(ready.error());
    auto qemu = std::async(std::launch::async, qemu_version, ground.board);
    const auto course = run_campaign(setup);
    if (!course)
        return std::unexpected(course.error());
    const std::chrono::duration<double> seconds = Clock::now() - start;
    if (auto written =
            write_text(out / "vm.json", vm_json(setup, *course, qemu.get(), seconds.count()));
        !written)
        return std::unexpected(written.error());
    std::error_code error;
    fs::remove_all(out / kChannel, error);
    if (!course->why.empty())
        say("{}; see {}", course->why, (out / "console.log").string());
    return course->exit;
}

} // namespace

Result<int> run_command(const Arguments& arguments) {
    const auto options = parse_run(arguments);
    if (!options)
        return std::unexpected(options.error());
    if (!*options)
        return 0;
    const auto ground = prepare(**options);
    if (!ground)
        return std::unexpected(ground.error());
    sweep_temporary([](const fs::path& left) { return !find_journals(left).empty(); });
    auto out = open_out(**options);
    if (!out)
        return std::unexpected(out.error());
    const InterruptCount interrupts;
    const auto exit = boot_and_report(**options, *ground, out->path);
    // What nobody asked to keep, and is no evidence of anything, goes away.
    const bool keep = is_run((*options)->command) || !exit || *exit != 0;
    if (out->ours && keep)
        say("results are in {}", out->ours->keep().string());
    return exit;
}

} // namespace dmarace::vm
