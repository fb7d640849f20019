// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/bisect/bisection.hpp"

#include "base/files.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "run/run_dir.hpp"
#include "vm/bisect/judge.hpp"
#include "vm/board/board.hpp"
#include "vm/board/control.hpp"
#include "vm/campaign/run.hpp"
#include "vm/kernels/say.hpp"
#include "vm/kernels/source.hpp"

#include <chrono>
#include <memory>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kRateConfidence = 0.95; // in the lower bound of the measured rate
constexpr const char* kBad = "refs/bisect/bad";
// What a script of the user's is told.
constexpr const char *kTrials = "DMARACE_TRIALS", *kTrialsOut = "DMARACE_OUT";

// A message of several lines, on one.
std::string one_line(const std::string& text) {
    std::string line;
    for (const char letter : text)
        line.append(letter == '\n' ? std::string_view(" |") : std::string_view(&letter, 1));
    return line;
}

void print(const BisectStep& step, const Demand& demand) {
    const std::string name = short_name(step.commit) + " " + step.subject;
    switch (step.answer) {
    case Answer::good:
        return say("{}: good, {} trials passed, {} are asked for, confidence {:.4f}", name,
                   step.passes, demand.trials, step.confidence);
    case Answer::bad:
        return say("{}: bad, {} of {} trials failed: {}", name, step.failures,
                   step.failures + step.passes, step.why);
    case Answer::skip:
        return say("{}: skipped: {}", name, step.why);
    }
}

// Answers to another question are of no use, and not ours to throw away.
Status check_question(BisectState& state, const BisectOptions& options, const fs::path& file) {
    const std::string question = question_of(options);
    if (state.question.empty())
        state.question = question;
    if (state.question == question)
        return {};
    return fail(Fault::usage, fmt::format("{} has the answers to another question ({}): remove it, "
                                          "or name another with --state",
                                          file.string(), state.question));
}

// A tree of git's: asks about it, and moves it from commit to commit.
class GitTree {
public:
    // Fault::usage when the directory is in no git tree.
    static Result<GitTree> open(const fs::path& directory) {
        const auto top =
            run_checked({.argv = {"git", "-C", directory, "rev-parse", "--show-toplevel"}}, "git");
        const auto git = run_checked(
            {.argv = {"git", "-C", directory, "rev-parse", "--absolute-git-dir"}}, "git");
        if (!top || !git)
            return fail(Fault::usage,
                        directory.string() +
                            " is in no git tree: run this in the kernel's (git bisect "
                            "run does), or name it with --tree: " +
                            (top ? git.error() : top.error()).message);
        return GitTree(first_line(*top), first_line(*git));
    }

    // The full id of a commit ("HEAD", "refs/bisect/bad"); an error if there is none.
    Result<std::string> commit(const std::string& name) const {
        return ask({"rev-parse", "--verify", name + "^{commit}"}, "git: commit " + name);
    }

    // The first line of its message.
    Result<std::string> subject(const std::string& commit) const {
        return ask({"show", "--no-patch", "--format=%s", commit}, "git: commit " + commit);
    }

    // Whether files that git knows differ from HEAD.
    Result<bool> changed() const {
        const auto text = ask({"status", "--porcelain", "--untracked-files=no"}, "git status");
        if (!text)
            return std::unexpected(text.error());
        return !text->empty();
    }

    Status check_out(const std::string& commit) const {
        TRY_AS(const auto done,
               ask({"checkout", "--quiet", "--detach", commit}, "git checkout " + commit));
        return {};
    }

    const fs::path& directory() const { return top_; }
    // Where git keeps what belongs to this worktree alone.
    const fs::path& git_directory() const { return git_; }

private:
    GitTree(fs::path top, fs::path git) : top_(std::move(top)), git_(std::move(git)) {}

    // The first line of what it says.
    Result<std::string> ask(std::vector<std::string> words, const std::string& what) const {
        Command command{.argv = {"git", "-C", top_}};
        command.argv.insert(command.argv.end(), words.begin(), words.end());
        const auto said = run_checked(command, what);
        return said ? first_line(*said) : said;
    }

    fs::path top_, git_;
};

// Builds, boots and tries the kernel that a git tree has checked out.
class Bench {
public:
    static Result<Bench> open(const BisectOptions& options) {
        TRY_AS(auto places, find_places(options.source));
        TRY_AS(auto cache, Cache::open(options.cache));
        Board board; // a script has one of its own
        if (options.script.empty()) {
            TRY_AS(board, find_board(options.board, places.boards()));
        }
        TRY_AS(auto kernel, choose_options(places.configs(), {.variants = options.variants,
                                                              .configs = options.configs,
                                                              .defconfig = options.defconfig,
                                                              .llvm = options.llvm,
                                                              .architecture = board.architecture,
                                                              .jobs = options.jobs}));
        return Bench(options, std::move(places), std::move(cache), std::move(kernel),
                     std::move(board));
    }

    // The build directory; Fault::untestable when the tree, or the module for it,
    // does not build, or when the kernel lacks what the board needs.
    Result<fs::path> build(const fs::path& directory) const {
        if (!options_.script.empty())
            return directory;
        TRY_AS(const auto tree, open_source_tree(directory, *board_.architecture));
        TRY_AS(auto built, build_kernel(cache_, tree, kernel_));
        TRY_AS(const auto kernel, open_kernel(built));
        if (auto fits = check_board(kernel, board_); !fits)
            return fail(Fault::untestable, fits.error().message);
        TRY(build_modules(cache_, kernel, places_.source));
        return built;
    }

    // Trials of a built kernel. Results go to DIR/1, DIR/2 and so on.
    Trials trials(const fs::path& kernel, const fs::path& out) const {
        const auto boots = std::make_shared<unsigned>(0);
        return [this, kernel, out, boots](unsigned trials) {
            return run(kernel, out / std::to_string(++*boots), trials);
        };
    }

private:
    Bench(BisectOptions options, Places places, Cache cache, KernelOptions kernel, Board board)
        : options_(std::move(options)), places_(std::move(places)), cache_(std::move(cache)),
          kernel_(std::move(kernel)), board_(std::move(board)) {}

    Result<Tally> run(const fs::path& kernel, const fs::path& out, unsigned trials) const {
        std::error_code error;
        fs::remove_all(out, error);
        fs::create_directories(out.parent_path(), error);
        if (!options_.script.empty())
            return run_script(kernel, out, trials);
        BoardRunOptions run{
            .board = options_.board,
            .kernel = kernel.string(),
            .out = out.string(),
            .cache = options_.cache,
            .source = options_.source,
            .program = options_.program,
            .append = options_.append,
            .accel = options_.accel,
            .also = {},
            .exact = true,
            .command = {"run", options_.job, "--iterations", std::to_string(trials)}};
        if (!board_.hardware) // a guest is ours, so no risk is too high for it
            run.command.push_back("--unsafe");
        run.command.insert(run.command.end(), options_.words.begin(), options_.words.end());
        TRY_AS(const auto exit, run_on_board(run));
        return read_tally(read_text(out / run::files::kResult).value_or(""),
                          read_text(out / kVmJson).value_or(""), exit);
    }

    // The user's own: it builds, deploys and runs, and leaves result.json in 'out'.
    Result<Tally> run_script(const fs::path& tree, const fs::path& out, unsigned trials) const {
        std::error_code error;
        fs::create_directories(out, error);
        const InterruptCount interrupts;
        Command command{.argv = {options_.script},
                        .environment = {{kTrials, std::to_string(trials)}, {kTrialsOut, out}},
                        .directory = tree,
                        .log = out / "script.log"};
        command.argv.insert(command.argv.end(), options_.words.begin(), options_.words.end());
        TRY_AS(const auto exit,
               run_showing(command, fmt::format("{} trials by {}", trials, options_.script)));
        return tally_of_script(exit, read_text(out / run::files::kResult).value_or(""),
                               out.string());
    }

    BisectOptions options_;
    Places places_;
    Cache cache_;
    KernelOptions kernel_;
    Board board_;
};

// --state, or dmarace-bisect.json in git's directory.
fs::path state_file(const BisectOptions& options, const GitTree& git) {
    return options.state.empty() ? git.git_directory() / "dmarace-bisect.json"
                                 : fs::absolute(options.state);
}

class Bisection {
public:
    Bisection(const BisectOptions& options, GitTree git, Bench bench, BisectState state)
        : options_(options), git_(std::move(git)), bench_(std::move(bench)),
          state_(std::move(state)) {}

    // The exit code for git; an error is the harness's.
    Result<int> answer() {
        TRY(finish_measurement());
        TRY_AS(const auto head, git_.commit("HEAD"));
        TRY_AS(const auto changed, git_.changed());
        if (options_.measure_here) {
            TRY(measure_commit(head));
            return 0;
        }
        const BisectStep* known = changed || options_.again ? nullptr : state_.find(head);
        const bool sure_enough = known != nullptr && (known->answer != Answer::good ||
                                                      known->confidence >= options_.confidence);
        if (sure_enough) {
            say("{} {}: {}, as it was judged before", short_name(head), known->subject,
                to_text(known->answer));
            return exit_code(known->answer);
        }
        TRY_AS(const auto demand, find_demand(head, changed));
        return judge_commit(head, changed, demand);
    }

private:
    fs::path out() const {
        return options_.out.empty() ? git_.git_directory() / "dmarace-bisect"
                                    : fs::absolute(options_.out);
    }

    Status save() const { return save_state(state_file(options_, git_), state_); }

    // A measurement that was cut short left the known-bad commit checked out.
    Status finish_measurement() {
        if (state_.return_to.empty())
            return {};
        // Whoever has moved since then is where they want to be.
        const auto head = git_.commit("HEAD"), bad = git_.commit(kBad);
        if (!head || !bad || *head != *bad) {
            state_.return_to.clear();
            return save();
        }
        say("a measurement was cut short; going back to {}", short_name(state_.return_to));
        return go_back();
    }

    Status go_back() {
        TRY(git_.check_out(state_.return_to));
        state_.return_to.clear();
        return save();
    }

    Status measure_commit(const std::string& commit) {
        say("measuring how often {} fails, in {} trials", short_name(commit), options_.measure);
        const auto kernel = bench_.build(git_.directory());
        if (!kernel)
            return std::unexpected(Error(kernel.error()).within("the known-bad kernel"));
        TRY_AS(const auto measured,
               measure(options_.measure, bench_.trials(*kernel, out() / (commit + "-rate"))));
        const Rate& rate = measured.rate;
        state_.rate = rate;
        state_.kinds = measured.kinds;
        state_.rate_commit = commit;
        say("{} of {} trials failed ({}): a bad kernel fails at least {:.2g} of them (confidence "
            "{})",
            rate.failures, rate.trials, fmt::join(measured.kinds, ", "),
            least_rate(rate, kRateConfidence), kRateConfidence);
        return save();
    }

    // Measures the bad end of the bisection, and comes back.
    Status measure_bad_end(const std::string& head, bool changed) {
        const auto bad = git_.commit(kBad);
        if (!bad)
            return fail(Fault::usage,
                        "how often does a bad kernel fail? Begin with `git bisect start "
                        "BAD GOOD`, or check out a bad commit and add --measure-here, or "
                        "give --failure-rate P");
        if (*bad == head)
            return measure_commit(head);
        if (changed)
            return fail(Fault::usage,
                        "the tree has changes, so the known-bad commit cannot be checked "
                        "out to be measured: commit or stash them");
        state_.return_to = head;
        TRY(save());
        TRY(git_.check_out(*bad));
        const auto measured = measure_commit(*bad);
        TRY(go_back());
        return measured;
    }

    Result<Demand> find_demand(const std::string& head, bool changed) {
        double rate = options_.failure_rate;
        if (rate <= 0) {
            if (!state_.rate)
                TRY(measure_bad_end(head, changed));
            rate = least_rate(*state_.rate, kRateConfidence);
        }
        auto demand = demand_for(options_.confidence, rate, options_.max_trials);
        if (demand)
            demand->kinds = state_.kinds;
        if (demand && options_.steps)
            say("a bad kernel fails at least {:.2g} of its trials: {} passes make a good one, with "
                "confidence {:.4f}",
                rate, demand->trials, confidence_of(demand->trials, rate));
        return demand;
    }

    Result<BisectStep> try_kernel(const std::string& commit, const Demand& demand) {
        const auto kernel = bench_.build(git_.directory());
        if (kernel)
            return judge(demand, bench_.trials(*kernel, out() / commit));
        if (kernel.error().fault != Fault::untestable)
            return std::unexpected(kernel.error());
        BisectStep step;
        step.why = one_line(kernel.error().message);
        return step;
    }

    Result<int> judge_commit(const std::string& commit, bool changed, const Demand& demand) {
        const auto start = Clock::now();
        TRY_AS(const auto subject, git_.subject(commit));
        if (options_.steps)
            say("judging {} {}", short_name(commit), subject);
        TRY_AS(auto step, try_kernel(commit, demand));
        step.commit = commit;
        step.subject = subject;
        step.seconds = std::chrono::duration<double>(Clock::now() - start).count();
        if (fs::exists(out() / commit))
            step.results = (out() / commit).string();
        print(step, demand);
        if (changed) // it is not this commit that was judged
            return exit_code(step.answer);
        state_.steps.push_back(step);
        TRY(save());
        return exit_code(step.answer);
    }

    BisectOptions options_;
    GitTree git_;
    Bench bench_;
    BisectState state_;
};

} // namespace

std::string question_of(const BisectOptions& options) {
    std::string question = options.script.empty()
                               ? fmt::format("job {}, board {}", options.job, options.board)
                               : "script " + options.script;
    Key files; // what a file of one's own says is part of the question
    bool own = false;
    for (const std::string& file : {options.job, options.board, options.program, options.script}) {
        std::error_code error;
        if (fs::is_regular_file(file, error)) {
            files.add(read_text(file).value_or(""));
            own = true;
        }
    }
    for (const std::string& file : options.configs)
        files.add(read_text(file).value_or(""));
    if (own || !options.configs.empty())
        question += ", files " + files.text();
    for (const auto& [word, value] :
         {std::pair(", defconfig ", options.defconfig), std::pair(", LLVM=", options.llvm)})
        if (!value.empty())
            question += word + value;
    if (!options.variants.empty())
        question += fmt::format(", variants {}", fmt::join(options.variants, ","));
    if (!options.append.empty())
        question += ", kernel arguments " + options.append;
    if (!options.words.empty())
        question += fmt::format(", run options {}", fmt::join(options.words, " "));
    return question;
}

Result<int> bisect(const BisectOptions& options) {
    TRY_AS(auto git, GitTree::open(options.tree));
    const fs::path file = state_file(options, git);
    TRY_AS(auto state, load_state(file));
    if (options.report) {
        fmt::print("{}\n{}", state.question, report_steps(state));
        return 0;
    }
    TRY(check_question(state, options, file));
    TRY_AS(auto bench, Bench::open(options));
    return Bisection(options, std::move(git), std::move(bench), std::move(state)).answer();
}

} // namespace dmarace::vm
