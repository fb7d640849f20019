// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/bisect/bisection.hpp"

#include "base/process.hpp"
#include "vm/kernels/say.hpp"

#include <chrono>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kRateConfidence = 0.95; // in the lower bound of the measured rate
constexpr const char* kBad = "refs/bisect/bad";

std::string short_name(const std::string& commit) {
    return commit.substr(0, 12);
}

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

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
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

} // namespace

Result<GitTree> GitTree::open(const fs::path& directory) {
    const auto top =
        run_checked({.argv = {"git", "-C", directory, "rev-parse", "--show-toplevel"}}, "git");
    const auto git =
        run_checked({.argv = {"git", "-C", directory, "rev-parse", "--absolute-git-dir"}}, "git");
    if (!top || !git)
        return fail(Fault::usage, directory.string() +
                                      " is in no git tree: run this in the kernel's (git bisect "
                                      "run does), or name it with --tree: " +
                                      (top ? git.error() : top.error()).message);
    return GitTree(first_line(*top), first_line(*git));
}

Result<std::string> GitTree::ask(std::vector<std::string> words, const std::string& what) const {
    Command command{.argv = {"git", "-C", top_}};
    command.argv.insert(command.argv.end(), words.begin(), words.end());
    return run_checked(command, what);
}

Result<std::string> GitTree::commit(const std::string& name) const {
    const auto id = ask({"rev-parse", "--verify", name + "^{commit}"}, "git: commit " + name);
    if (!id)
        return id;
    return first_line(*id);
}

Result<std::string> GitTree::subject(const std::string& commit) const {
    const auto text = ask({"show", "--no-patch", "--format=%s", commit}, "git: commit " + commit);
    if (!text)
        return text;
    return first_line(*text);
}

Result<bool> GitTree::changed() const {
    const auto text = ask({"status", "--porcelain", "--untracked-files=no"}, "git status");
    if (!text)
        return std::unexpected(text.error());
    return !text->empty();
}

Status GitTree::check_out(const std::string& commit) const {
    const auto done = ask({"checkout", "--quiet", "--detach", commit}, "git checkout " + commit);
    if (!done)
        return std::unexpected(done.error());
    return {};
}

fs::path state_file(const BisectOptions& options, const GitTree& git) {
    return options.state.empty() ? git.git_directory() / "dmarace-bisect.json"
                                 : fs::absolute(options.state);
}

fs::path Bisection::out() const {
    return options_.out.empty() ? git_.git_directory() / "dmarace-bisect"
                                : fs::absolute(options_.out);
}

Result<int> Bisection::answer() {
    if (auto back = finish_measurement(); !back)
        return std::unexpected(back.error());
    const auto head = git_.commit("HEAD");
    const auto changed = git_.changed();
    if (!head || !changed)
        return std::unexpected(head ? changed.error() : head.error());
    if (options_.measure_here) {
        if (auto measured = measure_commit(*head); !measured)
            return std::unexpected(measured.error());
        return 0;
    }
    const BisectStep* known = *changed || options_.again ? nullptr : state_.find(*head);
    const bool sure_enough = known != nullptr && (known->answer != Answer::good ||
                                                  known->confidence >= options_.confidence);
    if (sure_enough) {
        say("{} {}: {}, as it was judged before", short_name(*head), known->subject,
            to_text(known->answer));
        return exit_code(known->answer);
    }
    const auto demand = find_demand(*head, *changed);
    if (!demand)
        return std::unexpected(demand.error());
    return judge_commit(*head, *changed, *demand);
}

Status Bisection::finish_measurement() {
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

Status Bisection::go_back() {
    if (auto back = git_.check_out(state_.return_to); !back)
        return back;
    state_.return_to.clear();
    return save();
}

Status Bisection::measure_commit(const std::string& commit) {
    say("measuring how often {} fails, in {} trials", short_name(commit), options_.measure);
    const auto kernel = bench_.build(git_.directory());
    if (!kernel)
        return std::unexpected(Error(kernel.error()).within("the known-bad kernel"));
    const auto measured =
        measure(options_.measure, bench_.trials(*kernel, out() / (commit + "-rate")));
    if (!measured)
        return std::unexpected(measured.error());
    const Rate& rate = measured->rate;
    state_.rate = rate;
    state_.kinds = measured->kinds;
    state_.rate_commit = commit;
    say("{} of {} trials failed ({}): a bad kernel fails at least {:.2g} of them (confidence {})",
        rate.failures, rate.trials, fmt::join(measured->kinds, ", "),
        least_rate(rate, kRateConfidence), kRateConfidence);
    return save();
}

Status Bisection::measure_bad_end(const std::string& head, bool changed) {
    const auto bad = git_.commit(kBad);
    if (!bad)
        return fail(Fault::usage, "how often does a bad kernel fail? Begin with `git bisect start "
                                  "BAD GOOD`, or check out a bad commit and add --measure-here, or "
                                  "give --failure-rate P");
    if (*bad == head)
        return measure_commit(head);
    if (changed)
        return fail(Fault::usage, "the tree has changes, so the known-bad commit cannot be checked "
                                  "out to be measured: commit or stash them");
    state_.return_to = head;
    if (auto saved = save(); !saved)
        return saved;
    if (auto there = git_.check_out(*bad); !there)
        return there;
    const auto measured = measure_commit(*bad);
    if (auto back = go_back(); !back)
        return back;
    return measured;
}

Result<Demand> Bisection::find_demand(const std::string& head, bool changed) {
    double rate = options_.failure_rate;
    if (rate <= 0) {
        if (!state_.rate)
            if (auto measured = measure_bad_end(head, changed); !measured)
                return std::unexpected(measured.error());
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

Result<BisectStep> Bisection::try_kernel(const std::string& commit, const Demand& demand) {
    const auto kernel = bench_.build(git_.directory());
    if (kernel)
        return judge(demand, bench_.trials(*kernel, out() / commit));
    if (kernel.error().fault != Fault::untestable)
        return std::unexpected(kernel.error());
    BisectStep step;
    step.why = one_line(kernel.error().message);
    return step;
}

Result<int> Bisection::judge_commit(const std::string& commit, bool changed, const Demand& demand) {
    const auto start = Clock::now();
    const auto subject = git_.subject(commit);
    if (!subject)
        return std::unexpected(subject.error());
    if (options_.steps)
        say("judging {} {}", short_name(commit), *subject);
    auto step = try_kernel(commit, demand);
    if (!step)
        return std::unexpected(step.error());
    step->commit = commit;
    step->subject = *subject;
    step->seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (fs::exists(out() / commit))
        step->results = (out() / commit).string();
    print(*step, demand);
    if (changed) // it is not this commit that was judged
        return exit_code(step->answer);
    state_.steps.push_back(*step);
    if (auto saved = save(); !saved)
        return std::unexpected(saved.error());
    return exit_code(step->answer);
}

Result<int> bisect(const BisectOptions& options) {
    auto git = GitTree::open(options.tree);
    if (!git)
        return std::unexpected(git.error());
    const fs::path file = state_file(options, *git);
    auto state = load_state(file);
    if (!state)
        return std::unexpected(state.error());
    if (options.report) {
        fmt::print("{}\n{}", state->question, report_steps(*state));
        return 0;
    }
    if (auto same = check_question(*state, options, file); !same)
        return std::unexpected(same.error());
    auto bench = Bench::open(options);
    if (!bench)
        return std::unexpected(bench.error());
    return Bisection(options, *std::move(git), *std::move(bench), *std::move(state)).answer();
}

} // namespace dmarace::vm
