// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs other programs: no shell, no orphan, output where it is wanted.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dmarace::vm {

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
};

struct Finished {
    int status = 0;     // exit code, or 128 + signal
    std::string output; // stdout, when nothing was logged
    std::string errors; // stderr, when nothing was logged
};

// A running child that gets SIGKILL when we die, however we die. The owner
// kills and reaps it when it goes out of scope.
class Child {
public:
    Child(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;
    ~Child();

    int pidfd() const { return pidfd_.get(); }
    void kill();
    // Asks the child and all that it started to end, as a terminal's ctrl-c would.
    void interrupt();
    // Waits up to timeout_ms (-1: for ever); nothing while it still runs.
    std::optional<int> wait(int timeout_ms);

private:
    pid_t pid_;
    UniqueFd pidfd_;
    std::optional<int> status_;
};

// Starts the command. out and err become its stdout and stderr; stdin is /dev/null.
Result<Child> start(const Command& command, int out, int err);

// Runs the command to its end. An error only if it could not be started; a
// program that is not installed is named.
Result<Finished> run(const Command& command);

// Runs a command that must succeed: its failure is an error "WHAT: last line
// of its stderr".
Result<std::string> run_checked(const Command& command, const std::string& what);

// Where PATH (and the sbin directories) have the program; "" if nowhere.
std::filesystem::path find_program(const std::string& name);

} // namespace dmarace::vm
