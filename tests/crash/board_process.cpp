// SPDX-License-Identifier: GPL-2.0-or-later
#include "board_process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <sys/wait.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

extern char** environ;

namespace dmarace::test {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kLook{10};

unsigned iterations_in(const std::string& text) {
    constexpr std::string_view kWord = ": iteration ";
    unsigned count = 0;
    for (auto at = text.find(kWord); at != std::string::npos; at = text.find(kWord, at + 1))
        ++count;
    return count;
}

} // namespace

std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

BoardProcess::BoardProcess(const std::vector<std::string>& command, std::filesystem::path run_dir,
                           const std::filesystem::path& log)
    : run_dir_(std::move(run_dir)) {
    std::error_code ec;
    std::filesystem::remove_all(run_dir_ / ".vm", ec); // a beat there is of the boot before
    std::vector<char*> argv;
    for (const auto& word : command)
        argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    over_ = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0;
    posix_spawn_file_actions_destroy(&actions);
}

// dmarace-vm takes its QEMU with it.
BoardProcess::~BoardProcess() {
    if (over())
        return;
    ::kill(pid_, SIGKILL);
    wait();
}

bool BoardProcess::over() {
    if (!over_ && ::waitpid(pid_, &status_, WNOHANG) == pid_)
        over_ = true;
    return over_;
}

int BoardProcess::wait() {
    if (!over_)
        ::waitpid(pid_, &status_, 0);
    over_ = true;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
}

pid_t BoardProcess::qemu() const {
    const auto pid = std::to_string(pid_);
    std::istringstream children(read_file("/proc/" + pid + "/task/" + pid + "/children"));
    for (pid_t child = 0; children >> child;)
        if (read_file("/proc/" + std::to_string(child) + "/comm").starts_with("qemu-system"))
            return child;
    return -1;
}

bool BoardProcess::is_up() const {
    return !read_file(run_dir_ / ".vm" / "beat").empty();
}

// Until the board is up and so many iterations were told.
void BoardProcess::wait_for(const Moment& moment) {
    while (!over() && !is_up())
        std::this_thread::sleep_for(kLook);
    auto last = Clock::now();
    for (unsigned told = 0; !over() && told < moment.told;) {
        std::this_thread::sleep_for(kLook);
        const auto now = iterations_in(read_file(run_dir_ / ".vm" / "stderr"));
        if (now == told)
            continue;
        pace_ = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - last);
        last = Clock::now();
        told = now;
    }
}

bool BoardProcess::cut_power(const Moment& moment) {
    pid_t machine = -1;
    while (!over() && (machine = qemu()) < 0)
        std::this_thread::sleep_for(kLook);
    if (!moment.in_boot)
        wait_for(moment);
    for (const auto since = Clock::now(); !over() && Clock::now() - since < moment.after;)
        std::this_thread::sleep_for(kLook);
    // A beat that is just being written looks like none.
    const bool up = !moment.in_boot || is_up();
    was_cut_ = !over() && ::kill(machine, SIGKILL) == 0;
    wait();
    return up;
}

} // namespace dmarace::test
