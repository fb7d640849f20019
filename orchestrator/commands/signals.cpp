// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/signals.hpp"

#include "commands/table.hpp"

#include <sys/signalfd.h>

#include <csignal>
#include <iostream>

namespace dmarace::commands {

SignalInterrupts::SignalInterrupts() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    fd_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

unsigned SignalInterrupts::count() {
    signalfd_siginfo info{};
    while (::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        if (++count_ == 1)
            std::cerr << "\ndmarace: ending this iteration and putting the board back; once more "
                         "ends at once\n";
        if (count_ > 1)
            ::_exit(kExitInterrupted);
    }
    return count_;
}

} // namespace dmarace::commands
