// SPDX-License-Identifier: GPL-2.0-or-later
// A campaign: one job, from the survey of the board to the result; and the same only
// told (preview).
#pragma once

#include "board/boot_files.hpp"
#include "campaign/survey.hpp"
#include "job/help.hpp"
#include "job/plan.hpp"
#include "run/record.hpp"
#include "run/request.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::campaign {

using run::Fresh;

// Why an iteration that was judged so is the last one of this boot; "" if it is
// not. It begins with "hang:", "oops:" or "fresh:". Whoever boots the machine again
// goes on with --resume.
std::string why_boot_again(const verdict::Judgement& judgement, Fresh fresh, job::Risk risk);

// Why the iteration left the kernel in a state in which nothing may be restored (that would
// wait for locks of dead tasks), "" when it did not.
std::string why_untrusted(const verdict::Judgement& judgement);

// So many iterations that the machine did not survive, in the last so many boots.
struct CrashLimit {
    unsigned crashes = 3; // 0: no limit
    unsigned boots = 5;
};

// "3/5", or "none".
Result<CrashLimit> crash_limit_from(std::string_view word);

// Why no further boot is risked, "" while one is. Asked at the start of a boot.
std::string why_stop(const run::Run& run, const CrashLimit& limit);

// Called in each iteration, with its number: when its actors wait to be let go and nothing acts
// yet, and when they are done. In between with what the module says of a task that it holds.
struct ActHooks {
    std::function<Status(unsigned)> before, after;
    std::function<Status(const Line&)> held;
};

struct CampaignOptions {
    Wishes wishes;
    std::optional<unsigned> iterations; // default: the job's own
    std::optional<std::chrono::nanoseconds> duration;
    std::uint64_t seed = 1;
    bool holds = true;
    bool unsafe = false;
    bool resume = false;
    // Iterations are boots of the machine. async: modules whose drivers probe
    // asynchronously there. words: the command that goes on after a boot.
    bool at_boot = false;
    std::vector<std::string> async, words;
    Fresh fresh = Fresh::never;
    CrashLimit crash_limit;
    std::vector<job::Allow> allow; // what is known of this board
    std::filesystem::path out;
    std::uint64_t quota = 0; // what the files in it may take, bytes; 0: what there is
    std::string board;
    const ActHooks* hooks = nullptr; // of iterations on this boot
    // Called with the run whenever there is more to tell of it, but for its end: first, where it
    // is taken up again, with what the earlier call left.
    std::function<void(const run::Run&)> told{};
};

struct Ran {
    run::Run run;
    // Why the machine must be booted before anything else is run on it; "" if it
    // need not. The run itself may have come to its end.
    std::string boot_again;
};

// Runs it to its end, or to that of this boot, and writes its directory. A job that cannot be
// tested here is a run with verdict skip; an Error means that not even that could be written, or
// that the command line was wrong: then nothing was changed. files: where a run whose iterations
// are boots leaves its rules; tests have their own.
Result<Ran> run_job(Machine& machine, RunProgress& progress, RunInterrupts& interrupts,
                    const job::Job& job, const CampaignOptions& options,
                    board::BootFiles files = board::BootFiles());

// A device behind an IOMMU, and what of its arrival comes after the initramfs has
// loaded dmarace: a module of the IOMMU's, its own driver's, or nothing.
struct BootReach {
    std::string device;
    std::vector<std::string> modules; // empty: both are built in

    std::string text() const;
};
// What of this machine's boots a run can reach.
std::vector<BootReach> boot_reach(const Survey& survey);
// What a board would need whose drivers are all built in.
std::string boot_remedy();

// The board as a preview may see it: it reads sysfs, needs neither the module nor root, and
// writes nothing. 'devices' should stand on read-only Files.
struct Onlooker {
    board::Devices devices;
    board::Modules modules;
};

// What each parameter becomes on this board, and why. Errors as resolve().
Result<std::vector<job::Choice>> choices(const job::Job& job, const Survey& survey,
                                         const Wishes& wishes);

// `dmarace run JOB --dry-run`: what would be done to which device. Errors as a run would end with
// before it began: Fault::usage, or Fault::untestable for what would be a skip.
Result<std::string> preview(const Onlooker& board, const job::Job& job,
                            const CampaignOptions& options);

// `dmarace run JOB --help`, with what this board would pick.
std::string help_here(const Onlooker& board, const job::Job& job);

} // namespace dmarace::campaign
