// SPDX-License-Identifier: GPL-2.0-or-later
// Other programs, for those that run on a board which has nothing else: one at a time,
// and what it says comes through a pipe, or goes where ours goes.
#pragma once

#include <unistd.h>

#include <sys/resource.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace guest {

struct Program {
    pid_t pid = -1;
    FILE* says = nullptr; // what is heard of its streams, in the order in which it wrote
};

struct Ended {
    int code = 0; // 128 + signal where one ended it
    std::string text;
    long peak = 0; // kB of memory
};

// What comes through the pipe. Of 'none' both go where our output goes: a program that
// writes to a terminal keeps the order of its two streams.
enum class Streams { both, errors, none };

inline Program start(std::vector<std::string> words, Streams heard = Streams::both) {
    int ends[2];
    if (::pipe(ends) != 0)
        std::exit(3);
    std::fflush(stdout);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(heard == Streams::none ? STDOUT_FILENO : ends[1], STDERR_FILENO);
        if (heard == Streams::both)
            ::dup2(ends[1], STDOUT_FILENO);
        ::close(ends[0]);
        ::close(ends[1]);
        std::vector<char*> argv;
        for (auto& word : words)
            argv.push_back(word.data());
        argv.push_back(nullptr);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    return {pid, ::fdopen(ends[0], "r")};
}

// Its next line, with the end of it; "" when there is none.
inline std::string next_line(const Program& program) {
    std::string line;
    for (int c; (c = std::fgetc(program.says)) != EOF;) {
        line += static_cast<char>(c);
        if (c == '\n')
            break;
    }
    return line;
}

// Takes what it still says, and waits for it.
inline Ended end_of(const Program& program) {
    Ended ended;
    char buffer[4096];
    for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, program.says)) > 0;)
        ended.text.append(buffer, got);
    std::fclose(program.says);
    int status = 0;
    rusage used{};
    if (::wait4(program.pid, &status, 0, &used) != program.pid)
        std::exit(3);
    ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    ended.peak = used.ru_maxrss;
    return ended;
}

inline Ended run(std::vector<std::string> words) { return end_of(start(std::move(words))); }

} // namespace guest
