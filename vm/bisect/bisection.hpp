// SPDX-License-Identifier: GPL-2.0-or-later
// Answers git for the commit that is checked out: from the state file, or by building,
// booting and trying it.
#pragma once

#include "vm/bisect/judge.hpp"
#include "vm/board/board.hpp"
#include "vm/campaign/places.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/source.hpp"

namespace dmarace::vm {

struct BisectOptions {
    std::string job, board, tree, state, out, cache, source, program, append;
    std::vector<std::string> variants, configs;
    unsigned jobs = 0;          // of make
    double confidence = 0.99;   // of a good answer
    double failure_rate = 0;    // of a bad kernel, told; 0: measured
    unsigned measure = 20;      // trials of the known-bad kernel
    unsigned max_trials = 1000; // that a good answer may take
    bool measure_here = false, steps = false, report = false, again = false;
    std::vector<std::string> words; // for `dmarace run JOB`
};

// What is asked of each commit, in words: answers to two questions are not mixed.
std::string question_of(const BisectOptions& options);

// The exit code for git; an error is the harness's.
Result<int> bisect(const BisectOptions& options);

// A tree of git's: asks about it, and moves it from commit to commit.
class GitTree {
public:
    // Fault::usage when the directory is in no git tree.
    static Result<GitTree> open(const std::filesystem::path& directory);

    const std::filesystem::path& directory() const { return top_; }
    // Where git keeps what belongs to this worktree alone.
    const std::filesystem::path& git_directory() const { return git_; }

    // The full id of a commit ("HEAD", "refs/bisect/bad"); an error if there is none.
    Result<std::string> commit(const std::string& name) const;
    // The first line of its message.
    Result<std::string> subject(const std::string& commit) const;
    // Whether files that git knows differ from HEAD.
    Result<bool> changed() const;
    Status check_out(const std::string& commit) const;

private:
    GitTree(std::filesystem::path top, std::filesystem::path git)
        : top_(std::move(top)), git_(std::move(git)) {}
    Result<std::string> ask(std::vector<std::string> words, const std::string& what) const;

    std::filesystem::path top_, git_;
};

// Builds, boots and tries the kernel that a git tree has checked out.
class Bench {
public:
    static Result<Bench> open(const BisectOptions& options);

    // The build directory; Fault::untestable when the tree, or the module for it,
    // does not build, or when the kernel lacks what the board needs.
    Result<std::filesystem::path> build(const std::filesystem::path& tree) const;

    // Trials of a built kernel. Results go to DIR/1, DIR/2 and so on.
    Trials trials(const std::filesystem::path& kernel, const std::filesystem::path& out) const;

private:
    Bench(BisectOptions options, Places places, Cache cache, KernelOptions kernel, Board board)
        : options_(std::move(options)), places_(std::move(places)), cache_(std::move(cache)),
          kernel_(std::move(kernel)), board_(std::move(board)) {}
    Result<Tally> run(const std::filesystem::path& kernel, const std::filesystem::path& out,
                      unsigned trials) const;

    BisectOptions options_;
    Places places_;
    Cache cache_;
    KernelOptions kernel_;
    Board board_;
};

// --state, or dmarace-bisect.json in git's directory.
std::filesystem::path state_file(const BisectOptions& options, const GitTree& git);

class Bisection {
public:
    Bisection(const BisectOptions& options, GitTree git, Bench bench, BisectState state)
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
    Result<BisectStep> try_kernel(const std::string& commit, const Demand& demand);
    Result<int> judge_commit(const std::string& commit, bool changed, const Demand& demand);

    BisectOptions options_;
    GitTree git_;
    Bench bench_;
    BisectState state_;
};

} // namespace dmarace::vm
