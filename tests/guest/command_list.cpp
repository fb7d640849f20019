// SPDX-License-Identifier: GPL-2.0-or-later
// Runs one command of a program after the other, in one boot:
//   command_list PROGRAM "WORD WORD.." .. [-- FILE..]
// Before each stands '##### WORD WORD..', after it '[exit N]' unless that is 0. The
// FILEs are for dmarace-vm, which takes them along.
#include <fcntl.h>
#include <unistd.h>

#include <sys/wait.h>

#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

namespace {

int run(const std::string& program, const std::string& command) {
    std::vector<std::string> words{program};
    std::istringstream in(command);
    for (std::string word; in >> word;)
        words.push_back(word);
    std::vector<char*> argv;
    for (auto& word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(1, 2); // in the order in which it was said
        ::execv(program.c_str(), argv.data());
        ::_exit(127);
    }
    int status = 0;
    if (pid < 0 || ::waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

int main(int argc, char** argv) {
    for (int i = 2; i < argc && std::string(argv[i]) != "--"; ++i) {
        std::printf("##### %s\n", argv[i]);
        std::fflush(stdout);
        if (const int code = run(argv[1], argv[i]); code != 0)
            std::printf("[exit %d]\n", code);
        std::fflush(stdout);
    }
    return argc > 2 ? 0 : 2;
}
