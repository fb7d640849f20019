// SPDX-License-Identifier: GPL-2.0-or-later
// A search: schedules one after the other, each a run of a campaign in a directory of its own;
// what fails is minimised, proved and told. It goes on by being done again: a run that has ended is
// read and not made, so neither Ctrl-C nor a machine that died loses anything.
#pragma once

#include "campaign/campaign.hpp"
#include "search/schedule.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace dmarace::explore {

struct Predicted {
    std::vector<search::Candidate> candidates;
    std::string boot_again; // why the machine is to be booted before the rest is known
};

// Of a search, and of each one of a sweep.
struct SearchOptions {
    campaign::Wishes wishes;
    std::filesystem::path out;
    std::string board;
    std::vector<job::Allow> allow; // what is known of it
    std::string command;           // that began it, for notes and pages: "explore iommu bind"
    std::uint64_t seed = 1;
    unsigned bound = 1;
    bool all_points = true;  // besides what candidates name
    unsigned prove = 5;      // how often what was found is run, and as often without its hold
    unsigned stop_after = 0; // findings; 0: all schedules
    unsigned most = 0;       // schedules; 0: all
    std::optional<std::chrono::nanoseconds> limit;
    bool resume = false;
    bool booted = false; // by who starts it: the time that takes is the search's
};

struct ExploreOptions : SearchOptions {
    std::vector<search::Candidate> candidates;
    std::vector<std::string> acts; // as candidates name them, in the order of the actors
    std::string no_candidates;     // why there are none, "" where there are
    double watching = 0;           // seconds that it took to name them: the search's
    std::string control;           // the guard that is taken out, "" for none
    // All that can be predicted with more time: asked where what is known has been tried.
    std::function<Result<Predicted>()> predict_more;
};

struct Proof {
    unsigned whole = 0, of = 0;           // failed
    unsigned without = 0, without_of = 0; // failed with the hold taken away
    std::string note;                     // what of it is doubtful, "" if nothing
};

struct Finding {
    search::Schedule schedule;
    std::string id;  // "01"
    std::string run; // the directory of the schedule that showed it
    std::vector<std::string> failures;
    std::set<std::string> where; // they happened as the kernel says, where it does say
    std::string verdict, known;
    std::string what;              // the schedule in words
    std::vector<std::string> also; // schedules that showed the same
    std::optional<Proof> proof;
    unsigned number = 0; // of its schedule
    double seconds = 0;  // when it was found, of the search
    std::string html;    // its story, to be looked at
};

// What it failed with, and where.
std::string told(const Finding& finding);

struct TriedSchedule {
    std::string run; // its directory
    std::string what, end, why;
    double seconds = 0;
};

struct Explored {
    std::vector<TriedSchedule> tried;
    std::vector<Finding> findings;
    std::vector<std::string> quiet; // what shows in turn, so is no finding
    std::vector<std::string> met;   // what else showed all at once, with nobody parked: luck met it
    std::vector<std::string> notes;
    unsigned left = 0, pruned = 0;
    double seconds = 0; // of the search, the proofs left out
    double proving = 0;
    bool proves = false;    // at the moment
    std::string boot_again; // why the machine is to be booted before it can go on
    std::string stopped;    // why it ended before all was tried, "" if it did not
    bool interrupted = false;
};

// What is told while it goes on.
class ExploreProgress : public campaign::RunProgress {
public:
    virtual void state(const Explored& so_far, const std::string& now) = 0;
    virtual void tried(const TriedSchedule& schedule) = 0;
};

// Makes one run, or goes on with it: campaign::run_job, but for tests.
using MakeRun =
    std::function<Result<campaign::Ran>(const job::Job&, const campaign::CampaignOptions&)>;

// Fault::untestable: these acts cannot be done on this board. What it writes: docs/explore.md.
Result<Explored> explore(campaign::Machine& machine, ExploreProgress& progress,
                         campaign::RunInterrupts& interrupts, const search::ActSet& set,
                         const ExploreOptions& options, MakeRun make_run = {});

// Pass only where a place was reached.
verdict::Verdict verdict_of(const Explored& explored);
// The page, the same to be looked at, and as JSON.
std::string explore_page(const Explored& explored, const ExploreOptions& options);
std::string explore_html(const Explored& explored, const ExploreOptions& options);
std::string explore_json(const Explored& explored, const ExploreOptions& options);

} // namespace dmarace::explore
