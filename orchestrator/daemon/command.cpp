// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/command.hpp"

#include <fcntl.h>
#include <spawn.h>

#include <sys/syscall.h>
#include <sys/wait.h>

#include <csignal>
#include <utility>

extern char** environ;

namespace dmarace::daemon {

Result<Command> Command::start(const std::vector<std::string>& words) {
    auto texts = words;
    std::vector<char*> argv;
    for (auto& text : texts)
        argv.push_back(text.data());
    argv.push_back(nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    Command out;
    const int error =
        ::posix_spawn(&out.pid_, argv[0], &actions, &attributes, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        out.pid_ = -1;
        return fail_errno("cannot start " + words.front(), error);
    }
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
