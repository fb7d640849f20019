// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/service.hpp"

#include "base/process.hpp"
#include "base/text.hpp"
#include "run/record.hpp"
#include "run/request.hpp"
#include "run/run_dir.hpp"

#include <poll.h>
#include <unistd.h>

#ifdef DMARACE_SYSTEMD
// No path of the machine that built it: the same sources give the same bytes anywhere.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include <sys/uio.h>
#endif

#include <nlohmann/json.hpp>

#include <sys/inotify.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <vector>

namespace dmarace::daemon {

namespace {

// What the entry's run is given: a job's name, or the file that is one itself.
std::string job_of(const Entry& entry, const std::string& path) {
    return entry.job.empty() ? path : entry.job;
}

} // namespace

bool Triggers::waits(const Entry& entry, const std::string& path) const {
    return entry.trigger.empty() && trigger_of_ && trigger_of_(job_of(entry, path)).has_value();
}

std::uint64_t Triggers::newest() const {
    return leading_number(files_.read("/sys/kernel/uevent_seqnum").value_or(""));
}

bool Triggers::is_own(const board::Uevent& event) const {
    return event.number > own_from_ && event.number <= own_to_;
}

bool Triggers::is_queued(const std::string& trigger) const {
    for (const auto shelf : {Shelf::fresh, Shelf::running})
        for (const auto& name : spool_.list(shelf))
            if (const auto entry = spool_.entry(shelf, name); entry && entry->trigger == trigger)
                return true;
    return false;
}

std::string Triggers::fire(const std::string& name, const Entry& entry,
                           const board::Uevent& event) const {
    Entry fired = entry;
    fired.job = job_of(entry, spool_.path_of(Shelf::trigger, name).string());
    fired.trigger = name;
    fired.event = event.action + " " + event.subsystem + "/" + event.name;
    if (const auto added = spool_.add(queue::entry_name(fired.job), queue::to_text(fired)); !added)
        return added.error().message;
    return fired.event + " starts " + fired.job;
}

std::vector<std::string> Triggers::take(std::vector<board::Uevent> events) {
    for (const auto& event : events)
        seen_ = std::max(seen_, event.number);
    std::erase_if(events, [this](const auto& event) { return is_own(event); });
    std::vector<std::string> said;
    if (events.empty() || !trigger_of_)
        return said;
    for (const auto& name : spool_.list(Shelf::trigger)) {
        const auto entry = spool_.entry(Shelf::trigger, name);
        if (!entry)
            continue;
        const auto trigger =
            trigger_of_(job_of(*entry, spool_.path_of(Shelf::trigger, name).string()));
        for (const auto& event : events) {
            const job::TriggerEvent seen{
                event.action, event.subsystem, event.name, event.driver,
                [&](const std::string& file) -> std::optional<std::string> {
                    auto value = files_.read(event.path + "/" + file);
                    return value ? std::optional(*std::move(value)) : std::nullopt;
                }};
            if (!trigger || !job::matches(*trigger, seen) || is_queued(name))
                continue;
            said.push_back(fire(name, *entry, event));
        }
    }
    return said;
}

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

// To systemd: readiness, watchdog, journal. Without it, or built without its library,
// the same words go to stderr and nobody waits.
enum class LogLevel { error = 3, warning = 4, notice = 5, info = 6 }; // those of syslog

#ifdef DMARACE_SYSTEMD
void notify(const std::string& text) { ::sd_notify(0, text.c_str()); }

bool log_to_journal(LogLevel level, const std::string& message,
                    const std::map<std::string, std::string>& fields) {
    if (!std::getenv("JOURNAL_STREAM"))
        return false;
    std::vector<std::string> texts{"MESSAGE=" + message,
                                   "PRIORITY=" + std::to_string(static_cast<int>(level)),
                                   "SYSLOG_IDENTIFIER=dmaraced"};
    for (const auto& [name, value] : fields)
        texts.push_back(name + "=" + value);
    std::vector<iovec> parts;
    for (auto& text : texts)
        parts.push_back({text.data(), text.size()});
    return ::sd_journal_sendv(parts.data(), static_cast<int>(parts.size())) == 0;
}
#else
void notify(const std::string&) {}

bool log_to_journal(LogLevel, const std::string&, const std::map<std::string, std::string>&) {
    return false;
}
#endif

// How often a sign of life is wanted; zero when nobody watches.
std::chrono::milliseconds beat() {
#ifdef DMARACE_SYSTEMD
    std::uint64_t wanted = 0;
    if (::sd_watchdog_enabled(0, &wanted) > 0)
        return std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::microseconds(wanted / 2));
#endif
    return std::chrono::milliseconds::zero();
}

void tell_ready() { notify("READY=1"); }

void tell_alive() { notify("WATCHDOG=1"); }

void tell_status(const std::string& text) { notify("STATUS=" + text); }

void tell_stopping() { notify("STOPPING=1"); }

// One line; the fields ("DMARACE_JOB") can be searched for in the journal.
void log(LogLevel level, const std::string& message,
         const std::map<std::string, std::string>& fields = {}) {
    if (log_to_journal(level, message, fields))
        return;
    std::cerr << "dmaraced: " << message;
    for (const auto& [name, value] : fields)
        std::cerr << " " << name << "=" << value;
    std::cerr << "\n";
}

constexpr std::chrono::milliseconds kIdle{10'000};

// Its stdout and stderr are ours.
Result<Process> start_beside(std::vector<std::string> words) {
    return start_command({.argv = std::move(words), .outlives_us = true}, STDOUT_FILENO,
                         STDERR_FILENO);
}

std::string meaning(int code) {
    constexpr std::array kMeanings{"pass", "fail, crash or hang", "bad job or options", "error",
                                   "skip", "inconclusive"};
    if (code == kExitInterrupted)
        return "interrupted";
    if (code == kExitTimeout)
        return "out of time";
    return code >= 0 && code < static_cast<int>(kMeanings.size())
               ? kMeanings[static_cast<std::size_t>(code)]
           : code > 128 ? "ended by signal " + std::to_string(code - 128)
                        : "exit code " + std::to_string(code);
}

// The journal of an entry's run; none where it was not even begun.
std::optional<run::Run> run_in(const fs::path& out) {
    const auto journal = read_text(out / run::files::kJournal);
    auto read = journal ? run::read_journal(*journal) : std::unexpected(journal.error());
    return read ? std::optional(*std::move(read)) : std::nullopt;
}

// What the run itself says, where it came so far.
std::string verdict_in(const fs::path& out, int code) {
    const auto result = read_text(out / run::files::kResult);
    const auto json = nlohmann::json::parse(result.value_or(""), nullptr, false);
    return json.is_object() && json.contains("verdict") && json["verdict"].is_string()
               ? json["verdict"].get<std::string>()
               : meaning(code);
}

// An error that was there before the run: else the run has written down its own end.
bool is_of_machine(const fs::path& out, int code) {
    using enum run::RunEnding;
    const auto run = run_in(out);
    const bool told = run && run->end && run->end->how != boot_again &&
                      run->end->how != run::RunEnding::reboot && run->end->how != interrupted;
    return code == kExitEnvironment && !told;
}

class Service {
public:
    Service(Spool spool, const ServiceOptions& options)
        : spool_(std::move(spool)), options_(options), triggers_(spool_, options_.trigger_of) {}

    int serve() {
        if (const auto begun = begin(); !begun) {
            log(LogLevel::error, begun.error().message);
            return kExitEnvironment;
        }
        tell_ready();
        while (!over()) {
            if (!command_ && !stopping_)
                if (const auto started = next(); !started) {
                    log(LogLevel::error, started.error().message);
                    return kExitEnvironment;
                }
            // What was refused leaves the next one to be tried at once.
            if (!command_ && restored_ && may_begin() && !stopping_ &&
                !spool_.list(Shelf::fresh).empty())
                continue;
            wait();
            take_signals();
            take_events();
            cancel_if_asked();
            if (command_)
                if (const auto code = command_->wait(0))
                    ended(*code);
        }
        return broken_ || !spool_.stopped().empty() ? kExitEnvironment : 0;
    }

private:
    enum class Work { none, restore, run };

    bool may_begin() const { return waits_for_boot_.empty() && spool_.stopped().empty(); }

    // Who starts the daemon again has looked at what had stopped the queue.
    Status begin() {
        TRY(spool_.go_on());
        std::error_code ec;
        fs::create_directories(options_.results, ec);
        if (ec)
            return fail_errno("cannot make " + options_.results.string(), ec.value());
        sigset_t set;
        ::sigemptyset(&set);
        ::sigaddset(&set, SIGTERM);
        ::sigaddset(&set, SIGINT);
        ::sigprocmask(SIG_BLOCK, &set, nullptr);
        signals_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
        inotify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
        if (!signals_ || !inotify_)
            return fail_errno("cannot wait for signals and files");
        for (const auto shelf : {Shelf::fresh, Shelf::running})
            if (::inotify_add_watch(inotify_.get(), spool_.path_of(shelf).c_str(),
                                    IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE) < 0)
                return fail_errno("cannot watch " + spool_.path_of(shelf).string());
        if (!options_.trigger_of)
            return {};
        if (auto monitor = board::Monitor::open(board::Monitor::Source::udev))
            monitor_.emplace(*std::move(monitor));
        else
            log(LogLevel::warning, "no event starts a job: " + monitor.error().message);
        return {};
    }

    // What an earlier daemon's run left is restored before anything else is run.
    Status next() {
        if (!restored_) {
            TRY_AS(auto command, start_beside({options_.program, "restore"}));
            triggers_.run_begins();
            command_.emplace(std::move(command));
            work_ = Work::restore;
            return {};
        }
        if (!may_begin())
            return {};
        if (const auto running = spool_.list(Shelf::running); !running.empty())
            return start_run(running.front());
        for (const auto& name : spool_.odd_names())
            if (told_odd_.insert(name).second)
                log(LogLevel::warning,
                    spool_.path_of(Shelf::fresh, name).string() + " " + queue::kOddName);
        const auto fresh = spool_.list(Shelf::fresh);
        if (fresh.empty()) {
            tell_status("the queue is empty");
            return {};
        }
        // Read where it lies: what is refused was never run.
        const auto entry = spool_.entry(Shelf::fresh, fresh.front());
        if (!entry) {
            refuse(fresh.front(), Shelf::fresh, entry.error().message);
            return {};
        }
        if (triggers_.waits(*entry, spool_.path_of(Shelf::fresh, fresh.front()).string()))
            return put_aside(fresh.front());
        TRY(spool_.move(fresh.front(), Shelf::fresh, Shelf::running));
        return start_run(fresh.front());
    }

    // An entry that is in run/ already was cut off, by a stop or by a boot.
    Status start_run(const std::string& name) {
        const auto entry = spool_.entry(Shelf::running, name);
        if (!entry) {
            refuse(name, Shelf::running, entry.error().message);
            return {};
        }
        const auto path = spool_.path_of(Shelf::running, name).string();
        std::vector<std::string> words{options_.program, run::words::kRun,
                                       entry->job.empty() ? path : entry->job};
        words.insert(words.end(), entry->args.begin(), entry->args.end());
        const auto out = (options_.results / fs::path(name).stem()).string();
        std::ranges::move(run::words_of_starter(out, run::Fresh::risky), std::back_inserter(words));
        // Before it: what came until now is not the run's doing.
        take_events();
        triggers_.run_begins();
        TRY_AS(auto command, start_beside(words));
        command_.emplace(std::move(command));
        work_ = Work::run;
        running_ = name;
        cancelled_ = false;
        began_ = Clock::now();
        log(LogLevel::info, "running " + words[2],
            {{"DMARACE_ENTRY", name}, {"DMARACE_RESULTS", out}});
        tell_status("running " + name);
        return {};
    }

    void refuse(const std::string& name, Shelf from, const std::string& why) {
        log(LogLevel::error, why, {{"DMARACE_ENTRY", name}});
        if (const auto moved = spool_.move(name, from, Shelf::bad); !moved) {
            log(LogLevel::error, moved.error().message);
            broken_ = true;
        }
    }

    void ended(int code) {
        const auto was = std::exchange(work_, Work::none);
        command_.reset();
        if (was != Work::none)
            triggers_.run_ends();
        if (was == Work::restore) {
            restored_ = true;
            if (code != 0)
                log(LogLevel::warning, "dmarace restore ended with " + std::to_string(code));
        }
        if (was == Work::run)
            run_ended(code);
    }

    void run_ended(int code) {
        const auto out = options_.results / fs::path(running_).stem();
        const std::map<std::string, std::string> fields{{"DMARACE_ENTRY", running_},
                                                        {"DMARACE_EXIT", std::to_string(code)},
                                                        {"DMARACE_RESULTS", out.string()}};
        if (stopping_) {
            log(LogLevel::notice, "stopped; it is taken up again at the next start", fields);
            return;
        }
        if (auto why = cancelled_ ? std::nullopt : run::take_boot_again(out)) {
            waits_for_boot_ = *std::move(why);
            log(LogLevel::warning, "the machine has to be booted again: " + waits_for_boot_,
                fields);
            tell_status("waits for a boot: " + waits_for_boot_);
            boot();
            return;
        }
        log(code == 0 ? LogLevel::info : LogLevel::warning,
            (cancelled_ ? "cancelled" : meaning(code)), fields);
        put_aside_done(code, out);
    }

    void put_aside_done(int code, const fs::path& out) {
        using std::chrono::seconds;
        const auto verdict = cancelled_ ? "cancelled" : verdict_in(out, code);
        auto done = spool_.put_end(
            running_,
            {.verdict = verdict,
             .exit = code,
             .seconds = std::chrono::duration_cast<seconds>(Clock::now() - began_).count(),
             .ended = utc_now("%Y-%m-%dT%H:%M:%SZ")});
        if (done)
            done = spool_.move(running_, Shelf::running, Shelf::done);
        if (done && !cancelled_ && is_of_machine(out, code))
            done = stop();
        if (!done) {
            log(LogLevel::error, done.error().message);
            broken_ = true;
        }
    }

    // What kept this entry from being begun (no module, no root, a full disk) keeps the next one.
    Status stop() {
        const auto why = running_ + " could not be begun here: an error of the machine, not of "
                                    "the job; once it is mended 'dmarace queue continue' goes on";
        log(LogLevel::error, "the queue stops: " + why, {{"DMARACE_ENTRY", running_}});
        tell_status("stopped: " + why);
        return spool_.stop(why);
    }

    void boot() {
        if (options_.reboot.empty())
            return;
        auto command = start_beside({options_.reboot});
        if (command)
            command_.emplace(*std::move(command));
        else
            log(LogLevel::error, command.error().message);
    }

    // 'dmarace queue cancel' of a running entry leaves a file beside it.
    void cancel_if_asked() {
        std::error_code ec;
        const auto asked = spool_.path_of(Shelf::running, running_ + ".cancel");
        if (work_ != Work::run || cancelled_ || !fs::exists(fs::symlink_status(asked, ec)))
            return;
        fs::remove(asked, ec);
        cancelled_ = true;
        command_->kill(SIGINT);
    }

    void take_events() {
        if (!monitor_)
            return;
        for (const auto& line : triggers_.take(monitor_->take()))
            log(LogLevel::info, line);
        if (monitor_->lost() > std::exchange(lost_, monitor_->lost()))
            log(LogLevel::warning,
                "events were lost: too many came at once, and a trigger may not have "
                "fired");
    }

    // What waits for an event is run when one comes.
    Status put_aside(const std::string& name) {
        log(LogLevel::info, "waits for an event", {{"DMARACE_ENTRY", name}});
        return spool_.move(name, Shelf::fresh, Shelf::trigger);
    }

    void take_signals() {
        signalfd_siginfo info{};
        while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
            if (std::exchange(stopping_, true))
                continue;
            tell_stopping();
            kill_at_ = Clock::now() + options_.grace;
            if (command_)
                command_->kill(SIGINT);
        }
        if (stopping_ && command_ && Clock::now() >= kill_at_)
            command_->kill(SIGKILL);
    }

    void wait() {
        std::array<pollfd, 4> fds{pollfd{signals_.get(), POLLIN, 0},
                                  pollfd{inotify_.get(), POLLIN, 0},
                                  pollfd{command_ ? command_->pidfd() : -1, POLLIN, 0},
                                  pollfd{monitor_ ? monitor_->descriptor() : -1, POLLIN, 0}};
        auto limit = beat().count() > 0 ? std::min(beat(), kIdle) : kIdle;
        if (stopping_)
            limit = std::clamp(
                std::chrono::duration_cast<std::chrono::milliseconds>(kill_at_ - Clock::now()),
                std::chrono::milliseconds(10), std::chrono::milliseconds(500));
        ::poll(fds.data(), fds.size(), static_cast<int>(limit.count()));
        std::array<char, 4096> events{};
        while (::read(inotify_.get(), events.data(), events.size()) > 0)
            continue;
        tell_alive();
    }

    bool over() const {
        if (stopping_)
            return !command_;
        if (broken_)
            return true;
        const bool empty = spool_.list(Shelf::fresh).empty() && spool_.list(Shelf::running).empty();
        return options_.once && !command_ && restored_ && (empty || !may_begin());
    }

    Spool spool_;
    const ServiceOptions& options_;
    Triggers triggers_;
    std::optional<board::Monitor> monitor_; // of udev's events
    UniqueFd signals_, inotify_;
    std::optional<Process> command_;
    Work work_ = Work::none;
    std::string running_;        // the entry
    Clock::time_point began_{};  // .. its run
    std::string waits_for_boot_; // why nothing further runs on this boot
    std::set<std::string> told_odd_;
    unsigned lost_ = 0; // events, as far as that was told
    bool restored_ = false, stopping_ = false, cancelled_ = false, broken_ = false;
    std::chrono::steady_clock::time_point kill_at_{};
};

} // namespace

int serve(Spool spool, const ServiceOptions& options) {
    return Service(std::move(spool), options).serve();
}

} // namespace dmarace::daemon
