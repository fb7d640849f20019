// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/campaign/run.hpp"

#include "base/files.hpp"
#include "run/check_request.hpp"
#include "vm/board/qemu.hpp"
#include "vm/campaign/campaign.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/say.hpp"
#include "vm/kernels/source.hpp"

#include <unistd.h>

#include <sys/ioctl.h>

#include <cstdlib>
#include <cstring>
#include <future>

namespace dmarace::vm {
namespace fs = std::filesystem;

Result<Places> find_places(const std::string& given) {
    const fs::path source = fs::absolute(given.empty() ? DMARACE_SOURCE_DIR : given);
    if (!fs::exists(source / "vm/boards"))
        return fail(given.empty() ? Fault::environment : Fault::usage,
                    source.string() + " is not the dmarace project: give it with --source DIR");
    return Places{source};
}

Result<fs::path> Places::init(const Architecture& architecture) const {
    const std::string name = "dmarace-vm-init-" + std::string(architecture.name);
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error).parent_path();
    for (const fs::path& file : {self / name, self / "../libexec/dmarace" / name})
        if (fs::exists(file))
            return file;
    return fail(Fault::environment, fmt::format("{} is not beside dmarace-vm; build it (cmake "
                                                "--build), which takes {}-g++",
                                                name, architecture.triplet));
}

Result<fs::path> Places::program(const std::string& given, const Architecture& architecture) const {
    const fs::path built = source / "build" / architecture.name;
    std::error_code error;
    if (fs::is_regular_file(given, error))
        return fs::absolute(given);
    if (fs::is_regular_file(built / given, error))
        return built / given;
    if (!given.empty())
        return fail(Fault::usage,
                    fmt::format("no program {}, neither here nor in {}", given, built.string()));
    for (const auto& entry : fs::recursive_directory_iterator(built, error))
        if (entry.path().filename() == "dmarace" && entry.is_regular_file() &&
            access(entry.path().c_str(), X_OK) == 0)
            return entry.path();
    return fail(Fault::environment,
                fmt::format("no {0} dmarace in {1}: run cmake --preset {0} && cmake --build "
                            "--preset {0} in {2}, or give --program FILE",
                            architecture.name, built.string(), source.string()));
}

namespace {

using Clock = std::chrono::steady_clock;

// The directory for the results: empty, or with a run that is to be resumed.
struct ResultsDirectory {
    fs::path path;
    std::optional<TemporaryDirectory> ours; // when nobody named one
};

Result<ResultsDirectory> open_out(const BoardRunOptions& options) {
    if (options.out.empty()) {
        TRY_AS(auto made, TemporaryDirectory::make());
        const fs::path path = made.path();
        return ResultsDirectory{path, std::move(made)};
    }
    const fs::path out = fs::absolute(options.out);
    std::error_code error;
    fs::create_directories(out, error);
    if (error || access(out.c_str(), W_OK) != 0)
        return fail(Fault::environment, "--out " + out.string() + ": " +
                                            (error ? error.message() : std::strerror(errno)));
    const auto request = run::read_request(options.command);
    const bool goes_on = request && request->resume;
    if (!goes_on && !find_journals(out).empty())
        return fail(Fault::usage, out.string() + " already holds a run: choose another --out, or "
                                                 "add --resume to the command to go on with it");
    for (const char* old : {kConsoleLog, kDataImage})
        if (!goes_on)
            fs::remove(out / old, error);
    return ResultsDirectory{out, std::nullopt};
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

// All that a run stands on; Contents points into it.
struct Prepared {
    Places places;
    Board board;
    Kernel kernel;
    fs::path init, program;
    std::vector<fs::path> also;
    std::vector<fs::path> modules;
    Cache cache;
};

Result<Prepared> prepare(const BoardRunOptions& options) {
    TRY_AS(const auto places, find_places(options.source));
    TRY_AS(auto board, find_board(options.board, places.boards()));
    TRY_AS(board.accel, accel_from(options.accel));
    TRY(check_tools(board));
    TRY_AS(const auto init, places.init(*board.architecture));
    TRY_AS(const auto program, places.program(options.program, *board.architecture));
    std::vector<fs::path> also;
    for (const auto& name : options.also) {
        TRY_AS(const auto found, places.program(name, *board.architecture));
        also.push_back(found);
    }
    TRY_AS(const auto cache, Cache::open(options.cache));
    TRY_AS(const auto kernel,
           find_kernel(cache, places.kernel_files(), options.kernel, *board.architecture));
    TRY(check_board(kernel, board));
    board.cpu = cpu_for(board, kernel.config);
    TRY_AS(const auto modules, build_modules(cache, kernel, places.source));
    return Prepared{places, board, kernel, init, program, also, modules, cache};
}

// A board with a disk gets one of its own for this run.
Status ready_root(const Prepared& prepared, const RunSetup& setup) {
    if (prepared.board.root.empty())
        return {};
    const fs::path& project = prepared.places.source;
    TRY_AS(const auto image,
           find_root(prepared.cache, setup.contents, project, boots_of(prepared.board)));
    return install_root(image, setup.contents, project, setup.scratch);
}

Result<int> boot_and_report(const BoardRunOptions& options, const Prepared& prepared,
                            const fs::path& out) {
    const auto start = Clock::now();
    TRY_AS(const auto scratch, TemporaryDirectory::make());
    TRY_AS(const auto given, find_given(options.command));
    RunSetup setup{.contents = {&prepared.kernel, &prepared.board, prepared.init, prepared.program,
                                prepared.also, prepared.places.jobs(), given.files,
                                prepared.modules},
                   .board = &prepared.board,
                   .command = given.command,
                   .request = run::read_request(given.command),
                   .environment = guest_environment(prepared.board),
                   .out = out,
                   .scratch = scratch.path(),
                   .append = options.append,
                   .fresh = options.fresh,
                   .most_boots = options.boots};
    if (options.timeout.count() > 0)
        setup.deadline = start + std::chrono::duration_cast<Clock::duration>(options.timeout);
    say("board {}, kernel {} ({})", prepared.board.name, prepared.kernel.name,
        prepared.kernel.release);
    TRY(ready_root(prepared, setup));
    auto qemu = std::async(std::launch::async, qemu_version, prepared.board);
    QemuBoard machine(prepared.board, out, setup.scratch);
    const auto run = run_campaign(setup, machine);
    if (!run)
        return std::unexpected(run.error());
    const std::chrono::duration<double> seconds = Clock::now() - start;
    TRY(write_text(out / "vm.json",
                   vm_json(setup, *run, {qemu.get(), machine.accel(), seconds.count()})));
    std::error_code error;
    fs::remove_all(machine.channel(), error);
    if (!run->why.empty())
        say("{}; see {}", run->why, (out / kConsoleLog).string());
    return run->exit;
}

} // namespace

Status check_command(const std::vector<std::string>& command) {
    if (command.empty())
        return fail(Fault::usage, "nothing to run: put a dmarace command after \"--\", for example "
                                  "dmarace-vm run -- audit");
    if (run::has_option(command, run::words::kOut))
        return fail(Fault::usage, "--out belongs before the \"--\": the guest's directory is "
                                  "the one dmarace-vm shares with it");
    return {};
}

Result<int> run_on_board(const BoardRunOptions& options) {
    TRY(check_command(options.command));
    TRY_AS(const auto prepared, prepare(options));
    sweep_temporary([](const fs::path& directory) { return !find_journals(directory).empty(); });
    TRY_AS(auto out, open_out(options));
    const InterruptCount interrupts;
    const auto exit = boot_and_report(options, prepared, out.path);
    // What nobody asked to keep, and is no evidence of anything, goes away.
    const bool keep =
        run::read_request(options.command) || run::is_check(options.command) || !exit || *exit != 0;
    if (out.ours && keep)
        say("results are in {}", out.ours->keep().string());
    return exit;
}

Result<GivenFiles> find_given(const std::vector<std::string>& command) {
    GivenFiles given;
    for (const std::string& word : command) {
        std::error_code error;
        if (!word.ends_with(".toml") || !fs::is_regular_file(word, error)) {
            given.command.push_back(word);
            continue;
        }
        const std::string inside = "/job/" + fs::path(word).filename().string();
        const auto [it, added] = given.files.emplace(inside, fs::absolute(word));
        if (!added && it->second != fs::absolute(word))
            return fail(Fault::usage, word + ": there is another job file of that name in the "
                                             "command; rename one");
        given.command.push_back(inside);
    }
    return given;
}

} // namespace dmarace::vm
