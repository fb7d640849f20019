// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/campaign/run.hpp"

#include "base/files.hpp"
#include "job/load.hpp"
#include "run/check_request.hpp"
#include "vm/board/hardware_board.hpp"
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
constexpr const char* kUsualKernel = "debian:6.12";

// What may die and go on is kept, on boards whose state is all in their guest.
bool keeps_guest(const BoardRunOptions& options, const Board& board, const fs::path& scratch) {
    if (options.no_snapshot || !run::read_request(options.command) || board.hardware ||
        !board.root.empty() || board.data || board.keep_memory ||
        // A PC's guest, and one that firmware started, has not been seen to come back.
        board.architecture != &arm64() || !board.firmware.empty())
        return false;
    const std::string why = WarmGuest::why_not(scratch);
    if (!why.empty())
        say(WarmGuest::kCannot, board.name, why);
    return why.empty();
}

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
    const bool installed = !board.root.empty() || board.hardware;
    std::map<std::string, std::string> environment{
        {"PATH", installed ? "/usr/sbin:/usr/bin:/sbin:/bin" : "/usr/bin"},
        {"HOME", "/tmp"},
        {"DMARACE_BOARD", board.name},
        {"DMARACE_JOBS", board.hardware ? jobs_there(*board.hardware) : "/usr/share/dmarace/jobs"}};
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

// Hardware may run a kernel, and have a dmarace, of its own.
Status check_hardware(const BoardRunOptions& options, const Board& board) {
    if (!options.append.empty())
        return fail(Fault::usage, "--append: the arguments of a kernel on hardware are its boot "
                                  "loader's; 'deploy' can hand them over");
    if (!options.kernel.empty() && board.hardware->deploy.empty())
        return fail(Fault::usage, fmt::format("--kernel: board {} does not say how a kernel gets "
                                              "there: give it 'deploy', or leave --kernel out",
                                              board.name));
    return {};
}

Result<Kernel> kernel_of(const BoardRunOptions& options, const Board& board, const Places& places,
                         const Cache& cache) {
    if (board.hardware && options.kernel.empty()) {
        Kernel own;
        own.name = "of its own";
        own.architecture = board.architecture;
        return own;
    }
    TRY_AS(auto kernel, find_kernel(cache, places.kernel_files(),
                                    options.kernel.empty() ? kUsualKernel : options.kernel,
                                    *board.architecture));
    TRY(check_board(kernel, board));
    return kernel;
}

Result<std::vector<fs::path>> modules_of(const Board& board, const Kernel& kernel,
                                         const Cache& cache, const Places& places) {
    if (board.hardware && !board.hardware->module.empty())
        return std::vector<fs::path>{board.hardware->module};
    if (kernel.image.empty())
        return std::vector<fs::path>();
    return build_modules(cache, kernel, places.source);
}

Result<Prepared> prepare(const BoardRunOptions& options) {
    TRY_AS(const auto places, find_places(options.source));
    TRY_AS(auto board, find_board(options.board, places.boards()));
    TRY_AS(board.accel, accel_from(options.accel));
    TRY(board.hardware ? check_hardware(options, board) : check_tools(board));
    TRY_AS(const auto init, places.init(*board.architecture));
    fs::path program;
    if (!board.hardware || board.hardware->dmarace.empty()) {
        TRY_AS(program, places.program(options.program, *board.architecture));
    }
    std::vector<fs::path> also;
    for (const auto& name : options.also) {
        TRY_AS(const auto found, places.program(name, *board.architecture));
        also.push_back(found);
    }
    TRY_AS(const auto cache, Cache::open(options.cache));
    TRY_AS(const auto kernel, kernel_of(options, board, places, cache));
    board.cpu = cpu_for(board, kernel.config);
    TRY_AS(const auto modules, modules_of(board, kernel, cache, places));
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

// The run on a board of either kind, and what carried it.
Result<BootedRun> run_virtual(const Prepared& prepared, RunSetup& setup, Carrier& carrier) {
    TRY(ready_root(prepared, setup));
    auto qemu = std::async(std::launch::async, qemu_version, prepared.board);
    QemuBoard machine(prepared.board, setup.out, setup.scratch);
    auto run = run_campaign(setup, machine);
    carrier.qemu = qemu.get();
    carrier.accel = machine.accel();
    return run;
}

Result<BootedRun> run_on_hardware(const Prepared& prepared, RunSetup& setup, Carrier& carrier) {
    TRY_AS(auto kit, make_kit(setup));
    HardwareBoard machine(prepared.board, std::move(kit), setup.out, setup.scratch);
    auto run = run_campaign(setup, machine);
    carrier.release = machine.identity().release;
    carrier.build_id = machine.identity().kernel;
    return run;
}

// What is known of the board holds for what runs there: dmarace reads it from the board's file.
Result<std::vector<std::string>> with_allowed(std::vector<std::string> command,
                                              const Board& board) {
    if (board.allows.empty() || !run::read_request(command))
        return command;
    TRY(job::load_allowed(board.allows));
    command.insert(command.end(), {std::string("--") + run::words::kAllow, board.allows});
    return command;
}

Result<int> boot_and_report(const BoardRunOptions& options, const Prepared& prepared,
                            const fs::path& out) {
    const auto start = Clock::now();
    TRY_AS(const auto scratch, TemporaryDirectory::make());
    const bool virtual_board = !prepared.board.hardware;
    TRY_AS(const auto command, with_allowed(options.command, prepared.board));
    TRY_AS(const auto given, virtual_board
                                 ? find_given(command)
                                 : find_given(command, given_there(*prepared.board.hardware)));
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
                   .exact = options.exact,
                   .warm = keeps_guest(options, prepared.board, scratch.path()),
                   .most_boots = options.boots};
    if (options.timeout.count() > 0)
        setup.deadline = start + std::chrono::duration_cast<Clock::duration>(options.timeout);
    say("board {}, kernel {}{}", prepared.board.name, prepared.kernel.name,
        prepared.kernel.release.empty() ? "" : fmt::format(" ({})", prepared.kernel.release));
    Carrier carrier;
    const auto run = virtual_board ? run_virtual(prepared, setup, carrier)
                                   : run_on_hardware(prepared, setup, carrier);
    if (!run)
        return std::unexpected(run.error());
    carrier.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    TRY(write_text(out / kVmJson, vm_json(setup, *run, carrier)));
    std::error_code error;
    fs::remove_all(out / guest::kChannel, error);
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

// Boards whose disk or device tree is made for one run are no files that others can boot.
Status check_export(const Board& board) {
    const char* why = board.hardware        ? "it is no QEMU"
                      : !board.root.empty() ? "it boots from a disk of its own"
                      : board.data          ? "it keeps its run on a disk of its own"
                      : board.clients > 0   ? "its device tree is made when it boots"
                      : board.keep_memory   ? "its memory is a file"
                                            : nullptr;
    if (why == nullptr)
        return {};
    return fail(Fault::usage, fmt::format("board {} cannot be exported: {}", board.name, why));
}

Status export_board(const BoardRunOptions& options) {
    TRY_AS(const auto prepared, prepare(options));
    const Board& board = prepared.board;
    TRY(check_export(board));
    const fs::path out = fs::absolute(options.out);
    std::error_code error;
    fs::create_directories(out / kExportShare, error);
    fs::copy_file(prepared.kernel.image, out / kExportKernel, fs::copy_options::overwrite_existing,
                  error);
    if (error)
        return fail(Fault::environment, out.string() + ": " + error.message());
    TRY_AS(const auto given, find_given(options.command));
    const Contents contents{&prepared.kernel, &board,          prepared.init,
                            prepared.program, prepared.also,   prepared.places.jobs(),
                            given.files,      prepared.modules};
    TRY_AS(const auto tree, TemporaryDirectory::make());
    auto environment = guest_environment(board);
    environment.erase("DMARACE_TTY");
    TRY(pack(contents, {given.command, environment}, out / kExportInitramfs, tree.path()));
    TRY(make_disks(board, out));
    const QemuFiles files{.image = out / kExportKernel,
                          .initramfs = out / kExportInitramfs,
                          .console = {},
                          .share = out / kExportShare,
                          .disks = out,
                          .append = options.append,
                          .console_line = "stdio,id=console,signal=off"};
    std::string words;
    for (const auto& word : qemu_arguments(board, files))
        words += word + "\n";
    return write_text(out / kExportQemu, words);
}

Result<GivenFiles> find_given(const std::vector<std::string>& command,
                              const std::string& directory) {
    GivenFiles given;
    for (const std::string& word : command) {
        std::error_code error;
        if (!word.ends_with(".toml") || !fs::is_regular_file(word, error)) {
            given.command.push_back(word);
            continue;
        }
        const std::string inside = directory + "/" + fs::path(word).filename().string();
        const auto [it, added] = given.files.emplace(inside, fs::absolute(word));
        if (!added && it->second != fs::absolute(word))
            return fail(Fault::usage, word + ": there is another job file of that name in the "
                                             "command; rename one");
        given.command.push_back(inside);
    }
    return given;
}

} // namespace dmarace::vm
