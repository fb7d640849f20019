// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/commands/bisection.hpp"
#include "vm/kernels/say.hpp"

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr int kBroken = 128, kInterrupted = 130;

// Answers to another question are of no use, and not ours to throw away.
Status check_question(State& state, const BisectOptions& options, const fs::path& file) {
    const std::string question = question_of(options);
    if (state.question.empty())
        state.question = question;
    if (state.question == question)
        return {};
    return fail(Fault::usage, fmt::format("{} has the answers to another question ({}): remove it, "
                                          "or name another with --state",
                                          file.string(), state.question));
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

} // namespace

// git takes 1 to 127 but 125 for a bad kernel: what went wrong here must not be.
Result<int> bisect_command(const Arguments& arguments) {
    const auto options = parse_bisect(arguments);
    if (options && !*options)
        return 0;
    const auto code = options ? bisect(**options) : Result<int>(std::unexpected(options.error()));
    if (code)
        return *code;
    say("{}", code.error().message);
    return code.error().os_error == EINTR ? kInterrupted : kBroken;
}

} // namespace dmarace::vm
