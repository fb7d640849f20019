// SPDX-License-Identifier: GPL-2.0-or-later
// Other programs: no shell, no orphan, output where it is wanted.
#pragma once

#include "base/error.hpp"
#include "base/files.hpp"

#include <sys/types.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dmarace {

// A root directory to run in, with host directories shown inside it. The binds
// live in a mount namespace of the child: they end with it, whatever happens.
struct Jail {
    std::filesystem::path root;
    std::vector<std::pair<std::filesystem::path, std::filesystem::path>> binds; // host, inside
};

struct Command {
    std::vector<std::string> argv;                    // argv[0] is looked up in PATH
    std::map<std::string, std::string> environment{}; // added to ours
    std::filesystem::path directory{};                // "" stays where we are
    std::filesystem::path log{}; // stdout and stderr are appended here; "" captures them
    std::optional<Jail> jail{};
    // Stays in our process group and is not killed when we are: what must not be
    // cut short, or has books of its own.
    bool outlives_us = false;
};

struct Finished {
    int status = 0;     // exit code, or 128 + signal
    std::string output; // stdout, when nothing was logged
    std::string errors; // stderr, when nothing was logged
};

// A running program. The owner kills and reaps it when it goes out of scope; it
// gets SIGKILL when we die, however we die, unless it outlives us.
class Process {
public:
    // Of a child that fork() has made; one that cannot be followed is killed. reap_ms: how long
    // its end is waited for at ours. One that is stuck in the kernel is left to init.
    static Result<Process> of_child(pid_t pid, int reap_ms = 10'000);
    Process(Process&& other) noexcept;
    Process& operator=(Process&&) = delete;
    ~Process();

    pid_t pid() const { return pid_; }
    int pidfd() const { return pidfd_.get(); } // readable when it has ended
    void kill(int signal = SIGKILL) const;
    // How long its owner waits for its end, once killed.
    void reap_within(int ms) { reap_ms_ = ms; }
    // Asks the program and all that it started to end, as a terminal's ctrl-c would.
    void interrupt() const;
    // Its exit code or 128 + signal. Waits up to timeout_ms (-1: for ever); nothing
    // while it still runs.
    std::optional<int> wait(int timeout_ms);

private:
    Process(pid_t pid, UniqueFd pidfd, int reap_ms)
        : pid_(pid), pidfd_(std::move(pidfd)), reap_ms_(reap_ms) {}

    pid_t pid_;
    UniqueFd pidfd_;
    int reap_ms_;
    std::optional<int> status_{};
};

// Starts the command. out and err become its stdout and stderr; stdin is 'in', or /dev/null
// without one, and no signal is blocked.
Result<Process> start_command(const Command& command, int out, int err, int in = -1);

// Runs the command to its end. An error only if it could not be started; a
// program that is not installed is named.
Result<Finished> run_to_end(const Command& command);

// Runs a command that must succeed: its failure is an error "WHAT: last line
// of its stderr".
Result<std::string> run_checked(const Command& command, const std::string& what);

// Where PATH (and the sbin directories) have the program; "" if nowhere.
std::filesystem::path find_program(const std::string& name);

// For main(): a standard descriptor that is closed would become the first file that is opened, and
// what is said to somebody would be written there. It takes nothing afterwards, as before.
void keep_standard_descriptors();

} // namespace dmarace
