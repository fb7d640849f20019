// SPDX-License-Identifier: GPL-2.0-or-later
// Runs a program on the board it is on and says whether the board is
// as before: bindings, types, modules, taint, and that the kernel neither sent
// a uevent nor wrote a line:  unchanged PROGRAM [WORD..]
// Exit: that of the program, or 9 when something changed.
#include "board/devices.hpp"
#include "world.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <sys/wait.h>

#include <iostream>

namespace {

// The number of the kernel log's next record.
std::string log_end() {
    const int fd = ::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    std::string last;
    char record[8192];
    for (ssize_t got; fd >= 0 && (got = ::read(fd, record, sizeof(record))) > 0;) {
        const std::string text(record, static_cast<std::size_t>(got));
        const auto comma = text.find(',');
        last = text.substr(comma + 1, text.find(',', comma + 1) - comma - 1);
    }
    ::close(fd);
    return last;
}

std::set<std::string> all_of_it() {
    auto out = dmarace::generate::world();
    const dmarace::board::Files files;
    for (const char* path : {"/sys/kernel/uevent_seqnum", "/proc/sys/kernel/tainted"})
        out.insert(path + (" " + files.read(path).value_or("?")));
    out.insert("log ends at " + log_end());
    out.insert(std::string("module dmarace ") +
               (files.exists("/sys/module/dmarace") ? "loaded" : "not loaded"));
    return out;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::cerr << "usage: unchanged PROGRAM [WORD..]\n";
        return 2;
    }
    // The board's drivers may still be probing when this starts.
    ::sleep(3);
    const auto before = all_of_it();
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::execv(argv[1], argv + 1);
        ::_exit(127);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    const auto changed = dmarace::generate::changes(before, all_of_it());
    for (const auto& change : changed)
        std::cout << change << "\n";
    std::cout << (changed.empty() ? "unchanged\n" : "CHANGED\n");
    return !changed.empty() ? 9 : WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
