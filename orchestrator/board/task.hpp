// SPDX-License-Identifier: GPL-2.0-or-later
// Children, and where in the kernel a task sleeps. Whatever may wait for a lock of the
// kernel under test runs in a child, which talks to its parent in lines.
#pragma once

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "board/files.hpp"

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace dmarace::board {

// One end of a SOCK_SEQPACKET pair; a packet is a Line.
class Channel {
public:
    Channel() = default;
    explicit Channel(UniqueFd fd) : fd_(std::move(fd)) {}
    Status send(const Line& line) const;
    // The next line; nothing when the other side is gone or 'limit' passed. What is no line is
    // one without a verb, with its beginning as "text".
    std::optional<Line> receive(std::chrono::milliseconds limit) const;
    int descriptor() const { return fd_.get(); }
    void close() { fd_.reset(); }

private:
    UniqueFd fd_;
};

class ForkedChild {
public:
    // Forks; the child runs 'work' with its end of the channel and exits with
    // what it returns. 'before' runs first in the child, to give up what it
    // must not keep open. The child dies with its parent.
    static Result<ForkedChild> start(const std::string& name, const std::function<void()>& before,
                                     const std::function<int(Channel&)>& work);

    pid_t pid() const { return process_.pid(); }
    Channel& channel() { return channel_; }
    // For poll(): readable when the child has ended.
    int pidfd() const { return process_.pidfd(); }
    // Its exit code or 128 + signal once it has ended, without waiting.
    std::optional<int> ended() { return process_.wait(0); }
    void kill(int signal) const { process_.kill(signal); }
    // Nobody waits for its end: it sleeps in the kernel and takes no signal.
    void give_up() { process_.reap_within(0); }
    // Waits at most 'limit' for its end.
    std::optional<int> wait(std::chrono::milliseconds limit) {
        return process_.wait(static_cast<int>(limit.count()));
    }

private:
    ForkedChild(Process process, Channel channel)
        : process_(std::move(process)), channel_(std::move(channel)) {}

    Process process_;
    Channel channel_;
};

// What a child tells its parent.
class ChildTelling {
public:
    explicit ChildTelling(Channel& channel) : channel_(channel) {}
    void line(const Line& line);
    // What it does next, and may never end.
    void at(const std::string& what);
    bool failed() const { return failed_; }

private:
    Channel& channel_;
    bool failed_ = false;
};

// Has 'work' done by a child that keeps no file of ours open: what it told. Silence for longer
// than 'limit' is an error that says what the child was at and where in the kernel it sleeps; it is
// left there.
Result<std::vector<Line>> told_in_time(const std::string& what,
                                       const std::function<void(ChildTelling&)>& work,
                                       std::chrono::milliseconds limit = std::chrono::seconds(30));

// Reads of sysfs that wait for locks of devices and groups come back: no task is stuck with one.
// Else what this dmarace would read next it would never end reading.
Status kernel_answers_reads(const Files& files,
                            std::chrono::milliseconds limit = std::chrono::seconds(30));

// From /proc.
struct TaskState {
    char state = '?';           // as /proc/PID/stat has it
    std::uint64_t switches = 0; // voluntary context switches
    std::string stack;          // one function a line, "" if it cannot be read

    // It sleeps in the kernel on a mutex, a rwsem or a device lock, and not in
    // a hold of ours.
    bool on_lock() const;
    // .. or until a file of sysfs is let go that it removes: another task has to do that.
    bool waits_for_another() const;
};

TaskState task_state(const Files& files, pid_t pid);
// Whether a task of the machine runs, or sleeps and takes no signal, beside these and ourselves.
bool others_at_work(const Files& files, const std::set<pid_t>& beside);

// Every task of the machine that sleeps and takes no signal (state D), as
// "comm[pid]" with its stack: who waits for what when something is stuck.
struct UninterruptibleTask {
    std::string name;
    std::string stack;
};
std::vector<UninterruptibleTask> blocked_tasks(const Files& files);

// Notices an actor that sleeps in the kernel on a lock while a hold waits for it: the fix
// at work, when the fix is a lock. Watches one actor, for locks whose owner the module does not
// know. It counts as blocked once it has been seen on the same lock, without a context switch, for
// as long as 'kBlockedFor'.
class BlockedWatch {
public:
    static constexpr std::chrono::milliseconds kBlockedFor{300};

    // Feeds one look; true the first time the actor counts as blocked.
    bool look(const TaskState& state, std::chrono::steady_clock::time_point now);
    // The module knows on whose lock it is: nothing is to be told until it has left it.
    void know() { known_ = true; }
    // A step ended: what was seen before says nothing about the next one.
    void forget();
    const std::string& stack() const { return stack_; }

private:
    std::string stack_;
    std::uint64_t switches_ = 0;
    std::chrono::steady_clock::time_point since_;
    bool seen_ = false;
    bool told_ = false;
    bool known_ = false;
};

} // namespace dmarace::board
