// SPDX-License-Identifier: GPL-2.0-or-later
// A board boots until its command has ended: again after each iteration that took the
// machine with it. That iteration gets its verdict, and result.json is written whatever
// happens.
#pragma once

#include "report/report.hpp"
#include "run/record.hpp"
#include "run/request.hpp"
#include "vm/board/board.hpp"
#include "vm/board/control.hpp"
#include "vm/image/initramfs.hpp"

#include <filesystem>
#include <functional>

namespace dmarace::vm {

// The journal of a run's directory, or those of the directories below, as jobs and searches have.
std::vector<std::filesystem::path> find_journals(const std::filesystem::path& out);

struct RunSurvey {
    std::size_t ended = 0;                        // iterations with a verdict, of all jobs
    std::optional<std::filesystem::path> journal; // the one with an interrupted iteration
    unsigned iteration = 0;                       // that iteration
};
Result<RunSurvey> survey(const std::filesystem::path& out);

// What an iteration that took the guest with it is judged to be.
run::IterationEnd judge_death(unsigned iteration, const BootOutcome& outcome);

// Appends a death's record, after cutting off a torn last line.
Status record_death(const std::filesystem::path& journal, const run::IterationEnd& end);

// Writes result.json and result.ktap beside every journal that has no newer one.
Status write_results(const std::filesystem::path& out);

// Every run there with its directory, one after the other, as the given report shows it.
using Shower = std::function<std::string(const run::Run&, const std::filesystem::path&)>;
Result<std::string> totals(const std::filesystem::path& out, const Shower& show);

// The verdict over all journals of a run.
Result<verdict::Verdict> overall(const std::filesystem::path& out);

struct RunSetup {
    Contents contents;
    const Board* board = nullptr;     // not owned
    std::vector<std::string> command; // of dmarace, as the user wrote it
    std::optional<run::RunRequest>
        request; // `dmarace run`, whose iterations a dead guest does not end
    std::map<std::string, std::string> environment;
    std::filesystem::path out;     // shared with the guest
    std::filesystem::path scratch; // of ours, for initramfs files; has the root disk, if any
    std::string append;            // more kernel arguments
    std::string inserts{};         // modules of ours that hardware gets before the command
    bool fresh = false;            // a boot for every iteration
    bool exact = false;            // of one release's kernels no other than this one will do
    bool warm = false;             // a life for every boot but the first, where the board can
    unsigned most_boots = 0;       // 0: as many as it takes
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

struct BootRecord {
    BootOutcome outcome;
    double seconds = 0;
    std::optional<unsigned> lost_iteration; // the iteration it took with it
    bool restored = false;                  // no boot: the guest of the first one, taken up again
};

struct BootedRun {
    std::vector<BootRecord> boots;
    int exit = 0;
    std::string why; // one line for the user when the command did not end by itself
};

// machine: that of setup.board.
Result<BootedRun> run_campaign(const RunSetup& setup, BoardControl& machine);

struct Carrier {
    std::string qemu, accel;           // its version; "kvm" or "tcg"
    std::string release{}, build_id{}; // what hardware says that it runs
    double seconds = 0;                // all boots and what is between them
};

// What a run was booted on and how each boot ended.
std::string vm_json(const RunSetup& setup, const BootedRun& run, const Carrier& carrier);

// The command as the guest gets it: `run` writes to 'out', goes on with what is
// there when resume is set, and ends its boot after iterations that are to have
// one of their own.
std::vector<std::string> guest_command(const std::vector<std::string>& command,
                                       const std::string& out, bool resume, bool fresh);

// On hardware: where the board has the job library, and the user's own job files.
std::string jobs_there(const Hardware& board);
std::string given_there(const Hardware& board);

// Packs what hardware gets below setup.scratch, and says in setup how it is started there.
struct HardwareKit;
Result<HardwareKit> make_kit(RunSetup& setup);

} // namespace dmarace::vm
