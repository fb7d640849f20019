// SPDX-License-Identifier: GPL-2.0-or-later
// This file is another program that runs beside the daemon, without a shell.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace dmarace::daemon {

class Command {
public:
    // words[0] is a path. Its signals are unblocked, its stdin is empty; stdout and
    // stderr are the daemon's.
    static Result<Command> start(const std::vector<std::string>& words);
    Command(Command&& other) noexcept;
    Command& operator=(Command&&) = delete;
    // Kills and reaps one that still runs.
    ~Command();

    int pidfd() const { return pidfd_.get(); } // readable when it has ended
    void kill(int signal) const;
    // Its exit code, or 128 and the signal, once it has ended; without waiting.
    std::optional<int> ended();

private:
    Command() = default;
    pid_t pid_ = -1;
    UniqueFd pidfd_;
    std::optional<int> code_;
};

} // namespace dmarace::daemon
