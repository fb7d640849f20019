// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernels/say.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

namespace dmarace::vm {

const std::string& program_name(const char* called) {
    static const std::string name = std::filesystem::path(called).filename();
    return name;
}

namespace {

volatile sig_atomic_t asked = 0;

void on_signal(int) { asked = asked + 1; }

void handle(void (*handler)(int), void (*pipe_handler)(int)) {
    struct sigaction action {};
    sigemptyset(&action.sa_mask);
    action.sa_handler = handler;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    action.sa_handler = pipe_handler;
    sigaction(SIGPIPE, &action, nullptr);
}

using Clock = std::chrono::steady_clock;
constexpr const char* kEraseLine = "\033[K";

long seconds_since(Clock::time_point start) {
    return std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - start).count();
}

constexpr int kTickMs = 1000;
constexpr int kGraceMs = 10000; // from ctrl-c to SIGKILL

// Waits a second for the child; passes the user's ctrl-c on.
std::optional<int> wait_a_tick(Process& child) {
    auto status = child.wait(kTickMs);
    if (status || InterruptCount::count() == 0)
        return status;
    child.interrupt();
    status = child.wait(kGraceMs);
    if (!status)
        child.kill();
    return status ? status : child.wait(-1);
}

} // namespace

InterruptCount::InterruptCount() {
    asked = 0;
    handle(on_signal, SIG_IGN);
}

InterruptCount::~InterruptCount() { handle(SIG_DFL, SIG_DFL); }

int InterruptCount::count() { return asked; }

Result<int> run_showing(const Command& command, const std::string& title,
                        const std::function<std::string()>& detail) {
    constexpr long kQuietTickSeconds = 20; // how often a log that is no terminal hears of it
    const UniqueFd log(open(command.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!log)
        return fail_errno(command.log.string());
    const bool terminal = isatty(STDERR_FILENO) == 1;
    const auto start_time = Clock::now();
    TRY_AS(auto child, start_command(command, log.get(), log.get()));
    if (!terminal)
        say("{} …", title);
    std::optional<int> status;
    for (long shown = 0; !(status = wait_a_tick(child));) {
        const long seconds = seconds_since(start_time);
        if (terminal) {
            fmt::print(stderr, "\r{}{}: {} … {} s {}", kEraseLine, program_name(), title, seconds,
                       detail ? detail() : "");
        } else if (seconds - shown >= kQuietTickSeconds) {
            shown = seconds;
            say("{} … {} s {}", title, seconds, detail ? detail() : "");
        }
    }
    const std::string end = *status == 0 ? "done" : fmt::format("failed ({})", *status);
    fmt::print(stderr, "{}{}: {} … {} in {} s\n", terminal ? fmt::format("\r{}", kEraseLine) : "",
               program_name(), title, end, seconds_since(start_time));
    return *status;
}

} // namespace dmarace::vm
