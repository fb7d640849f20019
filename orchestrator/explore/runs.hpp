// SPDX-License-Identifier: GPL-2.0-or-later
// The runs of a search, each in a directory of its own: made, or read where they have ended; and
// what is written of a finding.
#pragma once

#include "explore/explore.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace dmarace::explore {

struct SearchRun {
    run::Run run;
    bool died = false; // the machine, behind its last iteration
};

// Kind and device of each failure, each once.
std::vector<std::string> failures_of(const verdict::Judgement& judgement);
std::vector<std::string> failures_of(const SearchRun& made);
// Where the kernel says that they happened, sorted, each once.
std::set<std::string> reported_at(const SearchRun& made);

// Whose time a run takes.
enum class SearchClock { search, proof };

class SearchRuns {
public:
    SearchRuns(campaign::Machine& machine, ExploreProgress& progress,
               campaign::RunInterrupts& interrupts, const search::ActSet& set,
               const ExploreOptions& options, MakeRun make_run, Explored& told)
        : machine_(machine), progress_(progress), interrupts_(interrupts), set_(set),
          options_(options), make_run_(std::move(make_run)), told_(told) {}

    // What every run works on: the same device each time, whatever it is bound to by then.
    Status prepare();
    // A run of that name: read if it has ended, else made, or gone on with. Null: the search has
    // to stop here.
    Result<const SearchRun*> made(const std::string& name, const job::Job& wanted,
                                  unsigned iterations, bool holds, SearchClock clock);
    bool goes_on(SearchClock clock) const;
    // Null where that one has not been asked for.
    const SearchRun* run_of(const std::string& name) const;
    // When the search that was taken up found what that run shows.
    double found_at(const std::string& name) const;
    Result<verdict::Observed> observed_of(const std::string& name) const;
    // The page and its JSON, as it is now.
    Status keep() const;

    const campaign::Wishes& wishes() const { return wishes_; }
    const search::ParamOf& params() const { return params_; }
    const std::set<std::string>& devices() const { return devices_; }

private:
    Status read_seconds();
    bool over_time();

    campaign::Machine& machine_;
    ExploreProgress& progress_;
    campaign::RunInterrupts& interrupts_;
    const search::ActSet& set_;
    const ExploreOptions& options_;
    MakeRun make_run_;
    Explored& told_;
    campaign::Wishes wishes_;
    search::ParamOf params_;
    std::set<std::string> devices_;
    std::map<std::string, SearchRun> runs_;
    std::map<std::string, double> found_at_;
};

// The job file and the story of a finding; also its story as HTML, which goes into the page.
Status tell(const SearchRuns& runs, const search::ActSet& set, const ExploreOptions& options,
            Finding& finding);
// "CONTROL: the kernel's guard .. is taken out": stands on whatever is written of such a search.
std::string control_text(const ExploreOptions& options);
std::filesystem::path place_of(const ExploreOptions& options, const Finding& finding);

} // namespace dmarace::explore
