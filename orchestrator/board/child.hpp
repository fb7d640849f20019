// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs work in a child process that talks to its parent in lines.
// Whatever may wait for a lock of the kernel under test runs in one of these.
#pragma once

#include "base/error.hpp"
#include "base/line.hpp"
#include "base/unique_fd.hpp"

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace dmarace::board {

// One end of a SOCK_SEQPACKET pair; a packet is a Line.
class Channel {
public:
    Channel() = default;
    explicit Channel(UniqueFd fd) : fd_(std::move(fd)) {}
    Status send(const Line& line) const;
    // The next line; nothing when the other side is gone or 'limit' passed.
    std::optional<Line> receive(std::chrono::milliseconds limit) const;
    int descriptor() const { return fd_.get(); }
    void close() { fd_.reset(); }

private:
    UniqueFd fd_;
};

class Child {
public:
    // Forks; the child runs 'work' with its end of the channel and exits with
    // what it returns. 'before' runs first in the child, to give up what it
    // must not keep open. The child dies with its parent.
    static Result<Child> start(const std::string& name, const std::function<void()>& before,
                               const std::function<int(Channel&)>& work);
    Child(Child&&) = default;
    Child& operator=(Child&&) = default;
    // Kills and reaps a child that still runs, unless it is stuck in the kernel.
    ~Child();

    pid_t pid() const { return pid_; }
    Channel& channel() { return channel_; }
    // For poll(): readable when the child has ended.
    int pidfd() const { return pidfd_.get(); }
    // The wait status once it has ended, without waiting.
    std::optional<int> ended();
    void kill(int signal) const;
    // Waits at most 'limit' for its end.
    std::optional<int> wait(std::chrono::milliseconds limit);

private:
    Child() = default;
    pid_t pid_ = -1;
    UniqueFd pidfd_;
    Channel channel_;
    std::optional<int> status_;
};

} // namespace dmarace::board
