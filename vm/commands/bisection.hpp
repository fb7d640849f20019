// SPDX-License-Identifier: GPL-2.0-or-later
// This file answers git for the commit that is checked out: from the state file,
// or by building and trying it.
#pragma once

#include "vm/bisect/git.hpp"
#include "vm/commands/bench.hpp"

namespace dmarace::vm {

// --state, or dmarace-bisect.json in git's directory.
std::filesystem::path state_file(const BisectOptions& options, const GitTree& git);

class Bisection {
public:
    Bisection(const BisectOptions& options, GitTree git, Bench bench, State state)
        : options_(options), git_(std::move(git)), bench_(std::move(bench)),
          state_(std::move(state)) {}

    // The exit code for git; an error is the harness's.
    Result<int> answer();

private:
    std::filesystem::path out() const;
    Status save() const { return save_state(state_file(options_, git_), state_); }
    // A measurement that was cut short left the known-bad commit checked out.
    Status finish_measurement();
    Status go_back();
    Status measure_commit(const std::string& commit);
    // Measures the bad end of the bisection, and comes back.
    Status measure_bad_end(const std::string& head, bool changed);
    Result<Demand> find_demand(const std::string& head, bool changed);
    Result<Step> try_kernel(const std::string& commit, const Demand& demand);
    Result<int> judge_commit(const std::string& commit, bool changed, const Demand& demand);

    BisectOptions options_;
    GitTree git_;
    Bench bench_;
    State state_;
};

} // namespace dmarace::vm
