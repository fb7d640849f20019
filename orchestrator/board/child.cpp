// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/child.hpp"

#include "kmod/dmarace_abi.h"

#include <poll.h>

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstdlib>

namespace dmarace::board {

namespace {

constexpr std::size_t kPacketMax = 64 * 1024;
constexpr auto kKillLimit = std::chrono::milliseconds(2000);

// Runs in the child; never returns.
[[noreturn]] void run_child(const std::string& name, pid_t parent, Channel channel,
                            const std::function<void()>& before,
                            const std::function<int(Channel&)>& work) {
    before();
    ::prctl(PR_SET_NAME, name.c_str());
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent)
        ::_exit(1);
    // A Ctrl-C at the terminal is the parent's to handle.
    ::signal(SIGINT, SIG_IGN);
    ::signal(SIGTERM, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::_exit(work(channel));
}

} // namespace

Status Channel::send(const Line& line) const {
    const auto text = to_text(line);
    if (::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0)
        return fail_errno("cannot write to a child process");
    return {};
}

std::optional<Line> Channel::receive(std::chrono::milliseconds limit) const {
    pollfd waiting{fd_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(limit.count())) <= 0)
        return std::nullopt;
    std::string packet(kPacketMax, '\0');
    const auto got = ::recv(fd_.get(), packet.data(), packet.size(), 0);
    if (got <= 0)
        return std::nullopt;
    packet.resize(static_cast<std::size_t>(got));
    auto line = parse_line(packet);
    return line ? std::optional(*std::move(line)) : std::nullopt;
}

Result<Child> Child::start(const std::string& name, const std::function<void()>& before,
                           const std::function<int(Channel&)>& work) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) < 0)
        return fail_errno("cannot make a socket pair");
    UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0)
        return fail_errno("cannot fork");
    if (pid == 0) {
        ours.reset();
        run_child(name, parent, Channel(std::move(theirs)), before, work);
    }
    Child child;
    child.pid_ = pid;
    child.channel_ = Channel(std::move(ours));
    child.pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!child.pidfd_)
        return fail_errno("cannot open a pidfd");
    return child;
}

Child::~Child() {
    if (!pidfd_ || ended())
        return;
    kill(SIGKILL);
    wait(kKillLimit);
}

std::optional<int> Child::ended() {
    return wait(std::chrono::milliseconds(0));
}

void Child::kill(int signal) const {
    ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

std::optional<int> Child::wait(std::chrono::milliseconds limit) {
    if (status_)
        return status_;
    pollfd waiting{pidfd_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(limit.count())) <= 0)
        return std::nullopt;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_)
        return std::nullopt;
    status_ = status;
    return status_;
}

} // namespace dmarace::board
