// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/program.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <sys/wait.h>

#include <csignal>

extern char** environ;

namespace dmarace::board {

Result<pid_t> start_program(const std::vector<std::string>& words, Output output) {
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
    if (output == Output::our_stderr)
        ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    pid_t pid = -1;
    const int error = ::posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0)
        return fail_errno("cannot start " + words.front(), error);
    return pid;
}

Result<int> run_program(const std::vector<std::string>& words) {
    const auto pid = start_program(words, Output::our_stderr);
    if (!pid)
        return std::unexpected(pid.error());
    int status = 0;
    while (::waitpid(*pid, &status, 0) < 0)
        if (errno != EINTR)
            return fail_errno("cannot wait for " + words.front());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace dmarace::board
