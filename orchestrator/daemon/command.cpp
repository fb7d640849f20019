// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/command.hpp"

#include "board/program.hpp"

#include <unistd.h>

#include <sys/syscall.h>
#include <sys/wait.h>

#include <csignal>
#include <utility>

namespace dmarace::daemon {

Result<Command> Command::start(const std::vector<std::string>& words) {
    const auto pid = board::start_program(words, board::Output::ours);
    if (!pid)
        return std::unexpected(pid.error());
    Command out;
    out.pid_ = *pid;
    out.pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, out.pid_, 0)));
    if (!out.pidfd_)
        return fail_errno("cannot watch " + words.front());
    return out;
}

Command::Command(Command&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)), code_(other.code_) {}

Command::~Command() {
    if (pid_ <= 0 || code_)
        return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

void Command::kill(int signal) const {
    if (pid_ > 0 && !code_)
        ::kill(pid_, signal);
}

std::optional<int> Command::ended() {
    int status = 0;
    if (pid_ > 0 && !code_ && ::waitpid(pid_, &status, WNOHANG) == pid_)
        code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return code_;
}

} // namespace dmarace::daemon
