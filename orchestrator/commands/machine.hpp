// SPDX-License-Identifier: GPL-2.0-or-later
// What a command needs of this machine and its user: the module, the simulated board, Ctrl-C,
// a place to show progress; and what its kernel allows.
#pragma once

#include "base/files.hpp"
#include "board/control.hpp"
#include "board/files.hpp"
#include "board/kernel.hpp"
#include "campaign/survey.hpp"
#include "check/page.hpp"
#include "commands/commands.hpp"
#include "job/job.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dmarace::commands {

// --module, and the modules of this board with those that it, or $DMARACE_MODULE, gives.
void add_module_option(po::options_description& visible);
Result<board::Modules> modules_for(const Parsed& parsed);

// --allow, and what its files know of this board.
inline constexpr const char* kAllowHelp =
    "FILE whose [[allow]] tables hold for every job: what is known of this board; repeatable";
Result<std::vector<job::Allow>> allowed_by(const Parsed& parsed);

// Where runs make their directories when --out names none: $DMARACE_OUT, or here.
std::filesystem::path results_place();
// .. and the one of this run: a job's, or a check's.
std::string default_out(const std::string& what);

// Root, the module loaded (inserted when it is not), the device opened. Each
// thing that lacks is an error with its remedy.
Result<std::unique_ptr<board::Control>> open_module(const board::Modules& modules);

// Blocks SIGINT, SIGTERM and SIGHUP for the process and counts them. The second signal
// ends the process at once: closing the control device releases every hold.
class SignalInterrupts final : public campaign::RunInterrupts {
public:
    // After 'limit' it is as if a signal had come.
    explicit SignalInterrupts(std::optional<std::chrono::nanoseconds> limit = std::nullopt);
    int descriptor() const override { return fd_.get(); }
    unsigned count() override;
    std::string why() const override {
        return out_of_time_ ? "interrupted: out of time (--timeout)" : "interrupted";
    }
    int exit_code() const { return out_of_time_ ? kExitTimeout : kExitInterrupted; }

private:
    UniqueFd fd_;
    unsigned count_ = 0, signals_ = 0;            // the end of the time counts, and is no signal
    std::optional<std::chrono::nanoseconds> end_; // on boottime()
    bool out_of_time_ = false;
};

// On stderr: a live line on a terminal, one line an iteration elsewhere.
class TerminalProgress final : public campaign::RunProgress {
public:
    TerminalProgress(std::string job, bool live) : job_(std::move(job)), live_(live) {}
    ~TerminalProgress() override;

    void iteration(unsigned number, unsigned planned) override;
    void doing(const std::string& what) override;
    void judged(unsigned number, const std::string& verdict, const std::string& why) override;
    void note(const std::string& text) override;

    // Is stderr a terminal, or does DMARACE_TTY=1 say that one is behind it?
    static bool stderr_is_live();

private:
    void draw();
    void clear();

    std::string job_;
    bool live_;
    bool drawn_ = false;
    unsigned number_ = 0, planned_ = 0;
    std::string what_;
    std::map<std::string, unsigned> counts_;
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now(), drawn_at_{};
};

using check::DoctorCheck;

struct Host {
    std::string release;        // uname -r
    std::string machine;        // uname -m
    std::string module_release; // what dmarace.ko was built for, "" when there is none
};

// What a client waits for, or gave up waiting for, by its audit: "" when it is in a group, or has
// no IOMMU.
std::string waits_for(const Line& audit, const board::Modules& modules);

// What the module says of each point, by name.
Result<std::map<std::string, Line>> points_here(board::Control& control);
// Those that this kernel lacks, with the reason.
std::map<std::string, std::string> absent_points(const std::map<std::string, Line>& points);

Host this_host(const board::Modules& modules);

// Architecture, root, a /sys that can be written, KPROBES, IOMMU API, lockdown, signatures, the
// module, IOMMU instances, passthrough, deferred_probe_timeout, debugfs.
std::vector<DoctorCheck> machine_checks(const board::Files& files, const Host& host);

} // namespace dmarace::commands
