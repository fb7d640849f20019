// SPDX-License-Identifier: GPL-2.0-or-later
// How iterations are made: by actors, on this boot (live.cpp), or by the machine's own
// boots, between two calls of dmarace (boot.cpp). The loop over either is campaign.cpp.
#pragma once

#include "campaign/actors.hpp"
#include "campaign/campaign.hpp"
#include "report/teller.hpp"
#include "run/run_dir.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dmarace::campaign {

// What the loop and a maker of iterations work on.
struct CampaignState {
    Machine& machine;
    RunProgress& progress;
    RunInterrupts& interrupts;
    const job::Job& job;
    const CampaignOptions& options;
    std::optional<run::RunDir> dir{}; // made once nothing can be wrong with the command line
    run::Run run{};
    std::optional<run::RunEnd> stop{}; // why no further iteration follows
    std::string boot_again{};          // why none follows on this boot
    std::uint64_t taint = 0;           // as it was looked at last
    report::RunTeller ktap{report::kKtapForm};
    // For how long it went on before the moment since which it goes on now.
    std::chrono::nanoseconds spent{}, since{};

    unsigned planned() const;
    unsigned next_number() const { return static_cast<unsigned>(run.ended.size()) + 1; }
    // Has it as many iterations as were planned?
    bool done() const { return planned() > 0 && run.ended.size() >= planned(); }
    // Whether iterations are left to do, on this boot or another one.
    bool is_left() const;
    // .. and may be begun.
    bool wanted();
    Status append(const std::string& record) { return dir->append(record, true); }
    // What is kept of an iteration that was observed to its end.
    run::IterationEnd judged(const job::Plan& plan, const job::Bindings& bindings,
                             const verdict::Baseline& baseline,
                             const verdict::Observed& observed) const;
    // Judges what the log and the taint have shown since they were looked at last, where no
    // iteration went on. Nothing is kept where nothing was wrong.
    Status look_outside(const std::string& where);
    // The same of a log and of a taint before it that are known.
    Status judge_outside(const std::string& where, verdict::Observed seen);
    // Says what is new in 'run' while it goes on: in result.ktap, and to who asked for it.
    void tell();
    // Into the journal, to udev and to whoever watches. The caller keeps it in 'run'.
    Status tell_end(const run::IterationEnd& record);
};

class IterationMaker {
public:
    virtual ~IterationMaker() = default;

    // What the module has told already, before an audit drops it.
    virtual Status hear_first() { return {}; }
    // Can the run be made here? Fault::usage ends it with nothing written. 'begins': nothing
    // of it was made yet.
    virtual Status check(const Survey& survey, const Result<job::Bindings>& bindings,
                         bool begins) = 0;
    // Is what an earlier call left behind still this run's? Fault::usage if another's.
    virtual Status check_earlier() { return {}; }
    // Does something of an ended run wait to be restored?
    virtual bool leaves_something() const { return false; }
    // The iterations that ended while no dmarace was there to say so. 'went_down': the journal
    // has no end of the last call.
    virtual Status account(bool went_down) = 0;
    // Of a guest that may be kept: as much of prepare() as is alike in all its lives. Nothing is
    // written down yet: what goes wrong here every life tells.
    virtual void prepare_alike(const Survey& survey) { (void)survey; }
    // Puts the machine into the state that iterations of this boot begin with.
    virtual Status prepare(const Survey& survey) = 0;
    // The next one. Nothing ended when it was interrupted, or when it takes a boot.
    virtual Status iterate(std::optional<run::IterationEnd>& ended) = 0;
    // Undoes what prepare() and the iterations did. 'goes_on': after a boot.
    virtual Status restore(bool goes_on) = 0;
    // The end cannot be written down: nobody will go on with the run.
    virtual void abandon() {}
};

std::unique_ptr<IterationMaker> make_live(CampaignState& state);
std::unique_ptr<IterationMaker> make_boots(CampaignState& state, board::BootFiles files);

struct IterationOptions {
    unsigned number = 1;
    std::string run_id;
    std::uint64_t seed = 0;
    bool holds = true;
    std::uint64_t taint = 0; // before it
    ActorLimits limits;
    const ActHooks* hooks = nullptr;
};

// The end of a dead machine's log that is kept as evidence.
inline constexpr std::size_t kLastLines = 60;

// What is kept of an iteration that the machine did not survive.
run::IterationEnd crashed(unsigned iteration, const std::string& why, std::vector<std::string> log);

// What the kernel log holds where an iteration begins: after a crash its last
// words are found by it.
std::string mark_of(const std::string& run_id, unsigned iteration);

// The seed of one iteration's random delays (splitmix64): every iteration has
// delays of its own, and has them again with the same --seed. Below 2^63.
std::uint64_t seed_of(std::uint64_t seed, unsigned iteration);

// Sorts what the module said into the iteration's record.
void sort_events(verdict::Observed& observed, const job::Plan& plan);
// Adds what it has said since it was asked last.
Status take_events(Machine& machine, verdict::Observed& observed);
verdict::LogLine to_log_line(board::KernelRecord record);
// Adds what the kernel log has said since it was read last.
void read_log(Machine& machine, verdict::Observed& observed);
std::uint64_t read_taint(const board::Devices& devices);

// Gives the module the plan's rules, and returns those; drops those it had.
// Optional rules on points that this kernel lacks are left out with a note. A rule
// that must be there and cannot is Fault::untestable, naming the point.
Result<std::vector<job::Rule>> load_rules(Machine& machine, RunProgress& progress,
                                          const job::Plan& plan);

// Rules that only tell the judge of type writes what happened when, where the plan has such
// writes. Without one of them he knows less: noted.
void load_witnesses(Machine& machine, RunProgress& progress, const job::Plan& plan);

// Lets the rules act. A lease that ran out between two iterations (a stalled
// machine, a slow disk) cost nothing but the module's trust: the rules are added
// again, with a note.
Status arm(Machine& machine, RunProgress& progress, const job::Plan& plan,
           const IterationOptions& options);

// ISO 8601, UTC, as the journal has times.
std::string now_text();

} // namespace dmarace::campaign
