// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's loop: one entry of the queue after the other, each
// run by a dmarace of its own, so that whatever befalls a run the queue goes on.
#pragma once

#include "base/process.hpp"
#include "daemon/triggers.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

namespace dmarace::daemon {

struct ServiceOptions {
    std::filesystem::path results = "/var/lib/dmarace"; // a directory for each entry
    std::string program = "/usr/sbin/dmarace";
    std::string reboot;     // program that boots the machine again; "" leaves it to its user
    TriggerOf trigger_of{}; // of a job; without it no entry waits for an event
    bool once = false;      // end when the queue is empty
    // Of the time to end in: how long a run may put its board back.
    std::chrono::milliseconds grace{3500};
};

class Service {
public:
    Service(Spool spool, ServiceOptions options);

    // Until SIGTERM or SIGINT, or the end of the queue with 'once'. A run that is
    // cut off stays in run/ and is taken up again at the next start. 0, or 3 when
    // the results cannot be written.
    int serve();

private:
    enum class Work { none, restore, run };

    Status begin();
    Status next();
    Status start_run(const std::string& name);
    void refuse(const std::string& name, Shelf from, const std::string& why);
    void ended(int code);
    void run_ended(int code);
    void boot();
    void cancel_if_asked();
    void take_events();
    Status put_aside(const std::string& name);
    void take_signals();
    void wait();
    bool over() const;

    Spool spool_;
    ServiceOptions options_;
    Triggers triggers_;
    std::optional<board::Monitor> monitor_; // of udev's events
    UniqueFd signals_, inotify_;
    std::optional<Process> command_;
    Work work_ = Work::none;
    std::string running_;        // the entry
    std::string waits_for_boot_; // why nothing further runs on this boot
    unsigned lost_ = 0;          // events, as far as that was told
    bool restored_ = false, stopping_ = false, cancelled_ = false, broken_ = false;
    std::chrono::steady_clock::time_point kill_at_{};
};

} // namespace dmarace::daemon
