// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/machine.hpp"

#include "base/duration.hpp"
#include "board/devices.hpp"
#include "job/load.hpp"
#include "kmod/dmarace_abi.h"
#include "run/request.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <iterator>

namespace dmarace::commands {

namespace {

std::size_t columns() {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    const char* text = std::getenv("COLUMNS");
    const auto wanted = text ? std::strtoul(text, nullptr, 10) : 0;
    return wanted > 0 ? wanted : 80;
}

// stderr, as one that never waits for a terminal or a pipe that takes nothing: whoever waits
// loses the lease of the module. A file has no such trouble.
int open_patient() {
    struct stat info {};
    if (::fstat(STDERR_FILENO, &info) != 0 || (!S_ISCHR(info.st_mode) && !S_ISFIFO(info.st_mode)))
        return -1;
    return ::open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void say(const std::string& text) {
    static const UniqueFd own(open_patient());
    (void)!::write(own ? own.get() : STDERR_FILENO, text.data(), text.size());
}

constexpr std::chrono::milliseconds kRedraw{200};

} // namespace

void add_module_option(po::options_description& visible) {
    visible.add_options()(run::words::kModule, po::value<std::vector<std::string>>(),
                          "FILE of a module that is in no tree, as a dmarace.ko built elsewhere;\n"
                          "repeatable (default: $DMARACE_MODULE)");
}

Result<board::Modules> modules_for(const Parsed& parsed) {
    board::Modules modules;
    auto files = parsed.texts(run::words::kModule);
    if (const char* given = std::getenv("DMARACE_MODULE"); files.empty() && given && *given)
        files.emplace_back(given);
    for (const auto& file : files)
        if (auto known = modules.give(file); !known)
            return std::unexpected(Error(known.error()).within("--module"));
    return modules;
}

Result<std::vector<job::Allow>> allowed_by(const Parsed& parsed) {
    std::vector<job::Allow> out;
    for (const auto& file : parsed.texts(run::words::kAllow)) {
        const auto known = job::load_allowed(file);
        if (!known)
            return std::unexpected(Error(known.error()).within("--allow"));
        std::ranges::copy(*known, std::back_inserter(out));
    }
    return out;
}

std::filesystem::path results_place() {
    const char* place = std::getenv("DMARACE_OUT");
    return place && *place ? place : ".";
}

std::string default_out(const std::string& what) {
    const auto name = "dmarace-" + what + "-" + utc_now("%Y%m%d-%H%M%S");
    return (results_place() / name).lexically_normal().string();
}

Result<std::unique_ptr<board::Control>> open_module(const board::Modules& modules) {
    if (::geteuid() != 0)
        return fail(Fault::environment, "this needs root");
    if (!modules.loaded("dmarace")) {
        const auto inserted = modules.insert("dmarace", "");
        const auto release = board::kernel_release();
        const auto build = "make -C /lib/modules/" + release +
                           "/build M=$PWD modules modules_install, then depmod";
        const int why = inserted ? 0 : inserted.error().os_error;
        if (why == ENOENT)
            return fail(Fault::environment,
                        "kernel " + release + " has no module dmarace; build it with " + build +
                            ", or name one that was built elsewhere: --module FILE");
        if (why == EPERM)
            return fail(Fault::environment,
                        inserted.error().message +
                            ": lockdown or a signature requirement keeps modules out (dmarace "
                            "doctor)");
        if (why == ENOEXEC)
            return fail(Fault::environment, "dmarace.ko is for another kernel than " + release +
                                                " (it says " + modules.release("dmarace") +
                                                "): build it again, " + build);
        if (!inserted && inserted.error().os_error != EEXIST)
            return std::unexpected(inserted.error());
    }
    return board::open_control();
}

std::string waits_for(const Line& audit, const board::Modules& modules) {
    if (audit.find(DMARACE_K_GROUP) || audit.get(DMARACE_K_FW) != "1")
        return "";
    const board::Devices devices;
    const auto device = devices.find(audit.get(DMARACE_K_DEV));
    return device ? board::awaited_iommu(devices, modules, *device).what : "";
}

Result<std::map<std::string, Line>> points_here(board::Control& control) {
    TRY(control.request(Line{"points", {}}));
    TRY_AS(auto lines, control.take());
    std::map<std::string, Line> out;
    for (auto& line : lines)
        if (line.verb == DMARACE_E_POINT) {
            auto name = line.get(DMARACE_K_NAME);
            out[std::move(name)] = std::move(line);
        }
    return out;
}

std::map<std::string, std::string> absent_points(const std::map<std::string, Line>& points) {
    std::map<std::string, std::string> out;
    for (const auto& [name, line] : points)
        if (line.get(DMARACE_K_FOUND) != "1")
            out[name] = line.get(DMARACE_K_WHY);
    return out;
}

SignalInterrupts::SignalInterrupts(std::optional<std::chrono::nanoseconds> limit) {
    if (limit)
        end_ = boottime() + *limit;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    // Whoever does not listen any more does not keep the board from being restored.
    ::signal(SIGPIPE, SIG_IGN);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    fd_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

unsigned SignalInterrupts::count() {
    if (end_ && count_ == 0 && boottime() >= *end_) {
        out_of_time_ = true;
        count_ = 1;
        say("\ndmarace: out of time: ending this iteration and restoring the board\n");
    }
    signalfd_siginfo info{};
    while (::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        // A terminal that goes away may say so twice.
        if (info.ssi_signo == SIGHUP && count_ > 0)
            continue;
        if (++signals_ > 1)
            ::_exit(kExitInterrupted);
        count_ = 1;
        say("\ndmarace: ending this iteration and restoring the board; once more ends at once\n");
    }
    return count_;
}

bool TerminalProgress::stderr_is_live() {
    const char* forced = std::getenv("DMARACE_TTY");
    return ::isatty(STDERR_FILENO) == 1 || (forced != nullptr && std::string(forced) == "1");
}

TerminalProgress::~TerminalProgress() { clear(); }

void TerminalProgress::clear() {
    if (drawn_)
        say("\r\x1b[K");
    drawn_ = false;
}

void TerminalProgress::draw() {
    const auto now = std::chrono::steady_clock::now();
    // A serial line is slow.
    if (!live_ || (drawn_ && now - drawn_at_ < kRedraw))
        return;
    drawn_at_ = now;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - began_).count();
    std::string line = job_ + "  " + std::to_string(number_);
    if (planned_ > 0)
        line += "/" + std::to_string(planned_);
    for (const auto& [verdict, count] : counts_)
        line += "  " + verdict + " " + std::to_string(count);
    line += "  " + std::to_string(seconds) + "s  " + what_;
    if (line.size() >= columns())
        line.resize(columns() - 1);
    say("\r\x1b[K" + line);
    drawn_ = true;
}

void TerminalProgress::iteration(unsigned number, unsigned planned) {
    number_ = number;
    planned_ = planned;
    draw();
}

void TerminalProgress::doing(const std::string& what) {
    what_ = what;
    draw();
}

void TerminalProgress::judged(unsigned number, const std::string& verdict, const std::string& why) {
    ++counts_[verdict];
    if (live_)
        return draw();
    say(job_ + ": iteration " + std::to_string(number) +
        (planned_ > 0 ? "/" + std::to_string(planned_) : "") + ": " + verdict +
        (why.empty() ? "" : ": ") + why + "\n");
}

void TerminalProgress::note(const std::string& text) {
    clear();
    say(job_ + ": " + text + "\n");
    draw();
}

} // namespace dmarace::commands
