// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <sstream>
#include <string_view>

namespace dmarace {
namespace fs = std::filesystem;
namespace {

constexpr int kCannotStart = 127;

[[noreturn]] void give_up(const char* what) {
    dprintf(STDERR_FILENO, "%s: %s\n", what, std::strerror(errno));
    _exit(kCannotStart);
}

// In the child, between fork and exec.
void enter(const Jail& jail) {
    if (unshare(CLONE_NEWNS) != 0)
        give_up("private mount namespace");
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        give_up(errno == EINVAL ? "private mounts: this is a chroot whose / is no mount point "
                                  "(outside: mount --bind DIR DIR)"
                                : "private mounts");
    for (const auto& [host, inside] : jail.binds) {
        const fs::path target = jail.root / inside.relative_path();
        if (mount(host.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
            give_up(target.c_str());
    }
    if (chroot(jail.root.c_str()) != 0 || chdir("/") != 0)
        give_up(jail.root.c_str());
}

// What exec() is told, made before the fork: another thread may have held the allocator's lock
// in that moment, and the child would wait for it for ever.
class ExecWords {
public:
    explicit ExecWords(const Command& command) {
        for (const std::string& argument : command.argv)
            argv_.push_back(const_cast<char*>(argument.c_str()));
        argv_.push_back(nullptr);
        for (char** at = environ; *at != nullptr; ++at)
            if (const std::string_view word(*at);
                !command.environment.contains(std::string(word.substr(0, word.find('=')))))
                environment_.push_back(*at);
        for (const auto& [key, value] : command.environment)
            added_.push_back(key + "=" + value);
        for (std::string& word : added_)
            environment_.push_back(word.data());
        environment_.push_back(nullptr);
    }
    char* const* argv() const { return argv_.data(); }
    char** environment() { return environment_.data(); }

private:
    std::vector<char*> argv_, environment_;
    std::vector<std::string> added_;
};

[[noreturn]] void become(const Command& command, ExecWords& words, int in, int out, int err,
                         pid_t parent) {
    if (!command.outlives_us) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(kCannotStart);
        // A terminal's ctrl-c is ours to handle; the child hears of it from us.
        setpgid(0, 0);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (in < 0)
        in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (in < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(err, STDERR_FILENO) < 0)
        _exit(kCannotStart);
    if (command.jail)
        enter(*command.jail);
    if (!command.directory.empty() && chdir(command.directory.c_str()) != 0)
        give_up(command.directory.c_str());
    environ = words.environment();
    execvp(words.argv()[0], words.argv());
    give_up(words.argv()[0]);
}

struct Pipe {
    UniqueFd read, write;
};

Result<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
        return fail_errno("pipe");
    return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Reads both pipes to their ends.
void drain(Pipe& out, Pipe& err, Finished& finished) {
    std::array<pollfd, 2> fds{{{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}}};
    const std::array<std::string*, 2> texts{&finished.output, &finished.errors};
    std::array<char, 16384> buffer{};
    int open_pipes = 2;
    while (open_pipes > 0) {
        if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR)
            return;
        for (std::size_t i = 0; i < fds.size(); ++i) {
            if (fds[i].fd < 0 || fds[i].revents == 0)
                continue;
            const ssize_t got = read(fds[i].fd, buffer.data(), buffer.size());
            if (got > 0) {
                texts[i]->append(buffer.data(), static_cast<std::size_t>(got));
            } else if (got == 0 || errno != EINTR) {
                fds[i].fd = -1;
                --open_pipes;
            }
        }
    }
}

std::string last_line(const std::string& text) {
    std::istringstream lines(text);
    std::string line, last;
    while (std::getline(lines, line))
        if (!line.empty())
            last = line;
    return last;
}

} // namespace

Result<Process> Process::of_child(pid_t pid, int reap_ms) {
    const long pidfd = syscall(SYS_pidfd_open, pid, 0);
    if (pidfd >= 0)
        return Process(pid, UniqueFd(static_cast<int>(pidfd)), reap_ms);
    const int saved = errno;
    ::kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return fail_errno("pidfd_open", saved);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)),
      reap_ms_(other.reap_ms_), status_(other.status_) {}

Process::~Process() {
    if (pid_ < 0 || status_)
        return;
    kill();
    wait(reap_ms_);
}

void Process::kill(int signal) const {
    if (!status_)
        syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

void Process::interrupt() const {
    if (!status_)
        ::kill(-pid_, SIGINT);
}

std::optional<int> Process::wait(int timeout_ms) {
    if (status_)
        return status_;
    pollfd end{pidfd_.get(), POLLIN, 0};
    int ready = 0;
    do {
        ready = poll(&end, 1, timeout_ms);
    } while (ready < 0 && errno == EINTR && timeout_ms < 0);
    if (ready <= 0)
        return std::nullopt;
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return status_;
}

Result<Process> start_command(const Command& command, int out, int err, int in) {
    const std::string& name = command.argv.front();
    if (!command.jail && find_program(name).empty())
        return name.find('/') != std::string::npos
                   ? fail_errno("cannot start " + name)
                   : fail(Fault::environment,
                          name + " is not installed; scripts/setup.sh installs it");
    ExecWords words(command);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0)
        return fail_errno("fork");
    if (pid == 0)
        become(command, words, in, out, err, parent);
    return Process::of_child(pid);
}

Result<Finished> run_to_end(const Command& command) {
    Finished finished;
    if (!command.log.empty()) {
        const UniqueFd log(
            open(command.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
        if (!log)
            return fail_errno(command.log.string());
        TRY_AS(auto child, start_command(command, log.get(), log.get()));
        finished.status = child.wait(-1).value_or(kCannotStart);
        return finished;
    }
    TRY_AS(auto out, make_pipe());
    TRY_AS(auto err, make_pipe());
    TRY_AS(auto child, start_command(command, out.write.get(), err.write.get()));
    out.write.reset();
    err.write.reset();
    drain(out, err, finished);
    finished.status = child.wait(-1).value_or(kCannotStart);
    return finished;
}

Result<std::string> run_checked(const Command& command, const std::string& what) {
    auto finished = run_to_end(command);
    if (!finished)
        return std::unexpected(std::move(finished.error()).within(what));
    if (finished->status == 0)
        return finished->output;
    std::string why = last_line(finished->errors);
    if (!command.log.empty())
        why = "see " + command.log.string();
    else if (why.empty())
        why = command.argv.front() + " ended with " + std::to_string(finished->status);
    return fail(Fault::environment, what + ": " + why);
}

fs::path find_program(const std::string& name) {
    if (name.find('/') != std::string::npos)
        return access(name.c_str(), X_OK) == 0 ? fs::path(name) : fs::path();
    const char* path = std::getenv("PATH");
    std::istringstream list(std::string(path ? path : "") + ":/usr/sbin:/sbin");
    std::string directory;
    while (std::getline(list, directory, ':'))
        if (!directory.empty() && access((fs::path(directory) / name).c_str(), X_OK) == 0)
            return fs::path(directory) / name;
    return {};
}

void keep_standard_descriptors() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(fd, F_GETFD) < 0)
            (void)::open("/dev/null", O_RDONLY); // the lowest that is free
}

} // namespace dmarace
